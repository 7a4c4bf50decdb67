// npm's centrifuge, unmodified, against a fanwired whose decisions are a back end's: what
// its SDK makes of them.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Client, inSeconds } from './lib/centrifuge.mjs';
import { Stage } from './lib/stage.mjs';

let stage, node, server;
const clients = [];
const asked = [];

// Each says what the back end answers to such a question.
const hooks = {
  connect: ({ data }) =>
    data?.name === 'mallory'
      ? { disconnect: { code: 4501, reason: 'banned' } }
      : {
          result: {
            user: data.name,
            data: { hello: data.name },
            channels: [`inbox:${data.name}`],
            expire_at: inSeconds(data.name === 'brief' ? 1 : 600),
          },
        },
  refresh: () => ({ result: { expired: true } }),
  subscribe: ({ channel, data }) =>
    channel === 'closed'
      ? { error: { code: 1001, message: 'members only' } }
      : { result: { data: { topic: channel, yours: data ?? null } } },
  publish: ({ data }) =>
    data === 'rude'
      ? { error: { code: 1002, message: 'be kind' } }
      : { result: data === 'shout' ? { data: 'SHOUT' } : {} },
  rpc: ({ method, user }) =>
    method === 'whoami'
      ? { result: { data: { user } } }
      : { error: { code: 404, message: `no ${method}` } },
};

before(async () => {
  stage = new Stage();
  server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const hook = request.url.slice(1);
      const question = JSON.parse(Buffer.concat(parts).toString());
      asked.push({ hook, ...question });
      response.end(JSON.stringify(hooks[hook](question)));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  node = await stage.fanwired(
    Object.fromEntries(Object.keys(hooks).map((hook) => [`hook.${hook}.url`, url + hook])),
  );
});

after(async () => {
  clients.forEach((client) => client.close());
  await stage.strike();
  server.close();
  server.closeAllConnections();
});

function client(name) {
  const it = new Client(node, { data: { name } });
  clients.push(it);
  return it;
}

test('connect: a user, data, and a room of its own', async () => {
  const ann = await client('ann').connect();
  assert.deepEqual((await ann.hears('connected')).data, { hello: 'ann' });
  await ann.hears('subscribed', ({ channel }) => channel === 'inbox:ann');
  assert.deepEqual(await ann.centrifuge.rpc('whoami', {}), { data: { user: 'ann' } });
});

test('connect: who is banned is told so, and stays away', async () => {
  const mallory = client('mallory');
  mallory.centrifuge.connect();
  const { code, reason } = await mallory.hears('disconnected');
  assert.deepEqual([code, reason], [4501, 'banned']);
});

test('subscribe: data both ways, and an error', async () => {
  const bob = await client('bob').connect();
  const news = await bob.subscribe('news', { data: { since: 'noon' } });
  const { data } = await news.hears('subscribed');
  assert.deepEqual(data, { topic: 'news', yours: { since: 'noon' } });
  const closed = bob.channel('closed');
  closed.subscribe();
  const { code, reason } = await closed.hears('unsubscribed');
  assert.deepEqual([code, reason], [1001, 'members only']);
});

test('publish: as it is, changed, or not at all', async () => {
  const eve = await client('eve').connect();
  const room = await eve.subscribe('room');
  await eve.centrifuge.publish('room', 'hello');
  await eve.centrifuge.publish('room', 'shout');
  await assert.rejects(eve.centrifuge.publish('room', 'rude'), {
    code: 1002,
    message: 'be kind',
  });
  await eve.centrifuge.publish('room', 'bye');
  await room.hears('publication', ({ data }) => data === 'bye');
  assert.deepEqual(room.data(), ['hello', 'SHOUT', 'bye']);
});

test('rpc: an error is the back end\'s', async () => {
  const ann = await client('ann').connect();
  await assert.rejects(ann.centrifuge.rpc('dance', {}), { code: 404, message: 'no dance' });
});

test('refresh: the back end is asked, and the client brings no token', async () => {
  const brief = await client('brief').connect();
  // 3005 lets it come again, and it does; the back end has been asked by then.
  await brief.hears('connecting', ({ code }) => code === 3005);
  assert.ok(asked.some(({ hook, user }) => hook === 'refresh' && user === 'brief'));
});
