// Node's ws: send() of a Buffer to every client, as its documentation broadcasts, without compression (it turns Nagle's
// algorithm off itself). Points come by the zeromq package, which carries its binary.
const { WebSocketServer } = require("ws");
const { Subscriber } = require("zeromq");

async function main(port, feed) {
  const sub = new Subscriber({ receiveHighWaterMark: 10000 });
  sub.subscribe();
  await sub.bind(`tcp://127.0.0.1:${feed}`);
  const server = new WebSocketServer({ host: "127.0.0.1", port, backlog: 1024, perMessageDeflate: false });
  server.on("listening", () => console.log("ready"));
  for await (const [point] of sub) {
    for (const tab of server.clients) {
      tab.send(point, { binary: false });
    }
    await new Promise(setImmediate);    // let the loop write what a full socket left over
  }
}

main(Number(process.argv[2]), Number(process.argv[3]));
