// ./run demo, as the README tells a newcomer to use it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { launchBrowser, Person } from './lib/browser.mjs';
import { build, freePorts, source, Stage, until } from './lib/stage.mjs';

let stage, browser;

before(async () => {
  stage = new Stage();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await stage.strike();
});

/** BUILD_DIR makes it use this build and install nothing. */
function run(...args) {
  return stage.start(path.join(source, 'run'), ['demo', ...args], {
    env: { BUILD_DIR: build, TMPDIR: stage.directory, CI: 'true' },
  });
}

/** A demo that is up, with what it printed: ports, pids, its directory. */
async function startDemo() {
  const first = await freePorts(7);
  const child = run('--port', `${first}`, '--node-port', `${first + 1}`);
  const [, url] = await stage.printed(child, /The chat: +(http:\S+)/);
  await stage.printed(child, /Ctrl-C ends everything/);
  assert.match(child.output, /node-1 .* in C\n/);
  assert.match(child.output, /node-2 .* in Python\n/);
  assert.match(child.output, /node-3 .* in Lua, in nginx\n/);
  const pid = (name) =>
    Number(new RegExp(`^ *${name} .* pid (\\d+)`, 'm').exec(child.output)[1]);
  return {
    child,
    url,
    pids: {
      'node-1': pid('node-1'),
      'node-2': pid('node-2'),
      'node-3': pid('node-3'),
      nginx: pid('nginx'),
      redis: pid('Redis'),
    },
    directory: path.dirname(path.dirname(/\S+redis\.sock/.exec(child.output)[0])),
  };
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function assertNothingIsLeft(demo) {
  for (const [name, pid] of Object.entries(demo.pids)) {
    assert.ok(!isRunning(pid), `${name} has ended`);
  }
  assert.ok(!fs.existsSync(demo.directory), `${demo.directory} is removed`);
}

/** Which of the demo's nodes that is: one in nginx has its worker's number behind the name. */
function nodeOf(name) {
  return /^node-\d+/.exec(name ?? '')?.[0];
}

test('the demo serves the chat, outlives killed nodes, and Ctrl-C leaves nothing', async () => {
  const demo = await startDemo();
  assert.ok(fs.statSync(demo.directory).isDirectory());
  assert.equal(fs.statSync(demo.directory).mode & 0o077, 0, 'nobody else may look into it');

  const on = {};
  const names = ['ann', 'bob', 'cem'];
  for (let tries = 0; names.length > 0 && tries < 12; tries++) {
    const person = await Person.enter(browser, demo.url, names[0]);
    person.at = await person.node();
    if (nodeOf(person.at) in on) {
      await person.leave(); // a page that had to try again has had two turns
    } else {
      on[nodeOf(person.at)] = person;
      names.shift();
    }
  }
  assert.deepEqual(
    Object.keys(on).sort(),
    ['node-1', 'node-2', 'node-3'],
    'nginx deals the nodes out in turn',
  );
  const people = Object.values(on);
  const { at, name } = on['node-3'];
  await on['node-3'].say('one room');
  for (const person of people) {
    await person.reads('one room', name, at);
  }

  const last = on['node-2'];
  for (const killed of ['node-3', 'node-1']) {
    const person = on[killed];
    process.kill(demo.pids[killed], 'SIGKILL');
    await stage.printed(demo.child, new RegExp(`${killed} has ended`));
    await until(`${person.name} is on another node`, async () => {
      const node = nodeOf(await person.node());
      return node && node !== killed;
    });
    await person.say(`no ${killed}`);
    await last.reads(`no ${killed}`, person.name, await person.node());
  }
  await Promise.all(people.map((person) => person.leave()));

  demo.child.kill('SIGINT');
  assert.deepEqual(await demo.child.ended, { code: 0, signal: null });
  assertNothingIsLeft(demo);
});

test('TERM ends the demo, too, with pages open', async () => {
  const demo = await startDemo();
  const ann = await Person.enter(browser, demo.url, 'ann');
  demo.child.kill('SIGTERM');
  assert.deepEqual(await demo.child.ended, { code: 0, signal: null });
  assertNothingIsLeft(demo);
  await ann.leave();
});

test('without its Redis the demo ends, says so, and leaves nothing', async () => {
  const demo = await startDemo();
  process.kill(demo.pids.redis, 'SIGKILL');
  assert.equal((await demo.child.ended).code, 1);
  assert.match(demo.child.output, /Redis has ended/);
  assertNothingIsLeft(demo);
});

test('a taken port is named, with the option that changes it', async () => {
  const first = await freePorts(7);
  for (const [taken, option] of [
    [first, '--port'],
    [first + 1, '--node-port'],
    [first + 3, '--node-port'],
    [first + 6, '--node-port'],
  ]) {
    const server = net.createServer().listen(taken, '127.0.0.1');
    await once(server, 'listening');
    const child = run('--port', `${first}`, '--node-port', `${first + 1}`);
    assert.equal((await child.ended).code, 1);
    assert.match(child.output, new RegExp(`port ${taken} is taken; ${option} `));
    await new Promise((done) => server.close(done));
  }
});

test('wrong options are refused with status 2', async () => {
  for (const args of [
    ['--port'],
    ['--port', 'x'],
    ['--port', '70000'],
    ['--nodes', '0'],
    ['--ports', '1'],
    ['8080'],
  ]) {
    const child = run(...args);
    assert.equal((await child.ended).code, 2, args.join(' '));
    assert.match(child.output, /^run: demo: .*\n$/);
  }
});
