// Bun: its native publish/subscribe, server.publish() to a topic that every tab is subscribed to; no compression, no
// pings, and no tab closed for being slow. Points come as lines over TCP: its ZeroMQ binding crashes.
const [port, feed] = process.argv.slice(2).map(Number);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("WebSocket only", { status: 426 })),
  websocket: {
    perMessageDeflate: false,
    sendPings: false,
    idleTimeout: 0,
    backpressureLimit: 64 * 1024 * 1024,
    open: (tab) => tab.subscribe("points"),
    message() {},
  },
});

let rest = "";
Bun.listen({
  hostname: "127.0.0.1",
  port: feed,
  socket: {
    data(socket, bytes) {
      const lines = (rest + bytes.toString()).split("\n");
      rest = lines.pop();
      for (const point of lines) {
        server.publish("points", point);
      }
    },
  },
});
console.log("ready");
