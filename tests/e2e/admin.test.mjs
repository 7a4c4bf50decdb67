// The admin page in Chromium, as somebody uses it who looks after a cluster of two nodes.
// The pictures that docs/admin.md shows are made here: see lib/pictures.mjs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { dial } from './lib/dial.mjs';
import { takePicture } from './lib/pictures.mjs';
import { DEADLINE_MS, Stage, until } from './lib/stage.mjs';

const password = 'open sesame';
let stage, nodes, browser, context, page, faults;
const members = [];

async function node(name, redis) {
  const server = await stage.fanwired({
    'http.listen': '127.0.0.1:0',
    'redis.url': redis.url,
    'admin.password': password,
    'node.name': name,
    'room.history.size': '100',
    'room.presence': 'on',
    'user.presence': 'on',
  });
  [, server.http] = await stage.printed(server.child, /^http (\S+)$/m);
  server.admin = `http://${server.http}/admin`;
  return server;
}

before(async () => {
  stage = new Stage();
  const redis = await stage.redis();
  nodes = [await node('berlin', redis), await node('paris', redis)];
  for (const [who, where, room] of [
    ['ann', 0, 'news:sports'],
    ['bob', 0, 'news:sports'],
    ['carl', 1, 'news:sports'],
    ['dora', 0, 'lobby'],
    ['carl', 0, 'lobby'],
  ]) {
    const member = await dial(`${nodes[where].url}?room=${room}&user=${who}`);
    member.send(`"${who} is here"`);
    await member.hears('its own words', () => member.heard.length > 0);
    members.push(member);
  }
  browser = await launchBrowser();
  context = await browser.newContext({ viewport: { width: 1100, height: 900 } });
  context.setDefaultTimeout(DEADLINE_MS);
  page = await context.newPage();
  faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
});

after(async () => {
  await browser?.close();
  members.forEach((member) => member.terminate());
  await stage.strike();
});

const row = (table, text) => page.locator(`#${table} tr`, { hasText: text });
const section = (title) => page.getByRole('region', { name: title });

test('a wrong password is refused in words, the right one shows the nodes', async () => {
  await page.goto(nodes[0].admin);
  await page.getByLabel('Password').fill('open sesam');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('the password is wrong').waitFor();
  assert.equal(await page.locator('main').isVisible(), false);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await row('nodes', 'berlin').waitFor();
  await row('nodes', 'paris').waitFor();
  assert.equal(await page.getByRole('alert').isVisible(), false);
});

test('the cookie is for this site and no script', async () => {
  const [cookie] = await context.cookies();
  assert.equal(cookie.name, 'fanwire_admin');
  assert.deepEqual([cookie.sameSite, cookie.httpOnly, cookie.path], ['Strict', true, '/admin']);
  assert.equal(await page.evaluate(() => document.cookie), '');
});

/** What each node's line says last: { berlin: 4, paris: 1 }, of a chart by its name. */
async function latest(chart) {
  const label = await page.getByRole('img', { name: chart }).getAttribute('aria-label');
  return Object.fromEntries([...label.matchAll(/(berlin|paris) ([^ ,]+)/g)]
    .map(([, name, value]) => [name, Number(value)]));
}

test('charts show sessions and messages of each node as they come', async () => {
  const [said, heard] = [await dial(`${nodes[0].url}?room=load`),
    await dial(`${nodes[1].url}?room=load`)];
  const talking = setInterval(() => said.send('"hello"'), 50);
  try {
    await until('sessions', async () =>
      JSON.stringify(await latest('Sessions')) === '{"berlin":5,"paris":2}', DEADLINE_MS);
    await until('messages', async () => {
      const came = await latest('Messages in a second');
      const went = await latest('Deliveries a second');
      return came.berlin > 0 && came.paris === 0 && went.berlin > 0 && went.paris > 0;
    }, DEADLINE_MS);
  } finally {
    clearInterval(talking);
    said.terminate();
    heard.terminate();
  }
  const drawn = await page.locator('#chart-in path.line').evaluateAll((paths) =>
    paths.map((path) => [path.getAttribute('d'), getComputedStyle(path).stroke]));
  assert.equal(drawn.length, 2);
  assert.match(drawn[0][0], /^M[\d.]+ [\d.]+h0/);
  assert.notEqual(drawn[0][1], drawn[1][1]);
  assert.deepEqual(await page.locator('#legend li').allTextContents(), ['berlin', 'paris']);
});

test('rooms are listed, and one is looked into: members of all nodes, and history', async () => {
  await row('rooms', 'lobby').waitFor();
  await page.getByRole('button', { name: 'news:sports' }).click();
  for (const [who, where] of [['ann', 'berlin'], ['bob', 'berlin'], ['carl', 'paris']]) {
    await row('members', who).filter({ hasText: where }).waitFor();
  }
  await row('history', 'carl is here').waitFor();
  await page.getByLabel('Pattern').fill('news:*');
  await page.getByRole('button', { name: 'Show' }).click();
  await row('rooms', 'lobby').waitFor({ state: 'detached' });
});

test('what is published reaches members, as it was written', async () => {
  const [ann] = members;
  const before = ann.heard.length;
  await page.getByLabel('Publish JSON').fill('{"score": 12345678901234567890}');
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByText('published as 4').waitFor();
  await ann.hears('the news', () => ann.heard.length > before);
  assert.equal(ann.heard.at(-1).data.toString(), '{"score": 12345678901234567890}');
  await row('history', 'score').waitFor();
  await page.getByLabel('Publish JSON').fill('{"score": }');
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByRole('alert').getByText('JSON').waitFor();
});

test('the sessions of a user are found, on all nodes', async () => {
  await page.locator('#user').fill('carl');
  await page.getByRole('button', { name: 'Find' }).click();
  await section('User carl').waitFor();
  await row('connections', 'berlin').waitFor();
  await row('connections', 'paris').waitFor();
  assert.equal(await row('connections', 'disconnect').count(), 2);
  await page.locator('#user').fill('nobody');
  await page.getByRole('button', { name: 'Find' }).click();
  await row('connections', 'paris').waitFor({ state: 'detached' });
  assert.equal(await row('connections', 'disconnect').count(), 0);
});

test('it looks as in the docs', async () => {
  await page.getByLabel('Pattern').fill('');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.locator('#user').fill('carl');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByLabel('Publish JSON').fill('{"text": "hello"}');
  await row('rooms', 'lobby').waitFor();
  await row('connections', 'paris').waitFor();
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  await takePicture(page, 'admin.png', { fullPage: true });
  await takePicture(section('Nodes'), 'admin-nodes.png');
  await takePicture(section('Load'), 'admin-load.png');
  await takePicture(section('Room news:sports'), 'admin-room.png');
  await takePicture(section('User carl'), 'admin-user.png');
});

test('what comes from outside is text and no markup', async () => {
  const evil = '<img src=x onerror="document.title=1">';
  const mallory = await dial(
    `${nodes[0].url}?room=news:sports&user=${encodeURIComponent(evil)}`);
  mallory.send(JSON.stringify(evil));
  await row('members', 'onerror').waitFor();
  await row('history', 'onerror').waitFor();
  assert.equal(await page.title(), 'fanwire');
  assert.equal(await page.locator('img').count(), 0);
  mallory.terminate();
  await row('members', 'onerror').waitFor({ state: 'detached' });
});

test('a session and a user are disconnected, wherever they are', async () => {
  const [ann, bob, carl, dora, carlHere] = members;
  await row('members', 'bob').getByRole('button', { name: 'disconnect' }).click();
  assert.equal((await bob.closed).code, 3503);
  await page.locator('#user').fill('carl');
  await page.getByRole('button', { name: 'Disconnect', exact: true }).click();
  assert.equal((await carl.closed).code, 3503);
  assert.equal((await carlHere.closed).code, 3503);
  await row('members', 'carl').waitFor({ state: 'detached' });
  assert.deepEqual([ann.readyState, dora.readyState], [1, 1]);
});

test('a page of another site can do nothing', async () => {
  const other = await context.newPage();
  await other.goto(`http://${nodes[1].http}/health`); // another port is another origin
  const outcome = await other.evaluate(async (url) => {
    try {
      const response = await fetch(`${url}/api/disconnect`, {
        method: 'POST',
        credentials: 'include',
        headers: { 'Content-Type': 'application/json' },
        body: '{"user":"ann"}',
      });
      return response.status;
    } catch (error) {
      return error.name;
    }
  }, nodes[0].admin);
  assert.equal(outcome, 'TypeError'); // nobody has allowed it to ask
  assert.equal(members[0].readyState, 1);
  await other.close();
});

test('logged out, the page shows nothing', async () => {
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Password').waitFor();
  await page.reload();
  await page.getByLabel('Password').waitFor();
  assert.equal(await page.locator('main').isVisible(), false);
  assert.deepEqual(await context.cookies(), []);
  assert.deepEqual(faults, []);
});

test('a node that ends is gone from the table', async () => {
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await row('nodes', 'paris').waitFor();
  await stage.end(nodes[1].child);
  await until('paris is gone', async () => (await row('nodes', 'paris').count()) === 0);
});
