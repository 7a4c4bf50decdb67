// uWebSockets.js; see settings.js for what it is told. The binary is loaded itself, since
// the package would otherwise fall back to JavaScript without a word that we see.
const { port, role, deflate, tls } = require("./settings.js");
const { platform, arch, versions } = process;
const uws = require(
  `@trufflesuite/uws-js-unofficial/binaries/uws_${platform}_${arch}_${versions.modules}.node`,
);

const echoes = role === "echo";
const app = tls
  ? uws.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key })
  : uws.App();

app.ws("/*", {
  maxPayloadLength: 1 << 20,
  maxBackpressure: 16 << 20,
  compression: deflate ? uws.SHARED_COMPRESSOR : uws.DISABLED,
  upgrade(response, request, context) {
    response.upgrade(
      { room: request.getQuery("room") || "" },
      request.getHeader("sec-websocket-key"),
      request.getHeader("sec-websocket-protocol"),
      request.getHeader("sec-websocket-extensions"),
      context,
    );
  },
  open(ws) {
    if (!echoes) ws.subscribe(ws.room);
  },
  message(ws, message, isBinary) {
    if (echoes) ws.send(message, isBinary, deflate);
    else app.publish(ws.room, message, isBinary, deflate);
  },
});
app.listen("127.0.0.1", port, (socket) => {
  if (!socket) process.exit(1);
});
