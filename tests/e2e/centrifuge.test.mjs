// npm's centrifuge, unmodified, against fanwired and against an application of the
// library: in Node, and its own bundle for browsers in Chromium. What it covers of the
// protocol is in docs/centrifuge.md.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { Client, address, inSeconds, token } from './lib/centrifuge.mjs';
import { dial, handshakeStatus } from './lib/dial.mjs';
import { DEADLINE_MS, Stage, until } from './lib/stage.mjs';

const options = {
  'client.insecure': 'on',
  'room.history.size': '1000',
  'room.presence': 'on',
  'room.join_leave': 'on',
};

const secret = 'a secret of thirty-two bytes or more';
let stage, redis, nodes, app, guarded;
const clients = [];
let rooms = 0;
const newRoom = () => `room${++rooms}`;

before(async () => {
  stage = new Stage();
  redis = await stage.redis();
  nodes = [];
  for (let i = 0; i < 2; i++) {
    nodes.push(await stage.fanwired({ ...options, 'redis.url': redis.url }));
  }
  app = await stage.server('tests/e2e.centrifuge_app', {
    'room.history.size': '100',
    'room.allow.publish': 'on',
  });
  guarded = await stage.fanwired({
    'token.hmac_secret': secret,
    'namespace.open.allow.subscribe': 'on',
    'namespace.open.allow.presence': 'on',
    'namespace.open.presence': 'on',
    'namespace.open.history.size': '10',
    'namespace.open.allow.publish': 'on',
    'namespace.given.history.size': '10',
  });
});

after(async () => {
  clients.forEach((client) => client.close());
  await stage.strike();
});

/** Connected, to be closed at the end. */
async function come(to = nodes[0], more = {}) {
  const client = new Client(to, more);
  clients.push(client);
  return client.connect();
}

test('connect: a client gets an id, and pings', async () => {
  const client = await come();
  const { client: id, transport } = await client.hears('connected');
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(transport, 'websocket');
});

test('subscribe and publish: both nodes, in order, with who it is from', async () => {
  const room = newRoom();
  const [ann, bob] = [await come(nodes[0]), await come(nodes[1])];
  const [hers, his] = [await ann.subscribe(room), await bob.subscribe(room)];
  const said = Array.from({ length: 50 }, (_, i) => ({ i, text: `Grüße "${i}"\n😀` }));
  await Promise.all(said.map((data) => ann.centrifuge.publish(room, data)));
  for (const subscription of [hers, his]) {
    await until('all of it', () => subscription.data().length === said.length);
    assert.deepEqual(subscription.data(), said);
  }
  const { info } = await his.hears('publication');
  const { client } = await ann.hears('connected');
  assert.equal(info.client, client);
});

test('publish through a subscription, before the subscription is there', async () => {
  const client = new Client(nodes[0]);
  clients.push(client);
  const subscription = client.channel(newRoom());
  subscription.subscribe();
  const published = subscription.publish('early');
  client.centrifuge.connect();
  await published;
  await subscription.hears('publication', ({ data }) => data === 'early');
});

test('raw clients and these hear each other', async () => {
  const room = newRoom();
  const client = await come();
  const subscription = await client.subscribe(room);
  const raw = await dial(`${nodes[1].url}?room=${room}`);
  raw.send('{"a": [1]}');
  raw.send('not JSON');
  raw.send(Buffer.from([1, 2, 255]));
  await until('three', () => subscription.data().length === 3);
  assert.deepEqual(subscription.data(), [{ a: [1] }, 'not JSON', 'AQL/']);
  await client.centrifuge.publish(room, { b: 2 });
  await raw.hears('its text', ({ data }) => data.toString() === '{"b":2}');
  raw.terminate();
});

test('unsubscribe, and subscribe again at once', async () => {
  const room = newRoom();
  const client = await come();
  const subscription = await client.subscribe(room);
  for (let i = 0; i < 20; i++) {
    subscription.unsubscribe();
    subscription.subscribe();
  }
  await subscription.ready();
  await client.centrifuge.publish(room, 'still there');
  await subscription.hears('publication', ({ data }) => data === 'still there');
  subscription.unsubscribe();
  await client.centrifuge.publish(room, 'gone');
  await client.centrifuge.publish(room, 'gone');
  assert.deepEqual(subscription.data(), ['still there']);
});

test('many subscriptions in one batch', async () => {
  const client = new Client(nodes[0]);
  clients.push(client);
  const all = Array.from({ length: 100 }, () => client.channel(newRoom()));
  all.forEach((subscription) => subscription.subscribe());
  client.centrifuge.connect();
  await Promise.all(all.map((subscription) => subscription.ready(DEADLINE_MS)));
});

test('presence, its numbers, and who comes and goes', async () => {
  const room = newRoom();
  const [ann, bob] = [await come(nodes[0]), await come(nodes[1])];
  const hers = await ann.subscribe(room, { joinLeave: true });
  const his = await bob.subscribe(room);
  const { client } = await bob.hears('connected');
  await hers.hears('join', ({ info }) => info.client === client);
  const { clients: there } = await hers.presence();
  assert.equal(Object.keys(there).length, 2);
  assert.equal(there[client].client, client);
  assert.deepEqual(await ann.centrifuge.presenceStats(room), { numClients: 2, numUsers: 1 });
  his.unsubscribe();
  await hers.hears('leave', ({ info }) => info.client === client);
  assert.equal((await hers.presenceStats()).numClients, 1);
});

test('history: the newest, the oldest, since a position', async () => {
  const room = newRoom();
  const client = await come();
  for (let i = 1; i <= 5; i++) {
    await client.centrifuge.publish(room, i);
  }
  const top = await client.centrifuge.history(room);
  assert.equal(top.offset, 5);
  assert.deepEqual(top.publications, []);
  const data = async (query) =>
    (await client.centrifuge.history(room, query)).publications.map((p) => p.data);
  assert.deepEqual(await data({ limit: 2 }), [1, 2]);
  assert.deepEqual(await data({ limit: -1 }), [1, 2, 3, 4, 5]);
  assert.deepEqual(await data({ limit: 2, reverse: true }), [5, 4]);
  const since = { offset: 3, epoch: top.epoch };
  assert.deepEqual(await data({ limit: 10, since }), [4, 5]);
  assert.deepEqual(await data({ limit: 10, since, reverse: true }), [2, 1]);
  await assert.rejects(data({ limit: 1, since: { offset: 1, epoch: 'other' } }), { code: 112 });
});

test('recovery: who was away gets what it has missed, on another node', async () => {
  const room = newRoom();
  const [away, here] = [await come(nodes), await come(nodes[0])];
  const subscription = await away.subscribe(room, { recoverable: true });
  await here.centrifuge.publish(room, 1);
  await subscription.hears('publication');
  away.centrifuge.disconnect();
  for (let i = 2; i <= 30; i++) {
    await here.centrifuge.publish(room, i);
  }
  away.centrifuge.connect();
  await until('all of it', () => subscription.data().length === 30);
  assert.deepEqual(
    subscription.data(),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  const last = subscription.heard.filter(({ name }) => name === 'subscribed').pop();
  assert.equal(last.wasRecovering, true);
  assert.equal(last.recovered, true);
});

test('recovery that is not possible is told', async () => {
  const client = await come();
  const subscription = client.channel(newRoom(), {
    recoverable: true,
    since: { offset: 3, epoch: 'of another server' },
  });
  subscription.subscribe();
  const { wasRecovering, recovered } = await subscription.hears('subscribed');
  assert.deepEqual([wasRecovering, recovered], [true, false]);
});

/** Publishes until it is told to end; what was taken. */
function talk(client, room) {
  const talking = { said: 0, over: false };
  talking.done = (async () => {
    while (!talking.over) {
      try {
        await client.centrifuge.publish(room, talking.said + 1);
        talking.said++;
      } catch {
        await new Promise((wake) => setTimeout(wake, 20));
      }
    }
  })();
  return talking;
}

test('a node is killed: nothing is lost, nothing comes twice', async () => {
  const room = newRoom();
  const doomed = await stage.fanwired({ ...options, 'redis.url': redis.url });
  const listener = await come([doomed, nodes[0]]);
  const subscription = await listener.subscribe(room, { recoverable: true });
  const speaker = await come(nodes[1]);
  const talking = talk(speaker, room);
  await until('some of it', () => subscription.data().length > 20);
  doomed.kill();
  await subscription.hears('subscribed', ({ recovered }) => recovered);
  const before = talking.said;
  await until('more of it', () => talking.said > before + 20);
  talking.over = true;
  await talking.done;
  await until('all of it', () => subscription.data().length >= talking.said);
  assert.deepEqual(
    subscription.data(),
    Array.from({ length: talking.said }, (_, i) => i + 1),
  );
});

test('Redis restarts: its clients stay, and hear each message once', async () => {
  const own = await stage.redis();
  const pair = [];
  for (let i = 0; i < 2; i++) {
    pair.push(await stage.fanwired({ ...options, 'redis.url': own.url }));
  }
  const room = newRoom();
  const [listener, speaker] = [await come(pair[0]), await come(pair[1])];
  const subscription = await listener.subscribe(room, { recoverable: true });
  await speaker.centrifuge.publish(room, 'before');
  await subscription.hears('publication', ({ data }) => data === 'before');
  await stage.end(own.child, 'SIGKILL');
  const socket = own.url.replace('redis+unix://', '');
  stage.start('redis-server', [
    ...['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no'],
    ...['--daemonize', 'no', '--dir', stage.directory],
  ]);
  // What Redis had is lost with it: the room's history begins anew, and who counts on it
  // is told to subscribe again.
  const { code } = await subscription.hears('subscribing', (e) => e.code === 2500);
  assert.equal(code, 2500);
  await subscription.ready(DEADLINE_MS);
  const after = Array.from({ length: 20 }, (_, i) => i);
  for (const data of after) {
    await speaker.centrifuge.publish(room, data);
  }
  await until('all of it', () => subscription.data().length >= 21);
  assert.deepEqual(subscription.data(), ['before', ...after]);
  assert.equal(listener.heard.filter(({ name }) => name === 'connected').length, 1);
});

test('the application: connect data, rooms that are given, and their past', async () => {
  const client = await come(app, { data: { name: 'ann' } });
  await client.hears('subscribed', ({ channel }) => channel === 'given');
  await client.hears('subscribed', ({ channel }) => channel === 'mine:ann');
  const other = await come(app, { data: { name: 'bob' } });
  await other.centrifuge.publish('given', 1);
  await client.hears('publication', ({ channel, data }) => channel === 'given' && data === 1);
  client.centrifuge.disconnect();
  await other.centrifuge.publish('given', 2);
  await other.centrifuge.publish('given', 3);
  client.centrifuge.connect();
  await client.hears('publication', ({ data }) => data === 3);
  assert.deepEqual(
    client.heard.filter(({ name }) => name === 'publication').map(({ data }) => data),
    [1, 2, 3],
  );
  await client.centrifuge.rpc('leave', {});
  await client.hears('unsubscribed', ({ channel }) => channel === 'given');
});

test('the application: who is refused is told why, and stays away', async () => {
  const client = new Client(app, { data: {} });
  clients.push(client);
  client.centrifuge.connect();
  const { code, reason } = await client.hears('disconnected');
  assert.deepEqual([code, reason], [403, 'who are you?']);
  const ann = await come(app, { data: { name: 'ann' } });
  const subscription = ann.channel('closed');
  subscription.subscribe();
  assert.equal((await subscription.hears('unsubscribed')).code, 103);
});

test('the application: calls, and sending both ways', async () => {
  const client = await come(app, { data: { name: 'ann' } });
  const data = { deep: [1, { text: 'ä\n' }], none: null };
  assert.deepEqual((await client.centrifuge.rpc('echo', data)).data, data);
  await assert.rejects(client.centrifuge.rpc('dance', {}), {
    code: 404,
    message: 'no such method',
  });
  await client.centrifuge.send({ hello: 1 });
  const message = await client.hears('message');
  assert.deepEqual(message.data, { hello: 1 });
});

test('without a handler: rpc is 108, and nobody is let in unless that is said', async () => {
  const client = await come();
  await assert.rejects(client.centrifuge.rpc('m', {}), { code: 108 });
  const strict = await stage.fanwired({ 'room.allow.subscribe': 'on' });
  const refused = new Client(strict);
  clients.push(refused);
  refused.centrifuge.connect();
  assert.equal((await refused.hears('disconnected')).code, 3501);
  const anonymous = await stage.fanwired({
    'client.anonymous': 'on',
    'namespace.open.allow.subscribe': 'on',
  });
  const guest = await come(anonymous);
  await guest.subscribe('open:a');
  const denied = guest.channel('other');
  denied.subscribe();
  assert.equal((await denied.hears('unsubscribed')).code, 103);
  await assert.rejects(guest.centrifuge.publish('open:a', 1), { code: 103 });
  await assert.rejects(guest.centrifuge.presence('open:a'), { code: 103 });
  await assert.rejects(guest.centrifuge.history('open:a'), { code: 103 });
});

test('tokens: who it is, its info, and the rooms that it gives', async () => {
  const claims = {
    sub: 'ann',
    info: { colour: 'red' },
    channels: ['given:a'],
    subs: { 'given:b': { data: { welcome: 1 } } },
  };
  const ann = await come(guarded, { token: token(secret, claims) });
  await ann.hears('subscribed', ({ channel }) => channel === 'given:a');
  const b = await ann.hears('subscribed', ({ channel }) => channel === 'given:b');
  assert.deepEqual([b.data, b.recoverable], [{ welcome: 1 }, true]);
  const subscription = await ann.subscribe('open:room#ann,bob');
  await subscription.publish('x');
  const { info } = await subscription.hears('publication');
  assert.deepEqual([info.user, info.connInfo], ['ann', { colour: 'red' }]);
  const { clients: there } = await subscription.presence();
  assert.deepEqual(Object.values(there)[0].connInfo, { colour: 'red' });
  const denied = ann.channel('open:room#bob');
  denied.subscribe();
  assert.equal((await denied.hears('unsubscribed')).code, 103);
});

test('tokens: one that is expired is renewed, one that is bad is the end', async () => {
  const asked = [];
  const client = await come(guarded, {
    token: token(secret, { sub: 'ann', exp: inSeconds(-5) }),
    getToken: async () => {
      asked.push(1);
      return token(secret, { sub: 'ann', exp: inSeconds(asked.length === 1 ? 5 : 60) });
    },
  });
  assert.equal(asked.length, 1);
  await until('another refresh, in time', () => asked.length === 2);
  await client.centrifuge.send({}).catch(() => {});
  const bad = new Client(guarded, { token: token('another secret of thirty-two bytes', {}) });
  clients.push(bad);
  bad.centrifuge.connect();
  assert.equal((await bad.hears('disconnected')).code, 3500);
  const none = new Client(guarded);
  clients.push(none);
  none.centrifuge.connect();
  assert.equal((await none.hears('disconnected')).code, 3501);
});

test('tokens: of private rooms, refreshed before they end', async () => {
  const ann = await come(guarded, { token: token(secret, { sub: 'ann' }) });
  const denied = ann.channel('$other');
  denied.subscribe();
  assert.equal((await denied.hears('unsubscribed')).code, 103);
  const asked = [];
  const subscription = await ann.subscribe('$open:vault', {
    getToken: async ({ channel }) => {
      asked.push(channel);
      return token(secret, { sub: 'ann', channel, exp: inSeconds(asked.length === 1 ? 5 : 60) });
    },
  });
  await subscription.publish({ in: 'private' });
  await until('a refresh of the subscription', () => asked.length === 2);
  await subscription.publish('still');
  await subscription.hears('publication', ({ data }) => data === 'still');
  const mistaken = ann.channel('$open:b', {
    token: token(secret, { sub: 'ann', channel: '$open:c' }),
  });
  mistaken.subscribe();
  assert.equal((await ann.hears('disconnected')).code, 3500);
});

test('pings: it stays connected by them, and is let go without', async () => {
  const quick = await stage.fanwired({
    ...options,
    'heartbeat.interval': '1s',
    'heartbeat.timeout': '3s',
  });
  const client = await come(quick);
  const socket = await dial(address(quick));
  socket.send('{"id":1,"connect":{}}');
  const { code } = await socket.closed; // it answers none
  assert.equal(code, 3012);
  assert.ok(socket.heard.some(({ data }) => data.toString() === '{}'));
  assert.equal(client.centrifuge.state, 'connected');
  assert.equal(client.heard.filter(({ name }) => name === 'connecting').length, 1);
});

test('a drain sends clients to another node without a loss', async () => {
  const room = newRoom();
  const leaving = await stage.fanwired({ ...options, 'redis.url': redis.url });
  const listener = await come([leaving, nodes[0]]);
  const subscription = await listener.subscribe(room, { recoverable: true });
  const speaker = await come(nodes[1]);
  const talking = talk(speaker, room);
  await until('some of it', () => subscription.data().length > 10);
  leaving.child.kill('SIGTERM');
  assert.equal((await listener.hears('connecting', (e) => e.code === 3001)).reason, 'shutdown');
  await subscription.hears('subscribed', ({ recovered }) => recovered);
  talking.over = true;
  await talking.done;
  await until('all of it', () => subscription.data().length >= talking.said);
  assert.deepEqual(
    subscription.data(),
    Array.from({ length: talking.said }, (_, i) => i + 1),
  );
});

test('handshakes: the sub-protocol in JSON, Protobuf is refused, and the path', async () => {
  const url = address(nodes[0]);
  const json = await dial(url, { protocols: ['centrifuge-json'] });
  assert.equal(json.protocol, 'centrifuge-json');
  json.terminate();
  assert.equal(await handshakeStatus(`${url}?format=protobuf`), 400);
  assert.equal(await handshakeStatus(`${url}?cf_protocol=protobuf`), 400);
  assert.equal(await handshakeStatus(url, { protocols: ['centrifuge-protobuf'] }), 400);
  const other = await stage.fanwired({ 'centrifuge.path': '/cf' });
  assert.equal(await handshakeStatus(address(other)), 404);
  assert.equal(await handshakeStatus(`ws://127.0.0.1:${other.port}/cf`), 101);
});

test('Chromium, with the bundle for browsers', async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage({ bypassCSP: true }); // it runs our script
    const node = await stage.fanwired({ ...options, origins: '*' });
    await page.goto((await stage.nginx([node])).url); // any page of this host
    const bundle = new URL('node_modules/centrifuge/dist/centrifuge.js', import.meta.url);
    await page.addScriptTag({ content: fs.readFileSync(bundle, 'utf8') });
    const room = newRoom();
    const heard = await page.evaluate(
      async ({ url, room, deadline }) => {
        const centrifuge = new window.Centrifuge(url);
        const subscription = centrifuge.newSubscription(room, { recoverable: true });
        const heard = [];
        subscription.on('publication', ({ data }) => heard.push(data));
        subscription.subscribe();
        centrifuge.connect();
        await subscription.ready(deadline);
        await subscription.publish({ from: 'a page' });
        centrifuge.disconnect();
        centrifuge.connect();
        await subscription.ready(deadline);
        await subscription.publish('again');
        const { offset } = await subscription.history({ limit: 0 });
        const { numClients } = await subscription.presenceStats();
        while (heard.length < 2) {
          await new Promise((wake) => setTimeout(wake, 20));
        }
        centrifuge.disconnect();
        return { heard, offset, numClients };
      },
      { url: address(node), room, deadline: DEADLINE_MS },
    );
    assert.deepEqual(heard, {
      heard: [{ from: 'a page' }, 'again'],
      offset: 2,
      numClients: 1,
    });
  } finally {
    await browser.close();
  }
});
