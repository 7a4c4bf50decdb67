// The chat page. Three parts: Connection keeps a WebSocket alive and knows nothing of
// chat; Chat holds the conversations and speaks the protocol of ../README.md; the rest
// draws them. Whatever comes from the network enters the page as text, never as HTML.
'use strict';

const FIRST_DELAY_MS = 500; // longest wait before the first new try; doubles each time
const LONGEST_DELAY_MS = 20_000;
const SILENCE_MS = 8_000; // a connection that leaves us without an answer is dead
const KEPT_MESSAGES = 500; // in each conversation
const KEPT_IDS = 2_000; // to know a message that comes a second time

const $ = (id) => document.getElementById(id);

const keyOf = (kind, name = '') => (kind === 'all' ? 'all' : `${kind}:${name}`);

// ---- Connection ------------------------------------------------------------------------

/** Keeps a WebSocket open: after each loss it tries again, later each time, at random
    moments, so that a thousand pages don't come back in the same instant. */
class Connection {
  constructor(url, { onState, onMessage }) {
    this.url = url;
    this.onState = onState;
    this.onMessage = onMessage;
    this.failures = 0;
    addEventListener('online', () => this.retryNow());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) {
        this.retryNow();
      }
    });
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.onState('connecting', {});
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (typeof event.data === 'string') {
        this.onMessage(event.data);
      }
    };
    socket.onclose = () => this.lose();
    this.expectAnswer();
  }

  /** The server has answered as itself: the next loss begins with short waits again. */
  confirm() {
    this.failures = 0;
    this.stopExpecting();
    this.onState('connected', {});
  }

  /** Unless something arrives in time, take the connection for dead. The browser alone
      would notice a dead network only after many minutes. */
  expectAnswer() {
    this.watch ??= setTimeout(() => this.lose(), SILENCE_MS);
  }

  stopExpecting() {
    clearTimeout(this.watch);
    this.watch = undefined;
  }

  lose() {
    this.stopExpecting();
    if (!this.socket) {
      return;
    }
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
    this.socket = undefined;
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures++);
    const delay = longest * (0.5 + Math.random() / 2);
    this.timer = setTimeout(() => this.open(), delay);
    this.onState('lost', { until: Date.now() + delay, failures: this.failures });
  }

  retryNow() {
    if (this.timer !== undefined) {
      this.open();
    }
  }

  send(request) {
    if (this.socket?.readyState !== WebSocket.OPEN) {
      return false;
    }
    this.socket.send(JSON.stringify(request));
    return true;
  }
}

// ---- Chat ------------------------------------------------------------------------------

/** The conversations and what is said in them. `changed` is called with what to redraw. */
class Chat {
  constructor(name, rooms, changed) {
    this.name = name;
    this.changed = changed;
    this.node = '';
    this.session = '';
    this.state = 'connecting';
    this.conversations = new Map(); // by key, in the order of the list
    this.waiting = new Map(); // by id: said, but not yet heard back
    this.seenIds = new Set();
    this.people = new Set(); // names that were heard of, to choose from
    this.add('all', '');
    rooms.forEach((room) => this.add('room', room));
    this.current = this.conversations.get(keyOf(rooms.length ? 'room' : 'all', rooms[0]));
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.connection = new Connection(
      `${scheme}//${location.host}/ws?name=${encodeURIComponent(name)}`,
      {
        onState: (state, details) => this.changeState(state, details),
        onMessage: (text) => this.receive(text),
      },
    );
  }

  rooms() {
    return [...this.conversations.values()].filter((c) => c.kind === 'room').map((c) => c.name);
  }

  // -- conversations --

  add(kind, name) {
    const key = keyOf(kind, name);
    let conversation = this.conversations.get(key);
    if (!conversation) {
      conversation = { key, kind, name, entries: [], unread: 0, present: new Map() };
      this.conversations.set(key, conversation);
    }
    return conversation;
  }

  open(kind, name) {
    const isNew = !this.conversations.has(keyOf(kind, name));
    const conversation = this.add(kind, name);
    if (isNew && kind === 'room' && this.state === 'connected') {
      this.connection.send({ type: 'join', room: name });
    }
    this.show(conversation);
  }

  show(conversation) {
    this.current = conversation;
    conversation.unread = 0;
    this.changed('list', 'talk');
  }

  close(conversation) {
    if (conversation.kind === 'room') {
      this.connection.send({ type: 'leave', room: conversation.name });
    }
    this.conversations.delete(conversation.key);
    this.show(this.conversations.get('all'));
  }

  step(by) {
    const all = [...this.conversations.values()];
    this.show(all[(all.indexOf(this.current) + by + all.length) % all.length]);
  }

  // -- speaking --

  say(text) {
    const { kind, name } = this.current;
    const address = kind === 'all' ? { all: true } : { [kind]: name };
    const id = [...crypto.getRandomValues(new Uint8Array(12))]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('');
    const entry = { what: 'message', mine: true, from: this.name, text, id, state: 'waiting' };
    this.waiting.set(id, { request: { type: 'say', ...address, id, text }, entry });
    this.append(this.current, entry);
    this.sendWaiting(id);
  }

  /** Everything that was not heard back goes out again after a loss. If it had arrived
      after all, its id tells the others that they have it. */
  sendWaiting(id) {
    if (this.state === 'connected' && this.connection.send(this.waiting.get(id).request)) {
      this.connection.expectAnswer();
    }
  }

  // -- hearing --

  changeState(state, details) {
    const before = this.state;
    this.state = state;
    this.details = details;
    if (state === 'lost' && before === 'connected') {
      this.notice(this.current, { text: `The connection to ${this.node} is lost.` });
      this.wasLost = true;
    }
    this.changed('status');
  }

  receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const hear = {
      welcome: () => this.hearWelcome(message),
      message: () => this.hearMessage(message),
      joined: () => this.hearJoined(message),
      people: () => this.hearPeople(message),
      join: () => this.hearNotice(message, 'came in'),
      leave: () => this.hearNotice(message, 'went'),
      error: () => this.hearError(message),
    }[message?.type];
    hear?.();
    if (this.state === 'connected') {
      this.connection.stopExpecting();
      if (this.waiting.size > 0) {
        this.connection.expectAnswer();
      }
    }
  }

  hearWelcome({ node, session }) {
    this.node = node;
    this.session = session;
    this.connection.confirm();
    if (this.wasLost) {
      this.notice(this.current, { text: 'Connected again.', node });
      this.wasLost = false;
    }
    this.rooms().forEach((room) => this.connection.send({ type: 'join', room }));
    [...this.waiting.keys()].forEach((id) => this.sendWaiting(id));
  }

  hearMessage({ room, user, all, from, node, text, id, time }) {
    const mine = id !== undefined && this.waiting.get(id);
    if (id !== undefined) {
      if (this.seenIds.has(id)) {
        return;
      }
      this.seenIds.add(id);
      if (this.seenIds.size > KEPT_IDS) {
        this.seenIds.delete(this.seenIds.values().next().value);
      }
    }
    if (mine) {
      this.waiting.delete(id);
      Object.assign(mine.entry, { node, time, state: 'sent' });
      this.changed('talk');
      return;
    }
    this.people.add(from);
    const other = from === this.name ? user : from;
    const conversation = all
      ? this.add('all', '')
      : room !== undefined
        ? this.conversations.get(keyOf('room', room))
        : this.add('user', other);
    if (conversation) {
      const entry = { what: 'message', mine: from === this.name, from, node, text, time };
      this.append(conversation, entry, true);
    }
  }

  hearJoined({ room }) {
    const conversation = this.conversations.get(keyOf('room', room));
    if (conversation) {
      conversation.present.clear();
      conversation.gone = new Set(); // before we hear who is there
      this.notice(conversation, { text: 'You are in this room.', node: this.node });
      this.changed('people');
    }
  }

  hearPeople({ room, people, total }) {
    const conversation = this.conversations.get(keyOf('room', room));
    if (!conversation || !Array.isArray(people)) {
      return;
    }
    for (const { session, from, node } of people) {
      if (!conversation.gone?.has(session)) {
        this.people.add(from);
        conversation.present.set(session, { from, node });
      }
    }
    conversation.gone = undefined;
    conversation.unseen = Math.max(0, total - people.length);
    this.changed('people');
  }

  hearNotice({ room, from, node, session }, did) {
    const conversation = this.conversations.get(keyOf('room', room));
    if (!conversation) {
      return;
    }
    if (did === 'went') {
      conversation.present.delete(session);
      conversation.gone?.add(session);
    } else {
      this.people.add(from);
      conversation.present.set(session, { from, node });
      conversation.gone?.delete(session);
    }
    this.notice(conversation, { from, text: did, node });
    this.changed('people');
  }

  hearError({ id, room, text }) {
    const mine = id !== undefined && this.waiting.get(id);
    if (mine) {
      this.waiting.delete(id);
      Object.assign(mine.entry, { state: 'failed', why: text });
      this.changed('talk');
    } else {
      const about =
        room === undefined ? this.current : this.conversations.get(keyOf('room', room));
      this.notice(about ?? this.current, { text: `The server says: ${text}` });
    }
  }

  notice(conversation, { from, text, node }) {
    this.append(conversation, { what: 'notice', from, text, node });
  }

  append(conversation, entry, counts = false) {
    conversation.entries.push(entry);
    if (conversation.entries.length > KEPT_MESSAGES) {
      conversation.entries.shift();
    }
    if (counts && (conversation !== this.current || document.hidden)) {
      conversation.unread++;
    }
    this.changed('list', 'talk');
  }
}

// ---- Drawing ---------------------------------------------------------------------------

let chat;
const drawn = new Map(); // entry -> its element and look; only of the one on show
let drawnOf;
const draft = new Map(); // by key: what is typed and not yet sent

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

const hues = [172, 262, 28, 210, 330, 140, 0, 290]; // told apart at a glance

function hue(text) {
  let sum = 0;
  for (const character of text) {
    sum = (sum * 31 + character.codePointAt(0)) % 1_000_003;
  }
  return hues[sum % hues.length];
}

function nodeBadge(name) {
  const badge = element('span', 'node', name);
  badge.style.setProperty('--hue', hue(name));
  badge.title = `served by ${name}`;
  return badge;
}

function person(name) {
  const bdi = element('bdi', '', name);
  if (name === chat.name) {
    return element('span', 'from', bdi);
  }
  const button = element('button', 'from', bdi);
  button.type = 'button';
  button.title = `Write to ${name} alone`;
  button.onclick = () => {
    chat.open('user', name);
    $('text').focus();
  };
  return button;
}

function drawEntry(entry) {
  if (entry.what === 'notice') {
    const li = element('li', 'notice');
    if (entry.from) {
      li.append(element('bdi', '', entry.from), ' ');
    }
    li.append(entry.text);
    if (entry.node) {
      li.append(' ', nodeBadge(entry.node));
    }
    return li;
  }
  const li = element('li', entry.mine ? 'message mine' : 'message');
  li.dataset.from = entry.from;
  li.dataset.node = entry.node ?? '';
  li.dataset.state = entry.state ?? 'sent';
  const face = element('span', 'face', [...entry.from][0] ?? '?');
  face.ariaHidden = 'true';
  face.style.setProperty('--hue', hue(entry.from));
  const meta = element('div', 'meta', person(entry.from));
  if (entry.node) {
    meta.append(nodeBadge(entry.node));
  }
  if (entry.time) {
    const when = new Date(entry.time);
    const time = element('time', '', when.toLocaleTimeString([], { timeStyle: 'short' }));
    time.dateTime = when.toISOString();
    meta.append(time);
  }
  if (entry.state === 'waiting') {
    meta.append(
      element(
        'span',
        'state',
        chat.state === 'connected' ? 'on its way' : 'waits for the connection',
      ),
    );
  } else if (entry.state === 'failed') {
    meta.append(element('span', 'state', `not sent: ${entry.why}`));
  }
  li.append(face, meta, element('div', 'body', entry.text));
  return li;
}

/** Who is in the room that is on show, and on which node. */
function drawPeople() {
  const { kind, present, unseen } = chat.current;
  $('present').hidden = kind !== 'room' || !present.size;
  $('present').replaceChildren(
    ...[...present].map(([session, { from, node }]) => {
      const li = element('li', 'someone', person(from), nodeBadge(node));
      li.dataset.session = session;
      li.dataset.name = from;
      li.dataset.node = node;
      return li;
    }),
  );
  if (unseen) {
    $('present').append(element('li', 'quiet', `and ${unseen} more`));
  }
}

const headings = {
  all: () => ['Everyone', 'heard on every node, in every room'],
  room: (name) => [`# ${name}`, 'whoever is in this room, on whichever node'],
  user: (name) => [`@ ${name}`, 'only the two of you'],
};

function drawHead({ kind, name }) {
  const [title, about] = headings[kind](name);
  $('title').textContent = title;
  $('about').textContent = about;
  $('leave').hidden = kind === 'all';
  $('leave').textContent = kind === 'room' ? 'Leave' : 'Close';
  $('text').placeholder =
    `Message ${kind === 'all' ? 'everyone' : kind === 'room' ? `#${name}` : name}`;
}

/** Only what has changed is touched, so that a screen reader hears new messages only. */
function drawTalk() {
  const { current } = chat;
  const scroll = $('scroll');
  const list = $('messages');
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  if (drawnOf !== current.key) {
    scroll.ariaLive = 'off'; // what was said before is not news
    list.replaceChildren();
    drawn.clear();
    drawHead(current);
    drawPeople();
  }
  for (const [entry, { li }] of drawn) {
    if (!current.entries.includes(entry)) {
      li.remove();
      drawn.delete(entry);
    }
  }
  for (const entry of current.entries) {
    const look = entry.state === 'waiting' ? `waiting ${chat.state}` : entry.state;
    const before = drawn.get(entry);
    if (!before || before.look !== look) {
      const li = drawEntry(entry);
      before ? before.li.replaceWith(li) : list.append(li);
      drawn.set(entry, { li, look });
    }
  }
  list.querySelector('.empty')?.remove();
  if (!current.entries.length) {
    list.append(element('li', 'empty', 'Nothing was said here yet.'));
  }
  if (atEnd || drawnOf !== current.key) {
    scroll.scrollTop = scroll.scrollHeight;
  }
  drawnOf = current.key;
  requestAnimationFrame(() => (scroll.ariaLive = 'polite'));
}

const signs = { all: '∗', room: '#', user: '@' };

function drawList() {
  const focused = document.activeElement?.dataset?.key;
  $('conversations').replaceChildren(
    ...[...chat.conversations.values()].map((conversation) => {
      const { key, kind, name, unread } = conversation;
      const sign = element('span', 'sign', signs[kind]);
      sign.ariaHidden = 'true';
      const button = element(
        'button',
        '',
        sign,
        element('bdi', 'label', kind === 'all' ? 'Everyone' : name),
      );
      button.type = 'button';
      button.dataset.key = key;
      if (unread) {
        const badge = element('span', 'unread', String(unread));
        badge.append(element('span', 'visually-hidden', ' unread'));
        button.append(badge);
      }
      if (conversation === chat.current) {
        button.setAttribute('aria-current', 'true');
      }
      button.onclick = () => chat.show(conversation);
      return element('li', '', button);
    }),
  );
  if (focused) {
    document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }
  const unread = [...chat.conversations.values()].reduce((sum, c) => sum + c.unread, 0);
  document.title = unread ? `(${unread}) fanwire chat` : 'fanwire chat';
  sessionStorage.setItem('chat', JSON.stringify({ name: chat.name, rooms: chat.rooms() }));
}

let countdown;

function drawStatus() {
  const { state, node, details } = chat;
  const words = { connecting: 'Connecting', connected: 'Connected to', lost: 'Not connected' };
  $('status').dataset.state = state;
  $('status').dataset.node = state === 'connected' ? node : '';
  $('status-text').textContent = words[state];
  $('node').hidden = state !== 'connected';
  $('node').textContent = node;
  $('node').style.setProperty('--hue', hue(node));
  clearInterval(countdown);
  if (state === 'connected') {
    $('lost').hidden = true;
    $('lost-text').textContent = '';
  } else if (state === 'lost') {
    $('lost').hidden = false;
    $('lost-text').textContent =
      'No connection. What you write is kept and sent when it is back.';
    const count = () => {
      const seconds = Math.ceil((details.until - Date.now()) / 1000);
      $('lost-count').textContent =
        seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again.';
    };
    count();
    countdown = setInterval(count, 250);
  } else {
    $('lost-count').textContent = 'Trying again.';
  }
  drawTalk();
}

// Many messages in one turn are drawn once.
const stale = new Set();

function changed(...what) {
  if (stale.size === 0) {
    setTimeout(() => {
      const todo = new Set(stale);
      stale.clear();
      todo.has('list') && drawList();
      todo.has('people') && drawPeople();
      todo.has('status') ? drawStatus() : todo.has('talk') && drawTalk();
    });
  }
  what.forEach((part) => stale.add(part));
}

// ---- What the user does ------------------------------------------------------------------

function start(name, rooms) {
  $('signin').hidden = true;
  $('app').hidden = false;
  $('me').textContent = name;
  chat = new Chat(name, rooms, changed);
  changed('list', 'status', 'talk');
  $('text').focus();
}

/** The server's own rule: refused names would be asked for again and again. */
function nameFault(name) {
  if (!name) {
    return 'A name has at least one character that can be seen.';
  }
  if ([...name].length > 32) {
    return 'At most 32 characters, please.';
  }
  return /\p{Cc}/u.test(name) ? 'A name has no control characters.' : '';
}

function enter(name, rooms) {
  const fault = nameFault(name);
  if (!fault) {
    start(name, rooms);
    return;
  }
  $('name').value = name;
  $('name').setCustomValidity(fault);
  $('name').reportValidity();
}

$('signin-form').onsubmit = (event) => {
  event.preventDefault();
  const room = $('first-room').value.trim();
  enter($('name').value.trim(), room ? [room] : []);
};
$('name').oninput = () => $('name').setCustomValidity('');

$('composer').onsubmit = (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (text) {
    chat.say(text);
    $('scroll').scrollTop = $('scroll').scrollHeight;
  }
  $('text').value = '';
  $('text').focus();
};

$('text').onkeydown = (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('composer').requestSubmit();
  }
};

$('retry').onclick = () => chat.connection.retryNow();
$('leave').onclick = () => {
  chat.close(chat.current);
  $('text').focus();
};

$('new').onclick = () => {
  $('target').value = '';
  $('people').replaceChildren(...[...chat.people].map((name) => new Option(name)));
  $('dialog').showModal();
  $('target').focus();
};
$('cancel').onclick = () => $('dialog').close();
$('dialog-form').onchange = () => {
  const user = $('dialog-form').elements.kind.value === 'user';
  $('target-label').textContent = user ? 'Nickname' : 'Name of the room';
  $('target').maxLength = user ? 32 : 64;
};
$('dialog-form').onsubmit = () => {
  const name = $('target').value.trim();
  if (name) {
    chat.open($('dialog-form').elements.kind.value, name);
  }
  setTimeout(() => $('text').focus());
};

document.addEventListener('keydown', (event) => {
  if (chat && event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
    event.preventDefault();
    chat.step(event.key === 'ArrowUp' ? -1 : 1);
  }
});
document.addEventListener('visibilitychange', () => {
  if (chat && !document.hidden && chat.current.unread) {
    chat.show(chat.current);
  }
});

document.querySelectorAll('[data-logo]').forEach((place) => {
  place.append($('logo').content.cloneNode(true));
});

// A reload stays who it was; ?name=ann&room=lobby goes straight in.
(() => {
  const query = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem('chat') ?? 'null');
  if (query.get('name')) {
    const rooms = query.getAll('room');
    enter(query.get('name').trim(), rooms.length ? rooms : ['lobby']);
  } else if (kept) {
    start(kept.name, kept.rooms);
  }
})();
