// Bun's own WebSocket server; see settings.js for what it is told. It publishes by its
// native topics, as its manual advises.
const { port, role, deflate, tls, roomOf } = require("./settings.js");

const echoes = role === "echo";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port,
  tls: tls && { cert: Bun.file(tls.cert), key: Bun.file(tls.key) },
  fetch(request, server) {
    return server.upgrade(request, { data: roomOf(request.url) })
      ? undefined
      : new Response("a WebSocket, please", { status: 400 });
  },
  websocket: {
    maxPayloadLength: 1 << 20,
    backpressureLimit: 16 << 20,
    perMessageDeflate: deflate,
    open(ws) {
      if (!echoes) ws.subscribe(ws.data);
    },
    message(ws, message) {
      if (echoes) ws.send(message);
      else server.publish(ws.data, message, deflate);
    },
  },
});
