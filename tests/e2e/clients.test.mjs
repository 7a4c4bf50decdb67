// Clients that we did not write, npm's ws and the browser's own WebSocket, against
// fanwired in rooms mode, which sends back to its sender what is said in a room.
// Debian's python3-websockets does the same in tests/clients.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { dial, handshakeStatus } from './lib/dial.mjs';
import { Stage } from './lib/stage.mjs';

// 125, 126, 65535, 65536: where the length of a frame is written in another way.
const sizes = [0, 1, 125, 126, 65_535, 65_536];
const MiB = 1024 * 1024;

let stage, server, nginx, browser;

before(async () => {
  stage = new Stage();
  server = await stage.fanwired({});
  nginx = await stage.nginx([server]);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

let rooms = 0;
const newRoom = () => `${server.url}?room=r${++rooms}`;

for (const size of sizes) {
  test(`ws: ${size} bytes come back as text and as binary`, async () => {
    const socket = await dial(newRoom());
    const text = 'abcdefg'.repeat(size).slice(0, size);
    const bytes = crypto.randomBytes(size);
    socket.send(text);
    socket.send(bytes);
    await socket.hears('both', () => socket.heard.length === 2);
    assert.deepEqual(socket.heard[0], { data: Buffer.from(text), isBinary: false });
    assert.deepEqual(socket.heard[1], { data: bytes, isBinary: true });
    socket.close();
    await socket.closed;
  });
}

test('ws: text beyond ASCII comes back the same', async () => {
  const socket = await dial(newRoom());
  const text = 'Grüße, €5, 漢字, 😀, \u0000\u2028';
  socket.send(text);
  const { data, isBinary } = await socket.hears('the text');
  assert.equal(data.toString(), text);
  assert.equal(isBinary, false);
  socket.terminate();
});

test('ws: 1 MiB in fragments comes back whole, with a ping in the midst', async () => {
  const socket = await dial(newRoom());
  const bytes = crypto.randomBytes(MiB);
  const pong = new Promise((done) => socket.on('pong', done));
  for (let at = 0; at < MiB; at += 60_000) {
    socket.send(bytes.subarray(at, at + 60_000), { binary: true, fin: at + 60_000 >= MiB });
    if (at === 120_000) {
      socket.ping('between');
    }
  }
  const { data } = await socket.hears('the message');
  assert.ok(data.equals(bytes));
  assert.equal((await pong).toString(), 'between');
  socket.terminate();
});

test('ws: a message over message.max_bytes is 1009', async () => {
  const socket = await dial(newRoom());
  socket.send(Buffer.alloc(MiB + 1));
  assert.equal((await socket.closed).code, 1009);
});

test('ws: pings of 0, 1 and 125 bytes are answered with the same', async () => {
  const socket = await dial(newRoom());
  for (const size of [0, 1, 125]) {
    const body = crypto.randomBytes(size);
    const pong = new Promise((done) => socket.once('pong', done));
    socket.ping(body);
    assert.deepEqual(await pong, body);
  }
  socket.terminate();
});

for (const [code, reason] of [
  [1000, ''],
  [1001, 'going'],
  [1011, ''],
  [3000, 'a library'],
  [4999, 'grüß Gott'],
]) {
  test(`ws: Close ${code} "${reason}" is answered with the same code`, async () => {
    const socket = await dial(newRoom());
    socket.close(code, reason);
    assert.equal((await socket.closed).code, code);
  });
}

test('ws: compression is offered and declined, a path that is not served is 404', async () => {
  const socket = await dial(newRoom(), { perMessageDeflate: true });
  assert.equal(socket.extensions, '');
  socket.terminate();
  assert.equal(await handshakeStatus(server.url.replace('/ws', '/elsewhere')), 404);
});

test('ws: 200 messages come back in order', async () => {
  const socket = await dial(newRoom());
  const sent = Array.from({ length: 200 }, (_, i) => `${i} ${'x'.repeat(i * 7)}`);
  sent.forEach((text) => socket.send(text));
  await socket.hears('all', () => socket.heard.length === sent.length);
  assert.deepEqual(
    socket.heard.map(({ data }) => data.toString()),
    sent,
  );
  socket.terminate();
});

test("the browser's WebSocket: sizes, text, binary, 1 MiB, close codes, through nginx", async () => {
  const page = await browser.newPage();
  await page.goto(nginx.url);
  const faults = await page.evaluate(
    async ({ url, sizes }) => {
      const faults = [];
      const open = () =>
        new Promise((done, failed) => {
          const socket = new WebSocket(url);
          socket.binaryType = 'arraybuffer';
          socket.onopen = () => done(socket);
          socket.onerror = () => failed(new Error('not opened'));
        });
      const hear = (socket) => new Promise((done) => (socket.onmessage = (e) => done(e.data)));
      const socket = await open();
      for (const size of sizes) {
        const text = 'z'.repeat(size);
        let answer = hear(socket);
        socket.send(text);
        if ((await answer) !== text) {
          faults.push(`text of ${size}`);
        }
        const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31) % 256);
        answer = hear(socket);
        socket.send(bytes);
        const back = new Uint8Array(await answer);
        if (back.length !== size || !back.every((byte, i) => byte === bytes[i])) {
          faults.push(`binary of ${size}`);
        }
      }
      const umlauts = 'Grüße, €5, 漢字, 😀';
      const answer = hear(socket);
      socket.send(umlauts);
      if ((await answer) !== umlauts) {
        faults.push('text beyond ASCII');
      }
      for (const code of [1000, 3000, 4999]) {
        const another = await open();
        const closed = new Promise((done) => (another.onclose = done));
        another.close(code, 'why');
        const { code: got, wasClean } = await closed;
        if (got !== code || !wasClean) {
          faults.push(`Close ${code} gave ${got}, clean ${wasClean}`);
        }
      }
      return faults;
    },
    { url: `ws://127.0.0.1:${nginx.port}/ws?room=browser`, sizes: [...sizes, MiB] },
  );
  assert.deepEqual(faults, []);
  await page.close();
});
