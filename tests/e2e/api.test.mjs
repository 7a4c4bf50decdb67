// The HTTP API by a client library that we did not write: cent.js from npm, unmodified, which
// knows Centrifugo's server API. Each of its methods, and what it makes of an error.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import cent from 'cent.js';
import { Client, token } from './lib/centrifuge.mjs';
import { dial } from './lib/dial.mjs';
import { Stage, until } from './lib/stage.mjs';

const apiKey = 'correct-horse';
let stage, server, client, http;

/** A node, and a client of its API. */
async function start(options = {}) {
  const node = await stage.fanwired({
    'http.listen': '127.0.0.1:0',
    'api.key': apiKey,
    'namespace.news.history.size': '100',
    'namespace.team.presence': 'on',
    'node.name': 'one',
    ...options,
  });
  [, node.http] = await stage.printed(node.child, /^http (\S+)$/m);
  return [node, new cent.CentClient({ url: `http://${node.http}/api`, apiKey })];
}

before(async () => {
  stage = new Stage();
  [server, client] = await start();
  http = server.http;
});

after(() => stage.strike());

/** A member that hears its room. */
async function member(query, room) {
  const socket = await dial(`${server.url}?${query}`);
  await until('the member is there', async () =>
    (await client.getChannels({ pattern: room })).channels[room]);
  return socket;
}

const said = (socket) => socket.heard.map(({ data }) => data.toString());

test('publish and broadcast reach members', async () => {
  const a = await member('room=a', 'a');
  const b = await member('room=b', 'b');
  assert.deepEqual(await client.publish({ channel: 'a', data: { n: 1 } }), {});
  const { responses } = await client.broadcast({ channels: ['a', 'b'], data: 2 });
  assert.deepEqual(responses, [{ result: {} }, { result: {} }]);
  await a.hears('both', () => a.heard.length === 2);
  assert.deepEqual(said(a), ['{"n":1}', '2']);
  await b.hears('one', () => b.heard.length === 1);
  a.terminate();
  b.terminate();
});

test('history is kept, read and removed', async () => {
  const first = await client.publish({ channel: 'news:a', data: 1, idempotency_key: 'k' });
  assert.equal(first.offset, 1);
  assert.deepEqual(
    await client.publish({ channel: 'news:a', data: 1, idempotency_key: 'k' }), first);
  await client.publish({ channel: 'news:a', data: { two: 2 } });
  const kept = await client.getHistory({ channel: 'news:a', limit: -1 });
  assert.deepEqual(kept.publications.map((m) => [m.offset, m.data]), [[1, 1], [2, { two: 2 }]]);
  assert.equal(kept.epoch, first.epoch);
  assert.deepEqual(await client.removeHistory({ channel: 'news:a' }), {});
  const { publications, offset } = await client.getHistory({ channel: 'news:a', limit: 10 });
  assert.deepEqual([publications, offset], [[], 0]);
});

test('presence, channels and info say who is there', async () => {
  const ann = await member('room=team:x&user=ann', 'team:x');
  const { presence } = await client.getPresence({ channel: 'team:x' });
  assert.deepEqual(Object.values(presence).map((p) => p.user), ['ann']);
  assert.deepEqual(await client.getPresenceStats({ channel: 'team:x' }),
    { num_clients: 1, num_users: 1 });
  const { nodes } = await client.getInfo();
  assert.equal(nodes[0].name, 'one');
  ann.terminate();
});

test('users are subscribed, unsubscribed, refreshed and disconnected', async () => {
  const bob = await member('room=team:y&user=bob', 'team:y');
  await client.subscribe({ user: 'bob', channel: 'offers' });
  await until('bob is in', async () =>
    (await client.getChannels({ pattern: 'offers' })).channels.offers);
  await client.publish({ channel: 'offers', data: 'cheap' });
  await bob.hears('the offer', () => bob.heard.length === 1);
  await client.unsubscribe({ user: 'bob', channel: 'offers' });
  assert.deepEqual(await client.refresh({ user: 'bob' }), {});
  await client.disconnect({ user: 'bob', disconnect: { code: 4000, reason: 'bye' } });
  const { code, reason } = await bob.closed;
  assert.deepEqual([code, reason], [4000, 'bye']);
});

test('the back end subscribes users, with data and info, and takes them out', async () => {
  const secret = 'a secret that the back end has too';
  const [node, api] = await start({ 'token.hmac_secret': secret });
  const ann = new Client(node, { token: token(secret, { sub: 'ann' }) });
  await ann.connect();
  const order = { user: 'ann', channel: 'team:z' };
  await api.subscribe({ ...order, data: { unread: 3 }, info: { vip: true } });
  const isIt = ({ channel }) => channel === 'team:z';
  assert.deepEqual((await ann.hears('subscribed', isIt)).data, { unread: 3 });
  const { presence } = await api.getPresence({ channel: 'team:z' });
  assert.deepEqual(Object.values(presence).map((p) => p.chan_info), [{ vip: true }]);
  await api.publish({ channel: 'team:z', data: 1 });
  assert.equal((await ann.hears('publication', isIt)).data, 1);
  await api.unsubscribe(order);
  await ann.hears('unsubscribed', isIt);
  ann.close();
});

test('a pipeline of commands is answered in its order', async () => {
  const results = await client.pipeline([
    { method: 'publish', params: { channel: 'a', data: 1 } },
    { method: 'publish', params: { channel: 'news:p', data: 1 } },
    { method: 'presence_stats', params: { channel: 'team:nobody' } },
  ]);
  assert.deepEqual(results[0], {});
  assert.equal(results[1].offset, 1);
  assert.deepEqual(results[2], { num_clients: 0, num_users: 0 });
});

test('what is refused is an exception with the words of the API', async () => {
  await assert.rejects(client.getHistory({ channel: 'a', limit: 1 }), cent.CentException);
  const stranger = new cent.CentClient({ url: `http://${http}/api`, apiKey: 'wrong' });
  await assert.rejects(stranger.publish({ channel: 'a', data: 1 }), cent.CentException);
});
