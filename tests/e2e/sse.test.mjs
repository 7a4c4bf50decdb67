// A browser's own EventSource, behind nginx and before the nodes: what it hears, and that
// it goes on without a gap when a node is killed or drained.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { token } from './lib/centrifuge.mjs';
import { dial } from './lib/dial.mjs';
import { Stage, until } from './lib/stage.mjs';

let stage, redis, browser;

before(async () => {
  stage = new Stage();
  redis = await stage.redis();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

async function node(options = {}) {
  const server = await stage.fanwired({
    'http.listen': '127.0.0.1:0',
    'redis.url': redis.url,
    'redis.required': 'on',
    'room.history.size': '1000',
    'sse.retry': '200ms',
    ...options,
  });
  const [, http] = await stage.printed(server.child, /^http (\S+)$/m);
  server.streams = async () => {
    const metrics = await (await fetch(`http://${http}/metrics`)).text();
    return Number(/fanwire_protocol_sessions\{protocol="sse"\} (\d+)/.exec(metrics)[1]);
  };
  return server;
}

/** A page of this origin, with an EventSource whose doings it keeps. */
async function listen(origin, url, init = {}) {
  const page = await browser.newPage({ bypassCSP: true }); // it asks others, too
  await page.goto(origin);
  await page.evaluate(
    ({ url, init }) => {
      const kept = { heard: [], named: [], opened: 0, ids: [] };
      const source = new EventSource(url, init);
      source.onopen = () => kept.opened++;
      source.onmessage = ({ data, lastEventId }) => {
        kept.heard.push(data);
        kept.ids.push(lastEventId);
      };
      for (const name of ['joined', 'reset', 'close', 'binary']) {
        source.addEventListener(name, ({ data }) => kept.named.push([name, data]));
      }
      Object.assign(globalThis, { kept, source });
    },
    { url, init },
  );
  const state = () =>
    page.evaluate(() => ({ ...globalThis.kept, state: globalThis.source.readyState }));
  return {
    page,
    state,
    /** Waits until what is kept is as it should be. */
    async shows(what, condition) {
      let last;
      await until(
        () => `${what}: ${JSON.stringify(last)}`,
        async () => condition((last = await state())),
      );
      return last;
    },
  };
}

const joins = ({ named }) =>
  named.filter(([name]) => name === 'joined').map(([, data]) => JSON.parse(data));

test('a killed node is left for another, and no message is lost or heard twice', async () => {
  const nodes = [await node(), await node()];
  const nginx = await stage.nginx(nodes);
  const ear = await listen(nginx.url, '/sse?room=news&room=chat');
  await ear.shows('both rooms joined', (kept) => joins(kept).length === 2);

  const counts = await Promise.all(nodes.map((each) => each.streams()));
  const [its, other] = counts[0] === 1 ? nodes : nodes.toReversed();
  const mouths = {};
  for (const room of ['news', 'chat']) {
    mouths[room] = await dial(`${other.url}?room=${room}`);
  }
  const said = { news: [], chat: [] };
  for (let i = 0; i < 300; i++) {
    const room = i % 3 ? 'news' : 'chat';
    const text = `${room} ${i}`;
    said[room].push(text);
    mouths[room].send(text);
    if (i % 20 === 0) {
      await mouths[room].hears(text, ({ data }) => data.toString() === text);
    }
    if (i === 90) {
      its.kill();
    }
  }
  const all = said.news.length + said.chat.length;
  const kept = await ear.shows('everything heard', ({ heard }) => heard.length >= all);
  for (const room of ['news', 'chat']) {
    assert.deepEqual(
      kept.heard.filter((text) => text.startsWith(room)),
      said[room],
    );
  }
  assert.ok(kept.opened >= 2, 'it has come again');
  assert.deepEqual(
    joins(kept)
      .slice(2)
      .map(({ recovered }) => recovered),
    [true, true],
  );
  assert.ok(kept.ids.every((id) => id.split(',').length === 2));
  Object.values(mouths).forEach((mouth) => mouth.terminate());
  await ear.page.close();
});

test('a drained node says close, and its clients go on elsewhere', async () => {
  const nodes = [await node(), await node()];
  const nginx = await stage.nginx(nodes);
  const ears = [];
  for (let i = 0; i < 4; i++) {
    ears.push(await listen(nginx.url, '/sse?room=drain'));
    await ears[i].shows('the room joined', (kept) => joins(kept).length === 1);
  }
  const [its, other] = nodes;
  const there = await its.streams();
  assert.ok(there > 0);
  its.child.kill('SIGTERM');
  await its.child.ended;
  await until('all are at the other', async () => (await other.streams()) === ears.length);
  const mouth = await dial(`${other.url}?room=drain`);
  mouth.send('line one\nline two');
  let told = 0;
  for (const ear of ears) {
    const kept = await ear.shows('the message', ({ heard }) => heard.length === 1);
    assert.equal(kept.heard[0], 'line one\nline two');
    told += kept.named.filter(([name]) => name === 'close').length;
    await ear.page.close();
  }
  assert.equal(told, there);
  mouth.terminate();
});

test('a page of another origin listens if it is named, and is refused for good if not', async () => {
  const home = await stage.nginx([await node()]); // where the page comes from
  const origin = new URL(home.url).origin;
  const friendly = await node({ origins: origin });
  const strict = await node();
  const url = (server) => `http://localhost:${server.port}/sse?room=away`; // another host

  const ear = await listen(home.url, url(friendly), { withCredentials: true });
  await ear.shows('the room joined', (kept) => joins(kept).length === 1);
  const deaf = await listen(home.url, url(strict));
  await deaf.shows('it has given up', ({ state, opened }) => state === 2 && opened === 0);
  await ear.page.close();
  await deaf.page.close();
});

test('without a good token it is refused for good, with one it listens', async () => {
  const secret = 'a secret of thirty-two bytes and no less';
  const server = await node({ 'token.hmac_secret': secret });
  const nginx = await stage.nginx([server]);
  const deaf = await listen(nginx.url, '/sse?room=a');
  await deaf.shows('it has given up', ({ state, opened }) => state === 2 && opened === 0);
  await deaf.page.close();

  const pass = token(secret, { sub: 'ann', channels: ['given'] });
  const ear = await listen(nginx.url, `/sse?room=a&token=${pass}`);
  await ear.shows('the room joined', (kept) => joins(kept).length === 1);
  await ear.page.close();

  // The same token gives a client of the Centrifuge protocol a room.
  const request = encodeURIComponent(JSON.stringify({ token: pass }));
  const uni = await listen(nginx.url, `/connection/uni_sse?cf_connect=${request}`);
  const { heard } = await uni.shows('connect', (kept) => kept.heard.length === 1);
  assert.deepEqual(Object.keys(JSON.parse(heard[0]).connect.subs), ['given']);
  const mouth = await dial(`${server.url}?room=given&token=${pass}`);
  mouth.send('{"n":1}');
  const kept = await uni.shows('a publication', (all) => all.heard.length === 2);
  const { channel, pub } = JSON.parse(kept.heard[1]);
  assert.deepEqual([channel, pub.data, pub.offset], ['given', { n: 1 }, 1]);
  mouth.terminate();
  await uni.page.close();
});
