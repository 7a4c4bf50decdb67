// The chat in C and the chat in Python are one chat: a page can't tell which of them it
// talks to, but by the node's name.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, Person } from './lib/browser.mjs';
import { arrivals, arrive, options, play, talks } from './lib/chat_cases.mjs';
import { dial } from './lib/dial.mjs';
import { slow, Stage, until } from './lib/stage.mjs';

let stage, browser;

const start = {
  C: (more) => stage.chat({ 'node.name': 'C', ...more }),
  Python: (more) => stage.pythonChat({ 'node.name': 'Python', ...more }),
};
const other = { C: 'Python', Python: 'C' };

before(async () => {
  stage = new Stage();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

/** A node of each language on one Redis, behind one nginx. */
async function startBoth() {
  const redis = await stage.redis();
  const nodes = {};
  for (const language of Object.keys(start)) {
    nodes[language] = await start[language]({ 'redis.url': redis.url });
  }
  return { nodes, nginx: await stage.nginx(Object.values(nodes)) };
}

/** nginx deals the nodes out in turn, so a few tries give the one that is wanted. */
async function enterOn(language, nginx, name, context) {
  for (let tries = 0; tries < 10; tries++) {
    const person = await Person.enter(browser, nginx.url, name, context);
    if ((await person.node()) === language) {
      return person;
    }
    await person.leave();
  }
  throw new Error(`nginx never chose the node in ${language}`);
}

test('a page on a node in C and one on a node in Python talk in a room, by name and to all', async () => {
  const { nginx } = await startBoth();
  const ann = await enterOn('C', nginx, 'ann');
  const bob = await enterOn('Python', nginx, 'bob');
  await ann.page.locator('.notice', { hasText: 'bob came in Python' }).first().waitFor();

  await ann.say('hello room');
  await bob.reads('hello room', 'ann', 'C');
  await ann.reads('hello room', 'ann', 'C');
  await bob.say('hello ann, wie heißt Du? 😀');
  await ann.reads('hello ann, wie heißt Du? 😀', 'bob', 'Python');

  await ann.openNew('One person', 'bob');
  await ann.say('for your ears only');
  await bob.show('ann');
  await bob.reads('for your ears only', 'ann', 'C');
  await bob.say('and back');
  await ann.reads('and back', 'bob', 'Python');
  await bob.reads('and back', 'bob', 'Python');

  for (const [speaker, listener, language] of [
    [ann, bob, 'C'],
    [bob, ann, 'Python'],
  ]) {
    await speaker.show('Everyone');
    await listener.show('Everyone');
    await speaker.say(`hello world from ${language}`);
    await listener.reads(`hello world from ${language}`, speaker.name, language);
  }

  await ann.show('lobby');
  await bob.leave();
  await ann.page.locator('.notice', { hasText: 'bob went Python' }).first().waitFor();
  await ann.leave();
});

for (const language of Object.keys(start)) {
  test(`a page whose node in ${language} is killed goes on with the one in ${other[language]}`, async () => {
    const { nodes, nginx } = await startBoth();
    const ann = await enterOn(language, nginx, 'ann');
    const bob = await enterOn(other[language], nginx, 'bob');
    await ann.say('before');
    await bob.reads('before', 'ann', language);
    nodes[language].child.kill('SIGKILL');
    await until(
      'ann is on the other node',
      async () => (await ann.node()) === other[language],
      5_000 * slow,
    );
    await ann.say('here I am again');
    await bob.reads('here I am again', 'ann', other[language]);
    assert.equal(await ann.message('before').count(), 1, 'what was said before is still there');
    await Promise.all([ann, bob].map((person) => person.leave()));
  });

  test(`a node in ${language} that is told to stop closes with 1001 and exits 0`, async () => {
    for (const signal of ['SIGTERM', 'SIGINT']) {
      const { child, url } = await start[language]();
      const ann = await dial(`${url}?name=ann`);
      await ann.hears('the welcome');
      child.kill(signal);
      assert.equal((await ann.closed).code, 1001);
      assert.deepEqual(await child.ended, { code: 0, signal: null });
    }
  });

  test(`a wrong option stops the chat in ${language} with status 2, a taken port with 1`, async () => {
    const { child, url } = await start[language]();
    const [command, ...args] = child.spawnargs;
    const again = (...more) => stage.start(command, [...args, ...more]);
    for (const wrong of [
      ['--heartbeat.interval', '25'],
      ['--heartbeat.intervall', '25s'],
      ['--heartbeat.interval'],
      ['heartbeat.interval', '25s'],
    ]) {
      const second = again(...wrong);
      assert.equal((await second.ended).code, 2, wrong.join(' '));
      assert.match(second.output, /^chat: .*heartbeat\.interval.*$/m);
      assert.doesNotMatch(second.output, /Traceback/);
    }
    const second = again('--listen', url);
    assert.equal((await second.ended).code, 1);
    assert.match(second.output, /^chat: /m);
    assert.ok(second.output.includes(url), second.output);
    const help = again('--help');
    assert.equal((await help.ended).code, 0);
    assert.match(help.output, /--redis\.url/);
  });
}

test('who comes in is welcomed or refused alike', async (t) => {
  const [c, python] = [await start.C(), await start.Python()];
  for (const [what, query, status] of arrivals) {
    await t.test(what, async () => {
      const answer = await arrive(c.url, query);
      assert.equal(answer.status, status);
      assert.deepEqual(await arrive(python.url, query), answer);
    });
  }
});

test('what is said is answered alike', async (t) => {
  const [c, python] = [await start.C(options), await start.Python(options)];
  for (const talk of talks) {
    await t.test(talk[0], async () => {
      const [inC, inPython] = await Promise.all([play(c.url, talk), play(python.url, talk)]);
      assert.deepEqual(inPython, inC);
    });
  }
});
