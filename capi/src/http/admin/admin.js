// The admin page: it asks this node's API, by /admin/api, with the cookie that a login
// gives. What comes from the API is put into the page as text, never as HTML.
'use strict';

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 3000;
let timer = 0;

class Refused extends Error {}

/** What a method gives; throws Refused, with the API's own words. */
async function api(method, parameters = {}) {
  const response = await fetch(`/admin/api/${method}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: typeof parameters === 'string' ? parameters : JSON.stringify(parameters),
  });
  if (response.status === 401) {
    showLogin();
    throw new Refused('log in first');
  }
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Refused(text);
  }
  if (answer.error) {
    throw new Refused(answer.error.message);
  }
  return answer.result;
}

function trouble(text) {
  $('trouble').textContent = text;
  $('trouble').hidden = text === '';
}

/** Does it; what is refused is shown. */
async function attempt(what) {
  try {
    await what();
    trouble('');
  } catch (error) {
    trouble(error.message);
  }
}

function cell(row, content, kind = '') {
  const td = row.insertCell();
  td.className = kind;
  td.append(content);
}

function fill(id, items, put) {
  const body = $(id);
  body.replaceChildren();
  for (const item of items) {
    put(body.insertRow(), item);
  }
}

function link(text, title, onClick) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'link';
  button.textContent = text;
  button.title = title;
  button.addEventListener('click', () => attempt(onClick));
  return button;
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400);
  const clock = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60]
    .map((n) => String(Math.floor(n)).padStart(2, '0')).join(':');
  return days > 0 ? `${days} d ${clock}` : clock;
}

// --- nodes and rooms ---

async function showNodes() {
  const { nodes } = await api('info');
  nodes.sort((a, b) => a.name.localeCompare(b.name));
  showCharts(nodes);
  fill('nodes', nodes, (row, node) => {
    row.title = node.uid;
    cell(row, node.name);
    cell(row, node.version ?? '');
    cell(row, node.num_clients ?? '?', 'n');
    cell(row, node.num_channels ?? '?', 'n');
    cell(row, node.num_subs ?? '?', 'n');
    cell(row, duration(node.uptime ?? 0), 'n');
  });
}

async function showRooms() {
  const { channels } = await api('channels', { pattern: $('pattern').value });
  const rooms = Object.entries(channels).sort(([a], [b]) => a.localeCompare(b));
  fill('rooms', rooms, (row, [name, room]) => {
    cell(row, link(name, 'Look into this room', async () => {
      $('room').value = name;
      await showRoom();
    }));
    cell(row, room.num_clients, 'n');
  });
}

// --- one room ---

/** Fills a table from what a method gives; what it refuses is a note above it. */
async function part(id, method, parameters, put) {
  try {
    put(await api(method, parameters));
    $(`${id}-note`).textContent = '';
  } catch (error) {
    fill(id, [], () => {});
    $(`${id}-note`).textContent = error.message;
  }
}

/** A session, of a room or of a user: where it is, and how to be rid of it. */
function cells(row, session, after) {
  cell(row, session.client, 'code');
  cell(row, session.node ?? '');
  cell(row, session.conn_info === undefined ? '' : JSON.stringify(session.conn_info), 'code');
  cell(row, link('disconnect', 'Close this session', async () => {
    await api('disconnect', { client: session.client });
    await after();
  }));
}

async function showRoom() {
  const channel = $('room').value;
  if (channel === '') {
    return;
  }
  $('room-title').textContent = `Room ${channel}`;
  await part('members', 'presence', { channel }, ({ presence }) =>
    fill('members', Object.values(presence), (row, member) => {
      cell(row, member.user || '(nobody)');
      cells(row, member, showRoom);
    }));
  await part('history', 'history', { channel, limit: 50, reverse: true },
    ({ publications }) => fill('history', publications, (row, message) => {
      cell(row, message.offset, 'n');
      cell(row, 'b64data' in message ? `${message.b64data} (base64)`
        : JSON.stringify(message.data), 'code');
      cell(row, message.info?.user ?? '');
    }));
}

async function publish() {
  const channel = $('room').value;
  if (channel === '') {
    throw new Refused('name a room first');
  }
  JSON.parse($('data').value); // says in words what is wrong with it
  // The text goes as it is: numbers that JavaScript can't hold stay what they are.
  const result = await api('publish',
    `{"channel":${JSON.stringify(channel)},"data":${$('data').value}}`);
  $('published').textContent = result.offset ? `published as ${result.offset}` : 'published';
  await showRoom();
}

// --- one user ---

let found = ''; // not what is being typed

async function showUser() {
  if (found === '') {
    return;
  }
  $('user-title').textContent = `User ${found}`;
  await part('connections', 'connections', { user: found }, ({ connections }) =>
    fill('connections', Object.values(connections), (row, session) =>
      cells(row, session, showUser)));
}

async function findUser() {
  found = $('user').value;
  $('disconnected').textContent = '';
  await showUser();
}

async function disconnect() {
  const user = $('user').value;
  await api('disconnect', { user });
  $('disconnected').textContent = `${user} is disconnected everywhere`;
  await showUser();
  await showRoom();
}

// --- coming and going ---

function showLogin() {
  clearInterval(timer);
  timer = 0;
  $('all').hidden = $('logout').hidden = true;
  $('login').hidden = false;
  $('password').value = '';
  $('password').focus();
}

async function refresh() {
  await showNodes();
  await showRooms();
  await showRoom();
  await showUser();
}

async function begin() {
  await showNodes();
  trouble(''); // of a login before
  $('login').hidden = true;
  $('all').hidden = $('logout').hidden = false;
  $('here').textContent = location.host;
  await refresh();
  timer ||= setInterval(() => !document.hidden && attempt(refresh), REFRESH_MS);
}

async function login() {
  const response = await fetch('/admin/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ password: $('password').value }),
  });
  if (!response.ok) {
    throw new Refused((await response.json()).error.message);
  }
  await begin();
}

async function logout() {
  await fetch('/admin/logout', { method: 'POST', headers: { 'Content-Type': 'application/json' } });
  showLogin();
}

function on(id, kind, act) {
  $(id).addEventListener(kind, (event) => {
    event.preventDefault();
    attempt(act);
  });
}

on('login', 'submit', login);
on('logout', 'click', logout);
on('find', 'submit', showRooms);
on('open', 'submit', showRoom);
on('publish', 'submit', publish);
on('who', 'submit', findUser);
on('disconnect', 'click', disconnect);
begin().catch((error) => error instanceof Refused || trouble(error.message));
