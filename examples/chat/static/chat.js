// One room in one tab. What is said is shown at once, faintly, and becomes solid when it
// comes back from the server. When the connection breaks we come again, a little later each
// time, ask for what we missed, and say again what did not get through.

const list = document.querySelector("#messages");
const status = document.querySelector("#status");
const form = document.querySelector("#say");
const text = document.querySelector("#text");
const { name, live } = list.dataset;

const FIRST_WAIT = 300, LONGEST_WAIT = 8000; // milliseconds
const unheard = new Map(); // what we said and did not hear back: key -> item
let socket, last = 0, wait = FIRST_WAIT, caughtUp = false;

function connect() {
  const url = new URL(live, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = new URLSearchParams({ name, after: last });
  caughtUp = false;
  socket = new WebSocket(url);
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = () => {
    show("offline");
    setTimeout(connect, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };
}

function hear(message) {
  if (message.caught_up) {
    show("online");
    wait = FIRST_WAIT;
    caughtUp = true;
    for (const [key, item] of unheard) say(key, item.dataset.text);
    return;
  }
  last = message.id;
  const item = unheard.get(message.key) ?? add(message);
  unheard.delete(message.key);
  item.classList.remove("unheard");
  item.querySelector("time").textContent = clock(message.at);
  list.append(item); // in the order in which everybody sees it
  settle();
}

function say(key, words) {
  if (caughtUp) socket.send(JSON.stringify({ key, text: words }));
}

function add(message) {
  const item = document.createElement("li");
  item.className = message.name === name ? "mine" : "";
  item.dataset.text = message.text;
  item.style.setProperty("--hue", [...message.name].reduce((h, c) => h * 31 + c.codePointAt(), 7) % 360);
  for (const [tag, content] of [["b", message.name], ["p", message.text], ["time", ""]]) {
    const part = document.createElement(tag);
    part.textContent = content;
    item.append(part);
  }
  list.append(item);
  return item;
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function settle() {
  list.scrollTop = list.scrollHeight;
}

function show(state) {
  status.dataset.state = status.textContent = state;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (!words) return;
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  const item = add({ name, text: words });
  item.classList.add("unheard");
  unheard.set(key, item);
  say(key, words);
  text.value = "";
  settle();
});

connect();
