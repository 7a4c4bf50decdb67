// The chat in a browser, through nginx, on two nodes and one Redis.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, Person } from './lib/browser.mjs';
import { dial, handshakeStatus } from './lib/dial.mjs';
import { Stage, until } from './lib/stage.mjs';

let stage, browser, redis, nodes, nginx;

const startNode = (name, options = {}) =>
  stage.chat({ 'node.name': name, 'redis.url': redis.url, 'node.lease': '4s', ...options });

before(async () => {
  stage = new Stage();
  browser = await launchBrowser();
  redis = await stage.redis();
  nodes = { one: await startNode('one'), two: await startNode('two') };
  nginx = await stage.nginx(Object.values(nodes));
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

/** nginx deals the nodes out in turn, so a few tries give the one that is wanted. */
async function enterOn(isWanted, name, options) {
  for (let tries = 0; tries < 10; tries++) {
    const person = await Person.enter(browser, nginx.url, name, options);
    if (isWanted(await person.node())) {
      return person;
    }
    await person.leave();
  }
  throw new Error('nginx never chose that node');
}

async function enterOnTwoNodes(options) {
  const ann = await Person.enter(browser, nginx.url, 'ann', options);
  const annsNode = await ann.node();
  const bob = await enterOn((node) => node !== annsNode, 'bob', options);
  return { ann, bob, annsNode, bobsNode: await bob.node() };
}

/** Ended nodes come back under their name and port, for the next test. */
async function restoreNodes() {
  for (const [name, node] of Object.entries(nodes)) {
    if (!node.child.isAlive()) {
      await stage.end(node.child);
      nodes[name] = await startNode(name, { listen: node.url });
    }
  }
}

/** nginx leaves a node alone for 10 s after a failure: a new one asks again at once. */
async function restart() {
  await restoreNodes();
  await stage.end(nginx.child);
  nginx = await stage.nginx(Object.values(nodes));
}

/** Straight to a node; what it hears are JSON values. */
async function dialChat(node, query) {
  const socket = await dial(`${node.url}?${query}`);
  const hears = socket.hears;
  socket.hears = async (what, isIt) =>
    JSON.parse((await hears(what, ({ data }) => isIt(JSON.parse(data)))).data);
  return socket;
}

test('two pages on two nodes hear each other in a room, to all and to one person', async () => {
  const { ann, bob, annsNode, bobsNode } = await enterOnTwoNodes();
  const cleo = await Person.enter(browser, nginx.url, 'cleo', { room: 'elsewhere' });

  await ann.say('hello room');
  await bob.reads('hello room', 'ann', annsNode);
  await ann.reads('hello room', 'ann', annsNode);
  await bob.say('hello ann, I am on the other node');
  await ann.reads('hello ann, I am on the other node', 'bob', bobsNode);

  await bob.show('Everyone');
  await bob.say('hello world');
  for (const person of [ann, cleo]) {
    await person.show('Everyone');
    await person.reads('hello world', 'bob', bobsNode);
  }

  await ann.openNew('One person', 'bob');
  await ann.say('for your ears only');
  await bob.show('ann');
  await bob.reads('for your ears only', 'ann', annsNode);
  await bob.say('and back');
  await ann.reads('and back', 'bob', bobsNode);

  await cleo.show('elsewhere');
  for (const text of ['hello room', 'for your ears only']) {
    assert.equal(await cleo.message(text).count(), 0, `cleo does not hear "${text}"`);
  }
  await Promise.all([ann, bob, cleo].map((person) => person.leave()));
});

test('who comes into a room and goes from it is told to the others, with the node', async () => {
  const { ann, bob, bobsNode } = await enterOnTwoNodes({ room: 'hall' });
  const notice = (words) => ann.page.locator('.notice', { hasText: words });
  await notice(`bob came in ${bobsNode}`).first().waitFor();
  await bob.leave();
  await notice(`bob went ${bobsNode}`).first().waitFor();
  await ann.leave();
});

test('a page shows who is in its room and on which node', async () => {
  const { ann, bob, annsNode, bobsNode } = await enterOnTwoNodes({ room: 'salon' });
  const all = [
    ['ann', annsNode],
    ['bob', bobsNode],
  ];
  await ann.sees(...all);
  await bob.sees(...all);
  await bob.openNew('A room', 'elsewhere');
  await bob.sees(['bob', bobsNode]);
  await bob.page.getByRole('button', { name: 'Leave' }).click();
  await ann.sees(...all);
  await bob.show('salon');
  await bob.page.getByRole('button', { name: 'Leave' }).click();
  await ann.sees(['ann', annsNode]);
  await Promise.all([ann, bob].map((person) => person.leave()));
});

test('whose node is killed vanishes from the room, once, and who comes back is seen', async () => {
  const { ann, bob, annsNode, bobsNode } = await enterOnTwoNodes({ room: 'salon' });
  const cleo = await dialChat(nodes[annsNode], 'name=cleo');
  cleo.send('{"type":"join","room":"salon"}');
  await bob.sees(['ann', annsNode], ['bob', bobsNode], ['cleo', annsNode]);
  nodes[annsNode].child.kill('SIGKILL');
  await bob.sees(['ann', bobsNode], ['bob', bobsNode]);
  const left = bob.page.locator('.notice', { hasText: `cleo went ${annsNode}` });
  assert.equal(await left.count(), 1);
  await ann.sees(['ann', bobsNode], ['bob', bobsNode]);
  await Promise.all([ann, bob].map((person) => person.leave()));
  await restart();
});

test('a page whose node is killed is back on the other and goes on talking', async () => {
  const { ann, bob, annsNode, bobsNode } = await enterOnTwoNodes();
  await ann.say('before');
  await bob.reads('before', 'ann', annsNode);

  nodes[annsNode].child.kill('SIGKILL');
  await until('ann is on the other node', async () => (await ann.node()) === bobsNode);
  await ann.say('here I am again');
  await bob.reads('here I am again', 'ann', bobsNode);
  await bob.say('welcome back');
  await ann.reads('welcome back', 'bob', bobsNode);
  assert.equal(await ann.message('before').count(), 1, 'what was said before is still there');
  await Promise.all([ann, bob].map((person) => person.leave()));
  await restart();
});

test('a node that is told to stop closes its sessions and exits 0; the page moves on', async () => {
  const { ann, bob, annsNode, bobsNode } = await enterOnTwoNodes();
  const watcher = await dialChat(nodes[annsNode], 'name=watcher');
  nodes[annsNode].child.kill('SIGTERM');
  assert.equal((await watcher.closed).code, 1001);
  assert.deepEqual(await nodes[annsNode].child.ended, { code: 0, signal: null });
  await until('ann is on the other node', async () => (await ann.node()) === bobsNode);
  await ann.say('moved');
  await bob.reads('moved', 'ann', bobsNode);
  await Promise.all([ann, bob].map((person) => person.leave()));
  await restart();
});

test('what is written without a connection is kept, and sent once when it is back', async () => {
  const { ann, bob } = await enterOnTwoNodes();
  Object.values(nodes).forEach((node) => node.child.kill('SIGKILL'));
  await ann.isLost();
  await bob.isLost();
  await ann.say('written in the dark');
  await ann.page.getByText('waits for the connection').waitFor();
  await ann.page.getByRole('button', { name: 'Try now' }).click(); // in vain
  await restoreNodes(); // and not nginx: the pages go on asking this one
  const node = await ann.isConnected();
  await bob.isConnected();
  await ann.reads('written in the dark', 'ann', node);
  await ann.say('and there was light');
  await bob.reads('and there was light', 'ann', node);
  await Promise.all([ann, bob].map((person) => person.leave()));
});

test('a reload comes back under the same name and into the same rooms', async () => {
  const ann = await Person.enter(browser, nginx.url, 'ann', { room: 'first' });
  await ann.openNew('A room', 'second');
  await ann.page.locator('.notice', { hasText: 'You are in this room.' }).waitFor();
  await ann.page.reload();
  await ann.isConnected();
  const names = await ann.page.locator('#conversations .label').allTextContents();
  assert.deepEqual(names, ['Everyone', 'first', 'second']);
  await ann.leave();
});

test('a name in the address goes straight in, a bad one back to the form', async () => {
  const page = await browser.newPage();
  await page.goto(`${nginx.url}?name=ann&room=den`);
  await page.locator('#status[data-state=connected]').waitFor();
  await page.getByRole('heading', { name: 'den' }).waitFor();
  await page.goto(`${nginx.url}?name=${'n'.repeat(33)}`);
  const field = page.getByLabel('Your nickname');
  await field.waitFor();
  assert.equal(await field.evaluate((input) => input.validity.customError), true);
  await page.close();
});

test('the page can be used by keyboard alone, and on a phone of 360 pixels', async () => {
  const viewport = { width: 360, height: 640 };
  const ann = await Person.enter(browser, nginx.url, 'ann', {
    viewport,
    isMobile: true,
    hasTouch: true,
  });
  const { keyboard } = ann.page;
  await keyboard.type('a'.repeat(200));
  await keyboard.press('Enter');
  await ann.message('a'.repeat(200)).waitFor();
  await keyboard.press('Alt+ArrowUp');
  await ann.page.getByRole('heading', { name: 'Everyone' }).waitFor();
  await keyboard.press('Alt+ArrowDown');
  await ann.page.getByRole('heading', { name: 'lobby' }).waitFor();
  const width = await ann.page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 360, `the page is ${width} pixels wide`);
  const unlabelled = await ann.page.evaluate(() =>
    [...document.querySelectorAll('button, input, textarea')]
      .filter(
        (control) =>
          !control.textContent.trim() && !control.labels?.length && !control.ariaLabel,
      )
      .map((control) => control.outerHTML),
  );
  assert.deepEqual(unlabelled, [], 'every control has a name');
  await ann.leave();
});

test('what people write is shown as text, never run', async () => {
  const ann = await Person.enter(browser, nginx.url, '<b>ann', { room: '<i>room' });
  const text =
    '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>';
  await ann.say(text);
  await ann.reads('<img src=x', '<b>ann', await ann.node());
  assert.equal(await ann.message('<img').locator('.body').textContent(), text);
  assert.equal(await ann.page.title(), 'fanwire chat');
  await ann.leave();
});

test('a bad nickname is refused with 400', async (t) => {
  const names = {
    'no name': '',
    empty: 'name=',
    'too long': `name=${'n'.repeat(33)}`,
    'a control character': 'name=a%07b',
    'a blank at the end': 'name=ann+',
    'not UTF-8': 'name=%ff',
  };
  for (const [what, query] of Object.entries(names)) {
    await t.test(what, async () => {
      assert.equal(await handshakeStatus(`${nodes.one.url}?${query}`), 400);
    });
  }
  const socket = await dialChat(
    nodes.one,
    `name=${encodeURIComponent('Ünïcödé '.repeat(4).trim())}`,
  );
  await socket.hears(
    'the welcome',
    (m) => m.type === 'welcome' && m.name.startsWith('Ünïcödé'),
  );
  socket.terminate();
});

test('bad input is answered with an error, and the session lives on', async (t) => {
  const socket = await dialChat(nodes.one, 'name=mallory');
  const cases = {
    'no JSON': ['{', 'bad_json'],
    empty: ['', 'bad_json'],
    'no object': ['[1]', 'bad_json'],
    'a binary frame': [Buffer.from('{"type":"say"}'), 'bad_json'],
    'a key twice': ['{"type":"say","type":"join"}', 'bad_json'],
    'deeply nested': ['['.repeat(20_000), 'bad_json'],
    'a huge number': ['{"type":1e999}', 'bad_json'],
    'a NUL': ['{"type":"join","room":"a\\u0000b"}', 'bad_json'],
    'no type': ['{}', 'bad_request'],
    'a type that is no text': ['{"type":{}}', 'bad_request'],
    'an unknown type': ['{"type":"dance"}', 'bad_request'],
    'join without a room': ['{"type":"join"}', 'bad_request'],
    'join a room that is no text': ['{"type":"join","room":7}', 'bad_request'],
    'leave a room with a long name': [
      `{"type":"leave","room":"${'r'.repeat(65)}"}`,
      'bad_request',
    ],
    'say without text': ['{"type":"say","all":true}', 'bad_request'],
    'say nothing': ['{"type":"say","all":true,"text":""}', 'bad_request'],
    'say too much': [
      JSON.stringify({ type: 'say', all: true, text: 'x'.repeat(8193) }),
      'bad_request',
    ],
    'say to nobody': ['{"type":"say","text":"x"}', 'bad_request'],
    'say to two': ['{"type":"say","text":"x","room":"a","all":true}', 'bad_request'],
    'an id that is no text': ['{"type":"say","text":"x","all":true,"id":1}', 'bad_request'],
  };
  for (const [what, [input, code]] of Object.entries(cases)) {
    await t.test(what, async () => {
      socket.heard.length = 0;
      socket.send(input);
      const error = await socket.hears('an error', (m) => m.type === 'error');
      assert.equal(error.code, code);
    });
  }
  socket.heard.length = 0;
  socket.send('{"type":"say","user":"mallory","text":"still here","id":"7"}');
  const message = await socket.hears('the message to oneself', (m) => m.type === 'message');
  const { time, session, ...rest } = message;
  assert.deepEqual(rest, {
    type: 'message',
    user: 'mallory',
    from: 'mallory',
    node: 'one',
    id: '7',
    text: 'still here',
  });
  assert.match(session, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(Date.now() - time) < 60_000);
  socket.send('x'.repeat(65 * 1024));
  assert.equal((await socket.closed).code, 1009);
  assert.ok(nodes.one.child.isAlive());
});

test('rooms are joined and left by the words of the protocol', async () => {
  const ann = await dialChat(nodes.one, 'name=ann');
  const bob = await dialChat(nodes.two, 'name=bob');
  for (const socket of [ann, bob]) {
    socket.send('{"type":"join","room":"den"}');
    await socket.hears('joined', (m) => m.type === 'joined' && m.room === 'den');
    await socket.hears('who is there', (m) => m.type === 'people' && m.room === 'den');
  }
  await ann.hears(
    'bob coming',
    (m) => m.type === 'join' && m.from === 'bob' && m.node === 'two',
  );
  bob.send('{"type":"leave","room":"den"}');
  await bob.hears('left', (m) => m.type === 'left' && m.room === 'den');
  await ann.hears(
    'bob going',
    (m) => m.type === 'leave' && m.from === 'bob' && m.node === 'two',
  );
  ann.send('{"type":"say","room":"den","text":"alone?"}');
  await ann.hears('herself', (m) => m.type === 'message' && m.text === 'alone?');
  ann.send('{"type":"say","all":true,"text":"end"}');
  await bob.hears('the end', (m) => m.text === 'end');
  assert.ok(
    !bob.heard.some(({ data }) => data.includes('alone?')),
    'who has left hears nothing',
  );
  ann.terminate();
  bob.terminate();
});

test('a wrong option is one line on stderr and exit status 2, a taken port is 1', async () => {
  const wrong = stage.start(nodes.one.child.spawnfile, ['--heartbeat.interval', '25']);
  assert.equal((await wrong.ended).code, 2);
  assert.match(wrong.output, /^chat: heartbeat\.interval: 25: .+\n$/);
  const second = stage.start(nodes.one.child.spawnfile, ['--listen', nodes.one.url]);
  assert.equal((await second.ended).code, 1);
  assert.ok(second.output.includes(nodes.one.url), second.output);
});
