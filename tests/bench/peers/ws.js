// ws, the usual server of Node; see settings.js for what it is told. Rooms are sets, as
// its manual shows for broadcasts.
const http = require("node:http");
const { WebSocketServer } = require("ws");
const { port, role, deflate, roomOf } = require("./settings.js");

const rooms = new Map();

function join(ws, name) {
  if (!rooms.has(name)) rooms.set(name, new Set());
  const room = rooms.get(name);
  room.add(ws);
  ws.on("message", (data, binary) => {
    for (const member of room) member.send(data, { binary });
  });
  ws.on("close", () => {
    room.delete(ws);
    if (room.size === 0 && rooms.get(name) === room) rooms.delete(name);
  });
}

function echo(ws) {
  ws.on("message", (data, binary) => ws.send(data, { binary }));
}

const server = http.createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: deflate });
sockets.on("connection", (ws, request) => {
  ws.on("error", () => ws.terminate());
  if (role === "echo") echo(ws);
  else join(ws, roomOf(request.url));
});
server.listen({ port, host: "127.0.0.1", backlog: 4096 });
