// What the end-to-end tests play on: a private directory and the processes started in it.
// Each process is ended by its own pid when the stage is struck, whatever the test did.
// Knows how to start Redis, nginx, the chats and fanwired; knows nothing of what is tested.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const source = path.resolve(fileURLToPath(import.meta.url), '../../../..');
export const build = path.resolve(process.env.BUILD_DIR ?? path.join(source, 'build/dev'));
export const chatDirectory = path.join(source, 'docs/examples/chat');

/** How many times slower everything is: under a sanitizer. */
export const slow = Number(process.env.FW_TEST_SLOW ?? 1);

/** Within which whatever must happen has happened, on a machine with other work, too. */
export const DEADLINE_MS = 60_000 * slow;

const LONGEST_TEST_MS = 660_000 * slow; // of a whole file; less than its time-out in ctest

let hasFailed = false; // has something been waited for in vain?

/** Waits until a condition holds; fails with what was waited for. Looks often at first. */
export async function until(what, condition, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  for (let pause = 1; ; pause = Math.min(2 * pause, 20)) {
    const value = await condition();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      hasFailed = true;
      throw new Error(
        `not within ${deadlineMs} ms: ${typeof what === 'function' ? what() : what}`,
      );
    }
    await new Promise((wake) => setTimeout(wake, pause));
  }
}

/**
 * Ports in a row that nobody listens on. nginx and the demo can't be told "any". From
 * 32768 on the kernel deals ports out to whoever takes any: not those.
 */
export async function freePorts(count = 1) {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 12_000);
    const servers = [];
    try {
      for (let i = 0; i < count; i++) {
        const server = net.createServer().listen(first + i, '127.0.0.1');
        await once(server, 'listening');
        servers.push(server);
      }
      return first;
    } catch {
      // Taken: try elsewhere.
    } finally {
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    }
  }
}

export class Stage {
  constructor() {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'fanwire-e2e.'));
    this.children = [];
    // Whatever hangs or stops us, nothing is left behind.
    this.watch = setTimeout(() => this.abandon('the test hangs'), LONGEST_TEST_MS).unref();
    this.onSignal = () => this.abandon('stopped by a signal');
    process.once('SIGTERM', this.onSignal).once('SIGINT', this.onSignal);
  }

  abandon(why) {
    console.error(`abandoned: ${why}`);
    this.children.filter((child) => child.isAlive()).forEach((child) => child.kill('SIGKILL'));
    fs.rmSync(this.directory, { recursive: true, force: true });
    process.exit(1);
  }

  /** Starts a program; everything it prints is in .output. */
  start(command, args, { env = {}, cwd } = {}) {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a Ctrl-C at the test's terminal is for the test
    });
    child.output = '';
    child.stdout.on('data', (data) => (child.output += data));
    child.stderr.on('data', (data) => (child.output += data));
    child.on('error', (error) => (child.output += error.message));
    // Once its output is read to the end, not merely when it has gone.
    child.ended = new Promise((done) =>
      child.on('close', (code, signal) => done({ code, signal })),
    );
    child.isAlive = () =>
      child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    this.children.push(child);
    return child;
  }

  /** Waits until a process has printed something; fails early if it ends before. */
  async printed(child, pattern) {
    await until(
      () => `${child.spawnfile} prints ${pattern}; it printed:\n${child.output}`,
      () => {
        if (!child.isAlive() && !pattern.test(child.output)) {
          throw new Error(`${child.spawnfile} has ended:\n${child.output}`);
        }
        return pattern.test(child.output);
      },
    );
    return pattern.exec(child.output);
  }

  async end(child, signal = 'SIGTERM') {
    if (child.isAlive()) {
      child.kill(signal);
    }
    const hard = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
    const result = await child.ended;
    clearTimeout(hard);
    return result;
  }

  async strike() {
    clearTimeout(this.watch);
    process.off('SIGTERM', this.onSignal).off('SIGINT', this.onSignal);
    const faults = [];
    for (const child of this.children.reverse()) {
      const { code, signal } = await this.end(child);
      // A sanitizer speaks last of all, and by the exit status.
      if (child.isOurs && code !== 0 && signal !== 'SIGKILL') {
        faults.push(`${child.spawnargs.join(' ')}: ${signal ?? code}\n${child.output}`);
      }
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
    if (hasFailed) {
      this.children.forEach((child) => console.error(lastWords(child)));
    }
    if (faults.length) {
      throw new Error(`not ended in good order:\n${faults.join('\n')}`);
    }
  }

  // ---- the players ----

  async redis() {
    const socket = path.join(this.directory, `redis${this.children.length}.sock`);
    const child = this.start('redis-server', [
      ...['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no'],
      ...['--daemonize', 'no', '--dir', this.directory],
    ]);
    await until('Redis accepts connections', () => canConnect({ path: socket }));
    return { child, url: `redis+unix://${socket}` };
  }

  /** A server of ours on a port of its choice. */
  async server(program, options) {
    const args = Object.entries({ listen: 'ws://127.0.0.1:0/ws', ...options });
    const child = this.start(
      path.join(build, program),
      args.flatMap(([name, value]) => [`--${name}`, value]),
    );
    child.isOurs = true;
    const [url, port] = await this.printed(child, /ws:\/\/127\.0\.0\.1:([1-9]\d*)\/ws/);
    return { child, url, port: Number(port), kill: () => child.kill('SIGKILL') };
  }

  chat(options) {
    return this.server('docs/examples/chat/chat', options);
  }

  pythonChat(options) {
    return this.server('docs/examples/chat/chat-python', options);
  }

  luaChat(options) {
    return this.server('docs/examples/chat/chat-lua', options);
  }

  /** The chat in nginx; without Redis its only worker is alone. */
  async openrestyChat(options) {
    const first = await freePorts(2);
    const node = await this.server('docs/examples/chat/chat-openresty', {
      listen: `ws://127.0.0.1:${first}/ws`,
      http: `127.0.0.1:${first + 1}`,
      workers: options['redis.url'] ? '2' : '1',
      ...options,
    });
    // Its workers are of its process group, and would outlive it.
    node.kill = () => process.kill(-node.child.pid, 'SIGKILL');
    node.http = `http://127.0.0.1:${first + 1}`;
    return node;
  }

  fanwired(options) {
    return this.server('capi/server/fanwired', options);
  }

  /** nginx with the demo's own configuration, changed in what the test is about. */
  async nginx(nodes, { host = '$http_host', readTimeout = '60s' } = {}) {
    const port = await freePorts(1);
    const directory = fs.mkdtempSync(path.join(this.directory, 'nginx.'));
    ['run', 'tmp', 'logs'].forEach((name) => fs.mkdirSync(path.join(directory, name)));
    let config = fs.readFileSync(path.join(chatDirectory, 'nginx.conf.in'), 'utf8');
    for (const [from, to] of [
      ['@PORT@', String(port)],
      ['@PAGE@', path.join(chatDirectory, 'page')],
      [
        '@NODES@',
        nodes.map((node) => `server 127.0.0.1:${node.port} fail_timeout=2s;`).join(' '),
      ],
      ['Host $http_host;', `Host ${host};`],
      ['proxy_read_timeout 60s;', `proxy_read_timeout ${readTimeout};`],
    ]) {
      if (!config.includes(from)) {
        throw new Error(`nginx.conf.in has no ${from} any more`);
      }
      config = config.replaceAll(from, () => to);
    }
    fs.writeFileSync(path.join(directory, 'nginx.conf'), config);
    const user = process.getuid() === 0 ? ' user root;' : '';
    const child = this.start(
      'nginx',
      [
        '-p',
        `${directory}/`,
        '-c',
        'nginx.conf',
        '-e',
        'logs/error.log',
        '-g',
        `daemon off;${user}`,
      ],
      { env: { PATH: `${process.env.PATH}:/usr/sbin` } },
    );
    await until(
      () => `nginx listens on ${port}: ${child.output}`,
      () => canConnect({ port, host: '127.0.0.1' }),
    );
    return { child, port, url: `http://127.0.0.1:${port}/` };
  }
}

/** What a process said last, for whoever has to find out why a test failed. */
function lastWords(child) {
  const lines = child.output.trimEnd().split('\n').slice(-20);
  return `--- ${child.spawnargs.join(' ')}\n${lines.join('\n')}`;
}

export function canConnect(address) {
  return new Promise((answer) => {
    const socket = net.connect(address);
    socket.on('connect', () => {
      socket.destroy();
      answer(true);
    });
    socket.on('error', () => answer(false));
  });
}
