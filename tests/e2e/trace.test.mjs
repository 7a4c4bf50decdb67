// `fanwired trace` as an operator uses it who is asked "why didn't bob get it?", and what
// docs/admin.md shows of it: the text, and a picture of the text.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { dial } from './lib/dial.mjs';
import { imageFile, takeTerminal } from './lib/pictures.mjs';
import { build, Stage, until } from './lib/stage.mjs';

const KEY = 'key-of-the-test';
let stage, redis, berlin, paris, socket, trace;

const node = (name, options) =>
  stage.fanwired({
    'redis.url': redis.url,
    'node.name': name,
    'room.history.size': '10',
    'raw.format': 'json', // messages say whose they are
    ...options,
  });

before(async () => {
  stage = new Stage();
  redis = await stage.redis();
  berlin = await node('berlin', { 'http.listen': '127.0.0.1:0', 'api.key': KEY });
  [, berlin.http] = await stage.printed(berlin.child, /^http (\S+)$/m);
  // A Unix socket takes less of what nobody reads than TCP does.
  socket = path.join(stage.directory, 'paris.sock');
  paris = await node('paris', {
    listen: `ws://127.0.0.1:0/ws,unix:${socket}:/ws`,
    'outbox.max_bytes': '1KiB',
  });
});

after(() => stage.strike());

const lines = () => trace.told.trimEnd().split('\n');
const told = (pattern) =>
  until(() => `${pattern} in\n${trace.told}`, () => lines().some((x) => pattern.test(x)));

/** As a back end does it; the offset. */
async function publish(data) {
  const response = await fetch(`http://${berlin.http}/api/publish`, {
    method: 'POST',
    headers: { 'X-API-Key': KEY },
    body: JSON.stringify({ channel: 'news', data }),
  });
  return (await response.json()).result.offset;
}

test('it says who published, who was given it, and why somebody was not', async () => {
  const ann = await dial(`${berlin.url}?room=news&user=ann`);
  const bob = await dial(`ws+unix:${socket}:/ws?room=news&user=bob`);
  for (const [member, words] of [[ann, 'ann is here'], [bob, 'bob is here']]) {
    member.send(words); // who hears himself is in the room
    await member.hears('its own words', ({ data }) => String(data).includes(words));
  }
  trace = stage.start(path.join(build, 'capi/server/fanwired'), [
    'trace',
    'news',
    ...['--redis.url', redis.url, '--node.name', 'desk'],
  ]);
  trace.isOurs = true;
  trace.told = '';
  trace.stdout.on('data', (data) => (trace.told += data));
  await told(/berlin reports/);
  await told(/paris reports/);

  ann.send('two goals');
  await told(/ ann berlin published it$/);
  await told(/\/3 ann berlin gave it to 1 of 1 members$/);
  await told(/\/3 ann paris gave it to 1 of 1 members$/);

  // bob reads no more; what is said to him fills the socket, and then his outbox.
  bob.pause();
  const late = / - paris gave it to .* 1 are closed: too slow$/;
  await until(() => `a slow bob in\n${trace.told}`, async () => {
    const offset = await publish('x'.repeat(900_000));
    await told(new RegExp(`/${offset} - berlin gave it to`));
    await told(new RegExp(`/${offset} - paris gave it to`));
    return lines().some((x) => late.test(x));
  });
  bob.terminate();
  ann.terminate();
});

test('it ends when it is told to, and looks as in the docs', async () => {
  assert.deepEqual(await stage.end(trace, 'SIGINT'), { code: 0, signal: null });
  const shown = ['$ fanwired trace news --redis.url redis://10.0.0.5', ...lines()];
  fs.writeFileSync(imageFile('trace.txt'), `${shown.join('\n')}\n`);
  const browser = await launchBrowser();
  try {
    await takeTerminal(browser, shown, 'trace.png');
  } finally {
    await browser.close();
  }
});
