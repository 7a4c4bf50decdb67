// A client of npm's centrifuge, unmodified, and all that it hears; and tokens for it.
import crypto from 'node:crypto';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { DEADLINE_MS, until } from './stage.mjs';

const EVENTS = [
  'connecting',
  'connected',
  'disconnected',
  'message',
  'error',
  'subscribed',
  'subscribing',
  'unsubscribed',
  'publication',
  'join',
  'leave',
];
const CHANNEL_EVENTS = [
  'subscribing',
  'subscribed',
  'unsubscribed',
  'publication',
  'join',
  'leave',
  'error',
];

/** Where a node serves this protocol. */
export const address = (node) => `ws://127.0.0.1:${node.port}/connection/websocket`;

export class Client {
  /** nodes: tried in turn, as a load balancer would send it elsewhere. */
  constructor(nodes, options = {}) {
    const list = [].concat(nodes);
    let next = 0;
    class Balanced extends WebSocket {
      constructor(url, protocols) {
        super(address(list[next++ % list.length]), protocols ?? []);
      }
    }
    this.centrifuge = new Centrifuge(address(list[0]), {
      websocket: Balanced,
      minReconnectDelay: 20,
      maxReconnectDelay: 200,
      ...options,
    });
    this.heard = [];
    EVENTS.forEach((name) =>
      this.centrifuge.on(name, (context) => this.heard.push({ name, ...context })),
    );
  }

  async connect() {
    this.centrifuge.connect();
    await this.centrifuge.ready(DEADLINE_MS);
    return this;
  }

  /** The next event of that name, or the one that is so. */
  async hears(name, isIt = () => true) {
    return until(
      () => `${name}; heard: ${JSON.stringify(this.heard)}`,
      () => this.heard.find((event) => event.name === name && isIt(event)),
    );
  }

  /** A subscription that keeps what it hears. */
  channel(name, options = {}) {
    const subscription = this.centrifuge.newSubscription(name, {
      minResubscribeDelay: 20,
      maxResubscribeDelay: 200,
      ...options,
    });
    subscription.heard = [];
    CHANNEL_EVENTS.forEach((event) =>
      subscription.on(event, (context) => subscription.heard.push({ name: event, ...context })),
    );
    subscription.data = () =>
      subscription.heard.filter(({ name }) => name === 'publication').map(({ data }) => data);
    subscription.hears = (event, isIt = () => true) =>
      until(
        () => `${event} in ${name}; heard: ${JSON.stringify(subscription.heard)}`,
        () => subscription.heard.find((e) => e.name === event && isIt(e)),
      );
    return subscription;
  }

  async subscribe(name, options = {}) {
    const subscription = this.channel(name, options);
    subscription.subscribe();
    await subscription.ready(DEADLINE_MS);
    return subscription;
  }

  close() {
    this.centrifuge.disconnect();
  }
}

/** A token by HS256, as a back end gives it to its user. */
export function token(secret, claims) {
  const part = (value) => Buffer.from(value).toString('base64url');
  const signed = `${part('{"alg":"HS256","typ":"JWT"}')}.${part(JSON.stringify(claims))}`;
  return `${signed}.${crypto.createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** So many seconds from now and a part of one: tokens count whole ones, and may not end early. */
export const inSeconds = (n) => Math.ceil(Date.now() / 1000) + n;
