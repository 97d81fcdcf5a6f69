// Keep every [data-stock] of the page at what the shop has now.
const path = document.querySelector("script[data-live]").dataset.live;

function listen() {
  const socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
  socket.onmessage = ({ data }) => {
    const levels = JSON.parse(data);
    for (const element of document.querySelectorAll("[data-stock]")) {
      const left = String(levels[element.dataset.stock] ?? 0);
      if (element.dataset.left === left) continue;
      element.dataset.left = element.textContent = left;
      element.animate([{ scale: 1.5 }, { scale: 1 }], { duration: 400, easing: "ease-out" });
    }
  };
  socket.onopen = () => document.documentElement.classList.add("live");
  socket.onclose = () => {
    document.documentElement.classList.remove("live");
    setTimeout(listen, 1000);
  };
}

listen();
