// What rooms are set up to do for npm's centrifuge, unmodified: the newest message alone,
// what subscriptions say of their clients, and how often anybody may publish and enter.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, token } from './lib/centrifuge.mjs';
import { DEADLINE_MS, Stage, until } from './lib/stage.mjs';

const secret = 'a secret of thirty-two bytes or more';
let stage, open, guarded;
const clients = [];

before(async () => {
  stage = new Stage();
  open = await stage.fanwired({
    'client.insecure': 'on',
    'namespace.price.history.size': '1',
    'namespace.price.recovery_mode': 'cache',
    'namespace.slow.publish_rate': '2',
    'namespace.narrow.join_rate': '1',
  });
  guarded = await stage.fanwired({
    'token.hmac_secret': secret,
    'namespace.team.presence': 'on',
    'namespace.team.join_leave': 'on',
    'namespace.team.allow.presence': 'on',
    'namespace.team.allow.publish': 'on',
  });
});

after(async () => {
  clients.forEach((client) => client.close());
  await stage.strike();
});

function come(to, options) {
  const client = new Client(to, options);
  clients.push(client);
  return client.connect();
}

test('a cache room: the newest message at once, and after an absence', async () => {
  const [speaker, listener] = [await come(open), await come(open)];
  for (const price of [1, 2, 3]) {
    await speaker.centrifuge.publish('price:a', price);
  }
  const subscription = await listener.subscribe('price:a', { recoverable: true });
  await subscription.hears('publication');
  assert.deepEqual(subscription.data(), [3]);
  listener.centrifuge.disconnect();
  for (const price of [4, 5]) {
    await speaker.centrifuge.publish('price:a', price);
  }
  listener.centrifuge.connect();
  await subscription.hears('publication', ({ data }) => data === 5);
  listener.centrifuge.disconnect();
  listener.centrifuge.connect(); // it has the newest already
  await subscription.ready(DEADLINE_MS);
  await speaker.centrifuge.publish('price:a', 6);
  await subscription.hears('publication', ({ data }) => data === 6);
  assert.deepEqual(subscription.data(), [3, 5, 6]);
  const again = subscription.heard.filter(({ name }) => name === 'subscribed').slice(1);
  assert.ok(again.length >= 1 && again.every(({ recovered }) => recovered));
});

test('what the token of a subscription says of its client is seen in its room', async () => {
  const join = async (user, options) => {
    const client = await come(guarded, { token: token(secret, { sub: user, info: { user } }) });
    const claims = { sub: user, channel: 'team:a', info: { role: `${user}'s` } };
    return client.subscribe('team:a', { token: token(secret, claims), ...options });
  };
  const ann = await join('ann', { joinLeave: true });
  const bob = await join('bob');
  const shown = { connInfo: { user: 'bob' }, chanInfo: { role: "bob's" } };
  const seen = ({ connInfo, chanInfo }) => ({ connInfo, chanInfo });
  const { info } = await ann.hears('join', (event) => event.info.user === 'bob');
  assert.deepEqual(seen(info), shown);
  await bob.publish('hello');
  assert.deepEqual(seen((await ann.hears('publication')).info), shown);
  const { clients: there } = await ann.presence();
  assert.deepEqual(seen(Object.values(there).find(({ user }) => user === 'bob')), shown);
});

test('over a rate a publish is refused by its name, and a subscribe tried again', async () => {
  // All at once: were one waited for, a busy machine might be slower than the rate.
  const clients = [await come(open), await come(open)];
  const publishes = [1, 2, 3, 4].map((n) => clients[n % 2].centrifuge.publish('slow:a', n));
  const outcomes = await Promise.allSettled(publishes);
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  assert.ok(refused.length >= 1 && refused.length <= 2, `${refused.length} are refused`);
  for (const { reason } of refused) {
    assert.equal(reason.code, 111);
    assert.equal(reason.message, 'over room.publish_rate: try again later');
  }
  const subscriptions = clients.map((client) => client.channel('narrow:a'));
  subscriptions.forEach((subscription) => subscription.subscribe());
  const { error } = await until('one comes too soon', () =>
    subscriptions.flatMap(({ heard }) => heard).find(({ name }) => name === 'error'),
  );
  assert.deepEqual([error.code, error.message], [111, 'over room.join_rate: try again later']);
  await until('both are in', () =>
    subscriptions.every(({ state }) => state === 'subscribed'),
  );
});
