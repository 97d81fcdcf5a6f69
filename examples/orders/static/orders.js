"use strict";
const api = document.body.dataset.api;
const form = document.getElementById("new");

function show(list, texts) {
  list.replaceChildren(
    ...texts.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
}

async function load() {
  const orders = await (await fetch(api)).json();
  show(
    document.getElementById("orders"),
    orders.map(
      (order) =>
        `${order.id}: ${order.customer}, ` +
        order.lines.map((line) => `${line.quantity} × ${line.sku}`).join(", "),
    ),
  );
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { token, customer, sku, quantity } = Object.fromEntries(new FormData(form));
  const number = Number(quantity);
  const answer = await fetch(api, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ customer, lines: [{ sku, quantity: quantity ? number : null }] }),
  });
  let faults = [];
  if (answer.status === 401) faults = ["The token is not the right one."];
  else if (!answer.ok) {
    const problem = await answer.json();
    faults = (problem.errors ?? []).map((fault) => `${fault.path.join(".")}: ${fault.detail}`);
  }
  show(document.getElementById("faults"), faults);
  if (answer.ok) await load();
});

load();
