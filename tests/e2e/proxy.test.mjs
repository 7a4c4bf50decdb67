// Behind nginx: which origins are let in, and what keeps an idle connection open.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, Person } from './lib/browser.mjs';
import { dial, handshakeStatus } from './lib/dial.mjs';
import { DEADLINE_MS, Stage, until } from './lib/stage.mjs';

let stage, browser;

before(async () => {
  stage = new Stage();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

for (const host of ['$host', '$host:$server_port', '$http_host']) {
  test(`nginx passing ${host}: the page is let in by either name, a foreign one is not`, async () => {
    const node = await stage.chat({ 'node.name': 'one' });
    const { port } = await stage.nginx([node], { host });

    for (const name of ['localhost', '127.0.0.1']) {
      const ann = await Person.enter(browser, `http://${name}:${port}/`, 'ann');
      await ann.say('let in');
      await ann.reads('let in', 'ann', 'one');
      await ann.leave();
    }

    const url = `ws://127.0.0.1:${port}/ws?name=eve`;
    const status = (origin) => handshakeStatus(url, { headers: { Origin: origin } });
    assert.equal(await status(`http://127.0.0.1:${port}`), 101);
    for (const origin of [
      'http://evil.example',
      `http://evil.example:${port}`,
      `http://127.0.0.1.evil.example:${port}`,
      'null',
    ]) {
      assert.equal(await status(origin), 403, origin);
    }
    // Where the port is passed on, it counts; $host takes it off.
    const neighbour = await status('http://127.0.0.1:1');
    assert.equal(neighbour, host === '$host' ? 101 : 403);
    assert.equal(
      await handshakeStatus(url),
      101,
      'a client that is no browser sends no Origin',
    );
  });
}

test('a foreign page in a real browser is refused', async () => {
  const node = await stage.chat({});
  const home = await stage.nginx([node]);
  const away = await stage.nginx([node]); // another port is another origin
  const page = await browser.newPage();
  await page.goto(away.url);
  const outcome = await page.evaluate(
    (url) =>
      new Promise((done) => {
        const socket = new WebSocket(url);
        socket.onopen = () => done('open');
        socket.onclose = () => done('refused');
      }),
    `ws://127.0.0.1:${home.port}/ws?name=eve`,
  );
  assert.equal(outcome, 'refused');
  await page.close();
});

test('an idle connection outlives proxy_read_timeout 3s by the heartbeat', async () => {
  const node = await stage.fanwired({ 'heartbeat.interval': '500ms' });
  const nginx = await stage.nginx([node], { readTimeout: '3s' });
  const start = Date.now();
  const socket = await dial(`ws://127.0.0.1:${nginx.port}/ws?room=quiet`);
  await until('idle for more than twice the time-out', () => Date.now() - start > 6_500);
  assert.ok(socket.pings >= 2, `${socket.pings} pings`);
  socket.send('still here');
  await socket.hears('the echo', ({ data }) => data.toString() === 'still here');
  socket.close();
  await socket.closed;
});

test('without the heartbeat nginx cuts an idle connection after its time-out', async () => {
  const node = await stage.fanwired({ 'heartbeat.interval': '0s' });
  const nginx = await stage.nginx([node], { readTimeout: '2s' });
  const start = Date.now();
  const socket = await dial(`ws://127.0.0.1:${nginx.port}/ws?room=quiet`);
  assert.equal((await socket.closed).code, 1006);
  assert.ok(Date.now() - start >= 1_900, 'so the test above shows something');
  assert.equal(socket.pings, 0);
});

test('a peer that answers no ping is closed', async () => {
  const node = await stage.fanwired({ 'heartbeat.interval': '1s', 'heartbeat.timeout': '3s' });
  const deaf = await dial(`${node.url}?room=quiet`, { autoPong: false });
  const polite = await dial(`${node.url}?room=quiet`);
  const start = Date.now();
  await deaf.closed;
  assert.ok(Date.now() - start < DEADLINE_MS, 'closed by the time-out');
  assert.ok(deaf.pings >= 1);
  polite.send('I am well');
  await polite.hears('the echo');
  polite.close();
});
