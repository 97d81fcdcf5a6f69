const address = new URL("/live", location.href);
address.protocol = address.protocol.replace("http", "ws");

const socket = new WebSocket(address);
socket.onmessage = (event) => {
  const { title, body, name, count } = JSON.parse(event.data);
  if (count !== undefined) document.getElementById("count").textContent = `(${count})`;
  if (title === undefined) return;
  const article = document.createElement("article");
  for (const [tag, text] of [["h2", title], ["p", body], ["small", name]]) {
    const part = document.createElement(tag);
    part.textContent = text;
    article.append(part);
  }
  document.getElementById("entries").prepend(article);
};
