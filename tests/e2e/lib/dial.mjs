// A WebSocket by npm's ws that keeps what it hears.
import WebSocket from 'ws';
import { until } from './stage.mjs';

/** Opens a connection; fails as ws does if it is refused. */
export async function dial(url, options = {}) {
  const socket = new WebSocket(url, options.protocols ?? [], options);
  socket.heard = [];
  socket.pings = 0;
  socket.on('message', (data, isBinary) => socket.heard.push({ data, isBinary }));
  socket.on('ping', () => socket.pings++);
  socket.closed = new Promise((done) =>
    socket.on('close', (code, reason) => done({ code, reason: reason.toString() })),
  );
  socket.hears = (what, isIt = () => true) => until(what, () => socket.heard.find(isIt));
  await new Promise((done, failed) => socket.on('open', done).on('error', failed));
  socket.on('error', () => {});
  return socket;
}

/** The HTTP status that a handshake is answered with; 101 if it is accepted. */
export function handshakeStatus(url, options = {}) {
  return new Promise((done, failed) => {
    const socket = new WebSocket(url, options.protocols ?? [], options);
    const answer = (status) => {
      done(status);
      socket.terminate();
    };
    socket.on('unexpected-response', (request, response) => answer(response.statusCode));
    socket.on('open', () => answer(101));
    socket.on('error', failed);
  });
}
