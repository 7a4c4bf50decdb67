// Socket.IO, WebSocket only, with its Redis adapter where REDIS_PORT is set; see
// settings.js for what it is told. A message is the event "m" with one string.
const http = require("node:http");
const { Server } = require("socket.io");
const { port, role, deflate, redisPort } = require("./settings.js");

const options = {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: deflate,
};
if (redisPort) {
  const { createAdapter } = require("@socket.io/redis-adapter");
  const { Redis } = require("ioredis");
  options.adapter = createAdapter(new Redis(redisPort), new Redis(redisPort));
}

const server = http.createServer();
const io = new Server(server, options);
io.on("connection", (socket) => {
  const room = socket.handshake.query.room || "";
  if (role === "echo") {
    socket.on("m", (text) => socket.emit("m", text));
  } else {
    socket.join(room);
    socket.on("m", (text) => io.to(room).emit("m", text));
  }
});
server.listen({ port, host: "127.0.0.1", backlog: 4096 });
