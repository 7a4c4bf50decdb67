// npm's centrifuge, unmodified, where it has no WebSocket: streams of events and of lines,
// in Node and in Chromium, behind an nginx that sends each request to another node.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Centrifuge } from 'centrifuge';
import { launchBrowser } from './lib/browser.mjs';
import { dial } from './lib/dial.mjs';
import { EventSource } from './lib/eventsource.mjs';
import { DEADLINE_MS, Stage, until } from './lib/stage.mjs';

let stage, nodes, nginx, browser;

before(async () => {
  stage = new Stage();
  const redis = await stage.redis();
  nodes = [];
  for (let i = 0; i < 2; i++) {
    const node = await stage.fanwired({
      'http.listen': '127.0.0.1:0',
      'redis.url': redis.url,
      'redis.required': 'on',
      'client.insecure': 'on',
      'room.history.size': '1000',
      'room.presence': 'on',
    });
    const [, http] = await stage.printed(node.child, /^http (\S+)$/m);
    node.metric = async (name) => {
      const page = await (await fetch(`http://${http}/metrics`)).text();
      const line = page.split('\n').find((each) => each.startsWith(`${name} `));
      return Number(line.split(' ')[1]);
    };
    nodes.push(node);
  }
  nginx = await stage.nginx(nodes);
  browser = await launchBrowser();
  Object.assign(globalThis, { Centrifuge, EventSource }); // as in a page
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

const at = (path) => new URL(path, nginx.url).href;
const sse = () => ({ transport: 'sse', endpoint: at('/connection/sse') });
const stream = () => ({ transport: 'http_stream', endpoint: at('/connection/http_stream') });

/** In a page or in Node: subscribes, speaks, asks, goes, and comes back; what it got. */
async function play({ list, emulationEndpoint, room, deadline }) {
  const centrifuge = new globalThis.Centrifuge(list, {
    emulationEndpoint,
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
    timeout: deadline,
  });
  const heard = [];
  const end = Date.now() + deadline;
  let transport;
  centrifuge.on('connected', (context) => (transport = context.transport));
  const subscription = centrifuge.newSubscription(room, { recoverable: true });
  subscription.on('publication', ({ data }) => heard.push(data));
  subscription.subscribe();
  centrifuge.connect();
  await subscription.ready(deadline);
  for (let i = 1; i <= 10; i++) {
    await subscription.publish({ i, text: 'Grüße\n😀' });
  }
  const { numClients } = await subscription.presenceStats();
  centrifuge.disconnect();
  centrifuge.connect();
  await subscription.ready(deadline);
  await subscription.publish({ i: 11 });
  while (heard.length < 11 && Date.now() < end) {
    await new Promise((wake) => setTimeout(wake, 20));
  }
  centrifuge.disconnect();
  return { order: heard.map(({ i }) => i), text: heard[0].text, numClients, transport };
}

const played = (transport) => ({
  order: Array.from({ length: 11 }, (_, i) => i + 1),
  text: 'Grüße\n😀',
  numClients: 1,
  transport,
});

const part = (list, room) => ({
  list,
  emulationEndpoint: at('/emulation'),
  room,
  deadline: DEADLINE_MS,
});

async function inChromium(list, room) {
  const page = await browser.newPage({ bypassCSP: true }); // it runs our script
  await page.goto(nginx.url);
  const bundle = new URL('node_modules/centrifuge/dist/centrifuge.js', import.meta.url);
  await page.addScriptTag({ content: fs.readFileSync(bundle, 'utf8') });
  const result = await page.evaluate(play, part(list, room));
  await page.close();
  return result;
}

/** How many requests of clients each node has taken. */
const taken = () =>
  Promise.all(
    nodes.map((node) => node.metric('fanwire_emulation_requests_total{result="taken"}')),
  );

test('http_stream: it hears by one node, and speaks to both', async () => {
  assert.deepEqual(await play(part([stream()], 'lines')), played('http_stream'));
  assert.ok((await taken()).every((n) => n > 0));
});

test('sse: it hears by one node, and speaks to both', async () => {
  const earlier = await taken();
  assert.deepEqual(await play(part([sse()], 'events')), played('sse'));
  assert.ok((await taken()).every((n, i) => n > earlier[i]));
});

test('Chromium by sse, with an EventSource of its own', async () => {
  assert.deepEqual(await inChromium([sse()], 'browser'), played('sse'));
});

test('Chromium falls back to http_stream where no WebSocket comes through', async () => {
  const nowhere = { transport: 'websocket', endpoint: at('/nowhere').replace('http', 'ws') };
  const list = [nowhere, stream(), sse()];
  assert.deepEqual(await inChromium(list, 'fallback'), played('http_stream'));
});

test('a stream whose node is killed goes on at the other, without a gap', async () => {
  const client = new Centrifuge([stream()], {
    emulationEndpoint: at('/emulation'),
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
    timeout: DEADLINE_MS,
  });
  const heard = [];
  const subscription = client.newSubscription('killed', { recoverable: true });
  subscription.on('publication', ({ data }) => heard.push(data));
  subscription.subscribe();
  client.connect();
  await subscription.ready(DEADLINE_MS);
  const name = 'fanwire_protocol_sessions{protocol="centrifuge_http_stream"}';
  let counts;
  await until('no stream is there but its own', async () => {
    counts = await Promise.all(nodes.map((node) => node.metric(name)));
    return counts[0] + counts[1] === 1;
  });
  const [its, other] = counts[0] === 1 ? nodes : nodes.toReversed();
  const mouth = await dial(`${other.url}?room=killed`);
  const said = Array.from({ length: 100 }, (_, i) => i);
  for (const i of said) {
    mouth.send(String(i));
    if (i === 50) {
      await until('a part of it is heard', () => heard.length > 20);
      its.kill();
    }
  }
  await until(
    () => `all of it is heard: ${JSON.stringify(heard)}`,
    () => heard.length >= said.length,
  );
  assert.deepEqual(heard, said);
  client.disconnect();
  mouth.terminate();
});
