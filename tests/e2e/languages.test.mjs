// The chats in all languages are one chat: a page can't tell which of them it talks to, but
// by the node's name.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, Person } from './lib/browser.mjs';
import { arrivals, arrive, options, play, talks } from './lib/chat_cases.mjs';
import { dial } from './lib/dial.mjs';
import { Stage, until } from './lib/stage.mjs';

let stage, browser;

// How a node is started; the first is who the others are compared with. Programs take
// options and signals from whoever starts them.
const languages = {
  C: { start: (more) => stage.chat(more), isProgram: true },
  Python: { start: (more) => stage.pythonChat(more), isProgram: true },
  Lua: { start: (more) => stage.luaChat(more), isProgram: true },
  OpenResty: { start: (more) => stage.openrestyChat(more), isProgram: false },
};
const names = Object.keys(languages);
const programs = names.filter((language) => languages[language].isProgram);
const nicknames = ['ann', 'bob', 'cem', 'dag'];

function start(language, more) {
  return languages[language].start({ 'node.name': language, ...more });
}

/** A node of each language. */
async function startAll(more) {
  const nodes = {};
  for (const language of names) {
    nodes[language] = await start(language, more);
  }
  return nodes;
}

before(async () => {
  stage = new Stage();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

/** A node of each language on one Redis, behind one nginx. */
async function startTogether() {
  const redis = await stage.redis();
  const nodes = await startAll({ 'redis.url': redis.url, 'node.lease': '4s' });
  return { nodes, nginx: await stage.nginx(Object.values(nodes)) };
}

/** Is the node of that name in that language? Those in nginx have the worker's number. */
function isIn(language, node) {
  return node !== null && node.replace(/-\d+$/, '') === language;
}

/** nginx deals the nodes out in turn, so a few tries give the one that is wanted. */
async function enterOn(language, nginx, name, context) {
  for (let tries = 0; tries < 12; tries++) {
    const person = await Person.enter(browser, nginx.url, name, context);
    person.at = await person.node();
    if (isIn(language, person.at)) {
      return person;
    }
    await person.leave();
  }
  throw new Error(`nginx never chose the node in ${language}`);
}

/** A person on a node of each language; each has heard of those who came later. */
async function enterOnAll(nginx) {
  const people = [];
  for (const [i, language] of names.entries()) {
    const person = await enterOn(language, nginx, nicknames[i]);
    const notice = `${person.name} came in ${person.at}`;
    for (const { page } of people) {
      await page.locator('.notice', { hasText: notice }).first().waitFor();
    }
    people.push(person);
  }
  for (const person of people) {
    await person.sees(...people.map(({ name, at }) => [name, at]));
  }
  return people;
}

/** What the speaker says now is read by all of them, where they are now. */
async function isHeard(text, speaker, people) {
  await speaker.say(text);
  for (const person of people) {
    await person.reads(text, speaker.name, speaker.at);
  }
}

test(`pages on nodes in ${names.join(', ')} talk in a room, by name and to all`, async () => {
  const { nginx } = await startTogether();
  const people = await enterOnAll(nginx);
  for (const speaker of people) {
    await isHeard(`hello room from ${speaker.name}, wie heißt Du? 😀`, speaker, people);
  }

  for (const [i, one] of people.entries()) {
    for (const other of people.slice(i + 1)) {
      const pair = [one, other];
      await one.openNew('One person', other.name);
      await one.say(`for ${other.name}'s ears only`);
      await other.show(one.name);
      for (const person of pair) {
        await person.reads(`for ${other.name}'s ears only`, one.name, one.at);
      }
      await isHeard(`and back to ${one.name}`, other, pair);
    }
  }

  for (const speaker of people) {
    for (const person of people) {
      await person.show('Everyone');
    }
    await isHeard(`hello world from ${speaker.name}`, speaker, people);
  }

  const [first, ...others] = people;
  await first.show('lobby');
  for (const { name } of others) {
    assert.equal(await first.message(`for ${name}'s ears only`).count(), 0);
  }
  for (const person of others) {
    await person.leave();
    const notice = `${person.name} went ${person.at}`;
    await first.page.locator('.notice', { hasText: notice }).first().waitFor();
  }
  await first.leave();
});

for (const [i, language] of names.entries()) {
  test(`a page whose node in ${language} is killed goes on with another one`, async () => {
    const { nodes, nginx } = await startTogether();
    const neighbour = names[(i + 1) % names.length];
    const ann = await enterOn(language, nginx, 'ann');
    const bob = await enterOn(neighbour, nginx, 'bob');
    await ann.say('before');
    await bob.reads('before', 'ann', ann.at);
    nodes[language].kill();
    await until(
      'ann is on another node',
      async () => (await ann.node()) && !isIn(language, await ann.node()),
    );
    await ann.isConnected();
    await ann.say('here I am again');
    await bob.reads('here I am again', 'ann', await ann.node());
    await bob.sees(['ann', await ann.node()], ['bob', bob.at]); // and no ghost of hers
    assert.equal(await ann.message('before').count(), 1, 'what was said before is still there');
    await Promise.all([ann, bob].map((person) => person.leave()));
  });
}

test('a request to nginx reaches a page on a node of each language', async () => {
  const { nodes, nginx } = await startTogether();
  const people = await enterOnAll(nginx);
  for (const { name } of people) {
    const answer = await fetch(`${nodes.OpenResty.http}/notify?user=${name}`, {
      method: 'POST',
      body: `dinner is ready, ${name}`,
    });
    assert.equal(await answer.text(), 'sent\n');
  }
  for (const person of people) {
    await person.show('nginx');
    await person.message(`dinner is ready, ${person.name}`).waitFor();
  }
  await Promise.all(people.map((person) => person.leave()));
});

for (const language of programs) {
  test(`a node in ${language} that is told to stop closes with 1001 and exits 0`, async () => {
    for (const signal of ['SIGTERM', 'SIGINT']) {
      const { child, url } = await start(language);
      const ann = await dial(`${url}?name=ann`);
      await ann.hears('the welcome');
      child.kill(signal);
      assert.equal((await ann.closed).code, 1001);
      assert.deepEqual(await child.ended, { code: 0, signal: null });
    }
  });

  test(`a wrong option stops the chat in ${language} with status 2, a taken port with 1`, async () => {
    const { child, url } = await start(language);
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
      assert.doesNotMatch(second.output, /traceback/i);
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
  const [first, ...others] = Object.entries(await startAll());
  for (const [what, query, status] of arrivals) {
    await t.test(what, async () => {
      const answer = await arrive(first[1].url, query);
      assert.equal(answer.status, status);
      for (const [language, { url }] of others) {
        assert.deepEqual(await arrive(url, query), answer, language);
      }
    });
  }
});

test('what is said is answered alike', async (t) => {
  const nodes = Object.values(await startAll(options));
  for (const talk of talks) {
    await t.test(talk[0], async () => {
      const answers = await Promise.all(nodes.map(({ url }) => play(url, talk)));
      for (const [i, answer] of answers.entries()) {
        assert.deepEqual(answer, answers[0], names[i]);
      }
    });
  }
});
