// Compressed messages with clients that we did not write: npm's ws and the browser's own
// WebSocket, the latter through nginx. fanwired in rooms mode sends back to its sender what
// is said in a room. Debian's python3-websockets does the same in tests/clients.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { dial } from './lib/dial.mjs';
import { freePorts, Stage, until } from './lib/stage.mjs';

const sizes = [0, 1, 255, 256, 512, 513, 65_535, 65_536, 500_000];
const MiB = 1024 * 1024;
const agreed = /^permessage-deflate; server_no_context_takeover; client_no_context_takeover/;

let stage, server, nginx, browser, http;

before(async () => {
  stage = new Stage();
  http = `127.0.0.1:${await freePorts(1)}`;
  server = await stage.fanwired({ compression: 'on', 'http.listen': http });
  nginx = await stage.nginx([server]);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

let rooms = 0;
const newRoom = () => `${server.url}?room=r${++rooms}`;

/** The sum of a counter of the server's over its labels. */
async function counter(name) {
  const text = await (await fetch(`http://${http}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

// What npm's ws offers; a window of 9 bits gets longer messages plain.
for (const [name, perMessageDeflate] of [
  ['all by default', { threshold: 0 }],
  ['no takeover', { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true }],
  ['a window of 9 bits', { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 }],
]) {
  test(`ws, ${name}: every size comes back as text and as binary`, async () => {
    const socket = await dial(newRoom(), { perMessageDeflate });
    assert.equal(socket.extensions, 'permessage-deflate');
    for (const size of sizes) {
      const text = 'abcdefg, ä €! '.repeat(size / 7 + 1).slice(0, size);
      const bytes = crypto.randomBytes(size);
      socket.heard.length = 0;
      socket.send(text);
      socket.send(bytes);
      await socket.hears('both', () => socket.heard.length === 2);
      assert.equal(socket.heard[0].data.toString(), text);
      assert.equal(socket.heard[0].isBinary, false);
      assert.ok(socket.heard[1].data.equals(bytes));
    }
    socket.close(1000);
    assert.equal((await socket.closed).code, 1000);
  });
}

test('ws: a member without compression hears the same, and it is compressed once', async () => {
  const room = newRoom();
  const before = await counter('fanwire_deflated_total');
  const members = [];
  for (let i = 0; i < 6; i++) {
    members.push(await dial(room, { perMessageDeflate: i % 2 === 0 }));
    // Who isn't in the room yet wouldn't hear it.
    members[i].send('here');
    await members[i].hears('itself');
  }
  const text = JSON.stringify(Array(200).fill({ a: 'message', of: 'many' }));
  members[0].send(text);
  for (const member of members) {
    await member.hears('the text', ({ data }) => data.toString() === text);
  }
  assert.equal(await counter('fanwire_deflated_total'), before + 1);
  members.forEach((member) => member.terminate());
});

test('ws: 1 MiB of zeros over the limit is 1009, whatever it was compressed to', async () => {
  const socket = await dial(newRoom(), { perMessageDeflate: { threshold: 0 } });
  const failures = await counter('fanwire_inflate_failures_total');
  socket.send(Buffer.alloc(MiB + 1));
  assert.equal((await socket.closed).code, 1009);
  await until('it is counted', async () => {
    return (await counter('fanwire_inflate_failures_total')) === failures + 1;
  });
});

test('ws: messages in fragments and pings among them come whole', async () => {
  const socket = await dial(newRoom(), { perMessageDeflate: { threshold: 0 } });
  const bytes = Buffer.from('a few words, and a few words. '.repeat(20_000));
  for (let at = 0; at < bytes.length; at += 50_000) {
    socket.send(bytes.subarray(at, at + 50_000), {
      binary: true,
      compress: true,
      fin: at + 50_000 >= bytes.length,
    });
    socket.ping('between');
  }
  const { data } = await socket.hears('the message');
  assert.ok(data.equals(bytes));
  socket.terminate();
});

test("the browser's WebSocket agrees on it, through nginx: sizes, text, binary", async () => {
  const inflated = await counter('fanwire_inflated_total');
  const page = await browser.newPage();
  await page.goto(nginx.url);
  const { extensions, faults } = await page.evaluate(
    async ({ url, sizes }) => {
      const faults = [];
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      await new Promise((done, failed) => {
        socket.onopen = done;
        socket.onerror = () => failed(new Error('not opened'));
      });
      const hear = () => new Promise((done) => (socket.onmessage = (e) => done(e.data)));
      for (const size of sizes) {
        const text = 'z, ä! '.repeat(size / 6 + 1).slice(0, size);
        let answer = hear();
        socket.send(text);
        if ((await answer) !== text) {
          faults.push(`text of ${size}`);
        }
        const bytes = Uint8Array.from({ length: size }, (_, i) => (i * i * 31) % 256);
        answer = hear();
        socket.send(bytes);
        const back = new Uint8Array(await answer);
        if (back.length !== size || !back.every((byte, i) => byte === bytes[i])) {
          faults.push(`binary of ${size}`);
        }
      }
      return { extensions: socket.extensions, faults };
    },
    { url: `ws://127.0.0.1:${nginx.port}/ws?room=browser`, sizes },
  );
  assert.deepEqual(faults, []);
  assert.match(extensions, agreed);
  assert.ok((await counter('fanwire_inflated_total')) > inflated);
  await page.close();
});
