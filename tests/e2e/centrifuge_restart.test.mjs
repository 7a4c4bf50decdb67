// Three nodes are replaced one after the other while clients of npm's centrifuge,
// unmodified, talk in rooms with history: each comes back to the address it knows.
// `./run test --all` makes it longer.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from './lib/centrifuge.mjs';
import { DEADLINE_MS, Stage, until } from './lib/stage.mjs';

const FULL = 'FW_RECOVERY_CUTS' in process.env;
const NODES = 3;
const MEMBERS = 6; // of a room, two on each node
const ROOMS = FULL ? 10 : 3;
const ROUNDS = FULL ? 5 : 1;
const PAUSE_MS = 10; // between what one says
const AWAY = 3001;
let stage, redis;
const nodes = [];
const tenants = [];

before(async () => {
  stage = new Stage();
  redis = await stage.redis();
  for (let i = 0; i < NODES; i++) {
    nodes.push(await start(i));
  }
});

after(async () => {
  tenants.forEach(({ client }) => client.close());
  await stage.strike();
});

function start(i) {
  return stage.fanwired({
    'redis.url': redis.url,
    'redis.required': 'on',
    'handover.path': path.join(stage.directory, `handover${i}`),
    'client.insecure': 'on',
    'room.history.size': '10000',
  });
}

/** Another process in its place, at the same port; who was there is sent away. */
async function replace(i) {
  const old = nodes[i];
  const there = tenants.filter(({ node }) => node === i);
  const returns = there.map(({ client }) => count(client, 'connected') + 1);
  nodes[i] = await start(i);
  assert.equal(nodes[i].port, old.port);
  assert.equal((await old.child.ended).code, 0);
  await until(
    'all are back',
    () => there.every(({ client }, k) => count(client, 'connected') >= returns[k]),
  );
}

const count = (client, name) => client.heard.filter((event) => event.name === name).length;

class Tenant {
  constructor(room, i) {
    this.room = room;
    this.name = `${room}-${i}`;
    this.node = i % NODES;
    this.client = new Client(nodes[this.node]);
    this.subscription = this.client.channel(room, { recoverable: true });
    this.tried = new Map(); // how often it has said what
  }

  async enter() {
    this.subscription.subscribe();
    await this.client.connect();
    await this.subscription.ready(DEADLINE_MS);
  }

  /** Until it is taken; who is sent away meanwhile doesn't know whether it was. */
  async say(text) {
    for (;;) {
      this.tried.set(text, (this.tried.get(text) ?? 0) + 1);
      try {
        await this.client.centrifuge.publish(this.room, text);
        return;
      } catch {
        await pause(PAUSE_MS);
      }
    }
  }

  async talk(over) {
    for (let n = 0; !over.is; n++) {
      await this.say(`${this.name}: ${n}`);
      await pause(PAUSE_MS);
    }
  }
}

/** Connects to all ports all the time; how often, and what went wrong. */
async function knock(over) {
  const knocked = { times: 0, errors: [] };
  const ports = nodes.map(({ port }) => port);
  while (!over.is) {
    for (const port of ports) {
      const socket = net.connect({ port, host: '127.0.0.1' });
      const error = await new Promise((done) => {
        socket.once('connect', () => done(null));
        socket.once('error', done);
      });
      socket.destroy();
      knocked.times++;
      if (error) {
        knocked.errors.push(error.message);
      }
    }
    await pause(PAUSE_MS);
  }
  return knocked;
}

test('three nodes are replaced under load: no loss, nothing twice, no refusal', async () => {
  const rooms = Array.from({ length: ROOMS }, (_, r) => `room${r}`);
  for (const room of rooms) {
    for (let i = 0; i < MEMBERS; i++) {
      tenants.push(new Tenant(room, i));
    }
  }
  await Promise.all(tenants.map((tenant) => tenant.enter()));
  const over = { is: false };
  const talking = tenants.filter((_, i) => i % 2 === 0).map((tenant) => tenant.talk(over));
  const knocking = knock(over);
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < NODES; i++) {
      await replace(i);
    }
  }
  over.is = true;
  await Promise.all(talking);
  const knocked = await knocking;
  assert.deepEqual(knocked.errors, []);
  assert.ok(knocked.times > NODES * ROUNDS);

  for (const room of rooms) {
    const members = tenants.filter((tenant) => tenant.room === room);
    await members[0].say('the end');
    for (const { subscription } of members) {
      await until('the end', () => subscription.data().includes('the end'));
    }
    const heard = members[0].subscription.data();
    assert.ok(heard.length > NODES * ROUNDS); // a slow machine says less, not nothing
    for (const { client, subscription, tried } of members) {
      assert.deepEqual(subscription.data(), heard);
      for (const [text, times] of tried) {
        const said = heard.filter((one) => one === text).length;
        assert.ok(said >= 1 && said <= times, `${text}: ${said} of ${times}`);
      }
      const codes = client.heard.filter(({ name }) => name === 'connecting').map((e) => e.code);
      assert.deepEqual(codes.slice(1), Array(ROUNDS).fill(AWAY));
      const [first, ...again] = subscription.heard.filter(({ name }) => name === 'subscribed');
      assert.equal(first.wasRecovering, false);
      assert.ok(again.length >= ROUNDS && again.every(({ recovered }) => recovered));
    }
  }
});
