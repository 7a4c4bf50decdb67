// What ends by itself: connections and subscriptions of npm's centrifuge, unmodified, by
// their tokens and by the back end's word, and how the client takes it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, inSeconds, token } from './lib/centrifuge.mjs';
import { DEADLINE_MS, Stage, until } from './lib/stage.mjs';

const secret = 'a secret of thirty-two bytes or more';
const key = 'correct-horse';
// Seconds. A busy machine must get a client in before SOON, and its refresh within GRACE.
const [SOON, GRACE] = [3, 3];
const AFTER_SOON = SOON + GRACE + 2; // whatever ends soon has ended by then
let stage, node, api;
const clients = [];

before(async () => {
  stage = new Stage();
  node = await stage.fanwired({
    'token.hmac_secret': secret,
    'token.grace': `${GRACE}s`,
    'http.listen': '127.0.0.1:0',
    'api.key': key,
    'namespace.open.allow.subscribe': 'on',
    'namespace.open.allow.publish': 'on',
  });
  const [, http] = await stage.printed(node.child, /^http (\S+)$/m);
  api = `http://${http}/api`;
});

after(async () => {
  clients.forEach((client) => client.close());
  await stage.strike();
});

async function order(method, body) {
  const answer = await fetch(`${api}/${method}`, {
    method: 'POST',
    headers: { 'X-API-Key': key },
    body: JSON.stringify(body),
  });
  assert.deepEqual(await answer.json(), { result: {} });
}

/** A getToken that refuses so many times, and then gives one that lasts. */
function reluctant(times, claims) {
  const asked = [];
  const getToken = async () => {
    asked.push(Date.now());
    if (asked.length <= times) {
      throw new Error('the back end is away');
    }
    return token(secret, { ...claims, exp: inSeconds(60) });
  };
  return { asked, getToken };
}

function come(options) {
  const client = new Client(node, options);
  clients.push(client);
  return client.connect();
}

const times = (client, name) => client.heard.filter((event) => event.name === name).length;

// Most of their time is waiting for an end: together, that is waited for once.
describe('ends', { concurrency: true }, () => {
  test('a connection that is refreshed before its end stays', async () => {
    const { asked, getToken } = reluctant(0, { sub: 'ann' });
    const client = await come({
      token: token(secret, { sub: 'ann', exp: inSeconds(SOON) }),
      getToken,
    });
    const subscription = await client.subscribe('open:a');
    await until('a refresh', () => asked.length === 1);
    const first = token(secret, { sub: 'bob', exp: inSeconds(AFTER_SOON) });
    const other = await come({ token: first, getToken: reluctant(1, { sub: 'bob' }).getToken });
    await other.hears('connecting', ({ code }) => code === 3005); // long after ann's first end
    await subscription.publish('still');
    await subscription.hears('publication', ({ data }) => data === 'still');
    assert.equal(times(client, 'connecting'), 1);
  });

  test('one that is not refreshed is 3005, and comes back with a new token', async () => {
    const { asked, getToken } = reluctant(1, { sub: 'ann' });
    const client = await come({
      token: token(secret, { sub: 'ann', exp: inSeconds(SOON) }),
      getToken,
    });
    const { reason } = await client.hears('connecting', ({ code }) => code === 3005);
    assert.equal(reason, 'connection expired');
    await until('it is back', () => times(client, 'connected') === 2);
    assert.equal(asked.length, 2);
  });

  test('a subscription that is not refreshed is 2501, and its connection stays', async () => {
    const client = await come({ token: token(secret, { sub: 'ann' }) });
    const claims = { sub: 'ann', channel: '$open:b' };
    const { asked, getToken } = reluctant(1, claims);
    const subscription = await client.subscribe('$open:b', {
      token: token(secret, { ...claims, exp: inSeconds(SOON) }),
      getToken,
    });
    const { reason } = await subscription.hears('subscribing', ({ code }) => code === 2501);
    assert.equal(reason, 'subscription expired');
    await subscription.ready(DEADLINE_MS);
    assert.equal(asked.length, 2);
    assert.equal(times(client, 'connecting'), 1);
  });

  test('expire_at ends a connection, and leaves its token to last longer', async () => {
    const { asked, getToken } = reluctant(0, { sub: 'ann' });
    const client = await come({
      token: token(secret, { sub: 'ann', exp: inSeconds(60), expire_at: inSeconds(SOON) }),
      getToken,
    });
    await until('a refresh', () => asked.length === 1);
    await client.centrifuge.send({}).catch(() => {});
    assert.equal(times(client, 'connecting'), 1);
  });

  test('the back end ends a connection at once, or moves its end', async () => {
    const ann = await come({ token: token(secret, { sub: 'ann-7' }) });
    const bob = await come({
      token: token(secret, { sub: 'bob-7', exp: inSeconds(SOON) }),
      getToken: reluctant(Infinity, {}).getToken,
    });
    await order('refresh', { user: 'bob-7', expire_at: inSeconds(60) });
    await order('refresh', { user: 'ann-7', expire_at: inSeconds(AFTER_SOON) });
    await ann.hears('connecting', ({ code }) => code === 3005);
    assert.equal(times(bob, 'connecting'), 1); // its token's own end was before
    await order('refresh', { user: 'bob-7', expired: true });
    await bob.hears('connecting', ({ code }) => code === 3005);
  });
});
