// The chat's protocol (docs/examples/chat/README.md) as cases that any server of it must
// answer alike, and what plays them. Says nothing about which server that is.
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { dial } from './dial.mjs';
import { until } from './stage.mjs';

/** What the cases rely on. */
export const options = { 'limit.rooms_per_session': '3' };

// ---- Coming in: what, query, and 101 or 400 ----

export const arrivals = [
  ['no query', '', 400],
  ['another parameter only', 'nick=ann', 400],
  ['an empty name', 'name=', 400],
  ['a name of blanks', 'name=+++', 400],
  ['a blank in front', 'name=%20ann', 400],
  ['a blank behind', 'name=ann+', 400],
  ['a blank within', 'name=ann+lee', 101],
  ['another kind of blank behind', 'name=ann%C2%A0', 101],
  ['32 characters', `name=${'n'.repeat(32)}`, 101],
  ['33 characters', `name=${'n'.repeat(33)}`, 400],
  ['32 characters of four bytes', `name=${'%F0%9F%98%80'.repeat(32)}`, 101],
  ['33 characters of four bytes', `name=${'%F0%9F%98%80'.repeat(33)}`, 400],
  ['a control character', 'name=a%07b', 400],
  ['a line end', 'name=ann%0A', 400],
  ['a NUL within', 'name=a%00b', 400],
  ['a NUL behind', 'name=ann%00', 400],
  ['DEL', 'name=a%7Fb', 400],
  ['a control character of two bytes', 'name=a%C2%85b', 400],
  ['a byte that is not UTF-8', 'name=%FF', 400],
  ['a byte that is not UTF-8 before a good name', 'name=%FF&name=ann', 400],
  ['a NUL before a good name', 'name=%00&name=ann', 400],
  ['a percent sign that means nothing before a good name', 'name=%&name=ann', 400],
  ['half a character', 'name=%C3', 400],
  ['an overlong character', 'name=%C0%80', 400],
  ['half a surrogate pair', 'name=%ED%A0%80', 400],
  ['beyond the last character', 'name=%F4%90%80%80', 400],
  ['a plus sign', 'name=1%2B1', 101],
  ['a percent sign', 'name=100%25', 101],
  ['a percent sign that means nothing', 'name=100%', 400],
  ['a percent sign before no digits', 'name=%zz', 400],
  ['an equals sign', 'name=a=b', 101],
  ['a quote and a backslash', 'name=%22%5C', 101],
  ['two names', 'name=ann&name=bob', 101],
  ['an empty name before a good one', 'name=&name=ann', 400],
  ['a name whose key is encoded', '%6eame=ann', 101],
  ['a name without an equals sign', 'name', 400],
  ['other parameters too', 'x=1&name=ann&&y', 101],
  ['a name in capitals', 'NAME=ann', 400],
];

// ---- Once inside: what, then steps: who says what, and what ann and bob hear of it ----

const say = (more) => ({ type: 'say', ...more });
const lists = (depth) => '['.repeat(depth) + ']'.repeat(depth);
const nested = (depth) => `{"type":"say","all":true,"text":"x","x":${lists(depth)}}`;
const ROOMS = ['room 0', 'room 1', 'room 2'];
const AE64 = 'ä'.repeat(64);
const LEAVES = Symbol('closes the connection');
const TO_ALL = { ann: ['message all ann'], bob: ['message all ann'] };
const BAD_JSON = { ann: ['error bad_json'] };
const BAD_REQUEST = { ann: ['error bad_request'] };

/** A case of one message, by ann. */
const one = (what, input, hears) => [what, ['ann', input, hears]];

export const talks = [
  one('an empty frame', '', BAD_JSON),
  one('blanks', '  ', BAD_JSON),
  one('half a JSON text', '{', BAD_JSON),
  one('a list', '[1]', BAD_JSON),
  one('a text', '"say"', BAD_JSON),
  one('a number', '7', BAD_JSON),
  one('null', 'null', BAD_JSON),
  one('a binary frame', Buffer.from('{"type":"say","all":true,"text":"x"}'), BAD_JSON),
  one('something behind', '{"type":"say","all":true,"text":"x"}x', BAD_JSON),
  one('two objects', '{}{}', BAD_JSON),
  one('blanks around', ' \t\r\n{"type":"say","all":true,"text":"x"} \n', TO_ALL),
  one('a byte order mark', '\ufeff{"type":"say","all":true,"text":"x"}', BAD_JSON),
  one('a NUL behind', '{"type":"say","all":true,"text":"x"}\0', BAD_JSON),
  one('single quotes', "{'type':'say'}", BAD_JSON),
  one('a comma too many', '{"type":"dance",}', BAD_JSON),
  one('a comment', '{"type":"dance"}/**/', BAD_JSON),
  one('a key twice', '{"type":"say","type":"join"}', BAD_JSON),
  one('a key twice, deep inside', '{"type":"dance","x":[{"a":1,"a":2}]}', BAD_JSON),
  one('a key twice, spelt in two ways', '{"type":"dance","a":1,"\\u0061":1}', BAD_JSON),
  one('lists in lists, 100', nested(100), TO_ALL),
  one('lists in lists, too many', nested(20_000), BAD_JSON),
  one('lists without an end', '['.repeat(20_000), BAD_JSON),
  one('objects without an end', '{"a":'.repeat(10_000), BAD_JSON),
  one('a huge real number', '{"type":"dance","x":1e999}', BAD_JSON),
  one('a huge negative number', '{"type":"dance","x":-1e999}', BAD_JSON),
  one('a tiny number', '{"type":"dance","x":1e-999}', BAD_REQUEST),
  one('the largest whole number', '{"type":"dance","x":9223372036854775807}', BAD_REQUEST),
  one('a larger whole number', '{"type":"dance","x":9223372036854775808}', BAD_JSON),
  one('the least whole number', '{"type":"dance","x":-9223372036854775808}', BAD_REQUEST),
  one('a lesser whole number', '{"type":"dance","x":-9223372036854775809}', BAD_JSON),
  one('a number of 5000 digits', `{"type":"dance","x":${'1'.repeat(5000)}}`, BAD_JSON),
  one('a number with a nought in front', '{"type":"dance","x":01}', BAD_JSON),
  one('a number without digits behind its point', '{"type":"dance","x":1.}', BAD_JSON),
  one('a number with a plus', '{"type":"dance","x":+1}', BAD_JSON),
  one('minus nought', '{"type":"dance","x":-0}', BAD_REQUEST),
  one('digits of another script', '{"type":"dance","x":١}', BAD_JSON),
  one('NaN', '{"type":"dance","x":NaN}', BAD_JSON),
  one('Infinity', '{"type":"dance","x":Infinity}', BAD_JSON),
  one('minus Infinity', '{"type":"dance","x":-Infinity}', BAD_JSON),
  one('True as Python writes it', '{"type":"dance","x":True}', BAD_JSON),
  one('a tab in a text', '{"type":"say","all":true,"text":"a\tb"}', BAD_JSON),
  one('a line end in a text', '{"type":"say","all":true,"text":"a\nb"}', BAD_JSON),
  one('DEL in a text', '{"type":"say","all":true,"text":"a\x7fb"}', TO_ALL),
  one('an escape that is none', '{"type":"dance","x":"\\x41"}', BAD_JSON),
  one('an escape too short', '{"type":"dance","x":"\\u12"}', BAD_JSON),
  one('an escaped NUL', '{"type":"say","all":true,"text":"a\\u0000b"}', BAD_JSON),
  one('an escaped NUL after a backslash', '{"type":"dance","x":"\\\\\\u0000"}', BAD_JSON),
  one(
    'what only looks like an escaped NUL',
    '{"type":"say","all":true,"text":"\\\\u0000"}',
    TO_ALL,
  ),
  one('an escaped NUL in a key', '{"type":"dance","\\u0000":1}', BAD_JSON),
  one('an escaped NUL, deep inside', '{"type":"dance","x":[{"y":"\\u0000"}]}', BAD_JSON),
  one(
    'an escaped pair of surrogates',
    '{"type":"say","all":true,"text":"\\ud83d\\ude00"}',
    TO_ALL,
  ),
  one('the first half of a pair', '{"type":"say","all":true,"text":"\\ud83d"}', BAD_JSON),
  one('the second half of a pair', '{"type":"say","all":true,"text":"\\ude00"}', BAD_JSON),
  one(
    'a pair the wrong way round',
    '{"type":"say","all":true,"text":"\\ude00\\ud83d"}',
    BAD_JSON,
  ),
  one('half a pair in a key', '{"type":"dance","\\ud83d":1}', BAD_JSON),
  one('half a pair, deep inside', '{"type":"dance","x":[["\\ud83d"]]}', BAD_JSON),
  one(
    'all that JSON escapes',
    say({ all: true, text: '"\\/\b\f\n\r\t\u0001\u2028' }),
    TO_ALL,
  ),
  one('an empty key', '{"type":"say","all":true,"text":"x","":1}', TO_ALL),

  one('no type', {}, BAD_REQUEST),
  one('a type that is an object', { type: {} }, BAD_REQUEST),
  one('a type that is a list', { type: ['say'] }, BAD_REQUEST),
  one('a type that is null', { type: null }, BAD_REQUEST),
  one('a type that is empty', { type: '' }, BAD_REQUEST),
  one('an unknown type', { type: 'dance', id: 'x' }, BAD_REQUEST),
  one('a type in capitals', { type: 'Say', all: true, text: 'x' }, BAD_REQUEST),
  one('a type of the server', { type: 'welcome' }, BAD_REQUEST),
  one('the type before the fields', { type: 'dance', room: 7, text: '' }, BAD_REQUEST),

  one('join no room', { type: 'join' }, BAD_REQUEST),
  one('join a number', { type: 'join', room: 7 }, BAD_REQUEST),
  one('join null', { type: 'join', room: null }, BAD_REQUEST),
  one('join an empty name', { type: 'join', room: '' }, BAD_REQUEST),
  one('join a blank behind', { type: 'join', room: 'a ' }, BAD_REQUEST),
  one('join a blank in front', { type: 'join', room: ' a' }, BAD_REQUEST),
  one('join a control character', { type: 'join', room: 'a\nb' }, BAD_REQUEST),
  one('join 65 characters', { type: 'join', room: 'r'.repeat(65) }, BAD_REQUEST),
  one('join 256 bytes in 64 characters', { type: 'join', room: '😀'.repeat(64) }, BAD_REQUEST),
  one(
    'join a name of 64 letters',
    { type: 'join', room: AE64 },
    { ann: [`joined ${AE64}`, `people ${AE64}`] },
  ),
  one('the id of a join is ignored', { type: 'join', room: '', id: 'x' }, BAD_REQUEST),
  one('leave no room', { type: 'leave' }, BAD_REQUEST),
  one('leave a list', { type: 'leave', room: ['a'] }, BAD_REQUEST),
  one('leave 65 characters', { type: 'leave', room: 'r'.repeat(65) }, BAD_REQUEST),
  one('leave a room that one is not in', { type: 'leave', room: 'nowhere' }, {}),

  one('say nothing at all', say({}), BAD_REQUEST),
  one('say without a text', say({ all: true }), BAD_REQUEST),
  one('say a number', say({ all: true, text: 7 }), BAD_REQUEST),
  one('say null', say({ all: true, text: null }), BAD_REQUEST),
  one('say an empty text', say({ all: true, text: '', id: 'i' }), BAD_REQUEST),
  one('say a blank', say({ all: true, text: ' ' }), TO_ALL),
  one('say 8192 bytes', say({ all: true, text: 'x'.repeat(8192) }), TO_ALL),
  one('say 8193 bytes', say({ all: true, text: 'x'.repeat(8193), id: 'i' }), BAD_REQUEST),
  one('say 8192 bytes in 4096 letters', say({ all: true, text: 'ä'.repeat(4096) }), TO_ALL),
  one(
    'say 8194 bytes in 4097 letters',
    say({ all: true, text: 'ä'.repeat(4097) }),
    BAD_REQUEST,
  ),
  one('say it to nobody', say({ text: 'x', id: 'i' }), BAD_REQUEST),
  one('say it to a room and all', say({ text: 'x', room: 'a', all: true }), BAD_REQUEST),
  one(
    'say it to a room and a person',
    say({ text: 'x', room: 'a', user: 'bob' }),
    BAD_REQUEST,
  ),
  one('say it to a person and all', say({ text: 'x', user: 'bob', all: true }), BAD_REQUEST),
  one('say it to not all', say({ text: 'x', all: false }), BAD_REQUEST),
  one('say it to 1', say({ text: 'x', all: 1 }), BAD_REQUEST),
  one('say it to "true"', say({ text: 'x', all: 'true' }), BAD_REQUEST),
  one('a room that is no text is no room', say({ text: 'x', room: 7, all: true }), TO_ALL),
  one(
    'not all, but a person',
    say({ text: 'x', user: 'bob', all: false }),
    { ann: ['message bob ann'], bob: ['message bob ann'] },
  ),
  one('an empty room is a room', say({ text: 'x', room: '', all: true }), BAD_REQUEST),
  one('say it to a room without a name', say({ text: 'x', room: '', id: 'i' }), BAD_REQUEST),
  one(
    'say it to a room with a long name',
    say({ text: 'x', room: 'r'.repeat(65) }),
    BAD_REQUEST,
  ),
  one(
    'say it to a person with a long name',
    say({ text: 'x', user: 'n'.repeat(33) }),
    BAD_REQUEST,
  ),
  one(
    'say it to a person with a blank behind',
    say({ text: 'x', user: 'bob ' }),
    BAD_REQUEST,
  ),
  one('a number as id', say({ text: 'x', all: true, id: 1 }), BAD_REQUEST),
  one('null as id', say({ text: 'x', all: true, id: null }), BAD_REQUEST),
  one('an empty id comes back', say({ text: 'x', all: true, id: '' }), TO_ALL),
  one('an id of 64 bytes', say({ text: 'x', all: true, id: 'i'.repeat(64) }), TO_ALL),
  one('an id of 65 bytes', say({ text: 'x', all: true, id: 'i'.repeat(65) }), BAD_REQUEST),
  one(
    'an id of 66 bytes in 33 letters',
    say({ text: 'x', all: true, id: 'ä'.repeat(33) }),
    BAD_REQUEST,
  ),
  one(
    'the text is looked at before the id',
    say({ text: '', all: true, id: 1 }),
    BAD_REQUEST,
  ),
  one('the id is looked at before the address', say({ text: 'x', id: 1 }), BAD_REQUEST),
  one(
    'unknown keys are not passed on',
    say({ text: 'x', all: true, from: 'eve', time: 0, more: [1] }),
    TO_ALL,
  ),

  one(
    'to somebody who is not there',
    say({ user: 'nobody', text: 'x', id: '1' }),
    { ann: ['message nobody ann'] },
  ),
  one(
    'to oneself, once',
    say({ user: 'ann', text: 'x', id: '1' }),
    { ann: ['message ann ann'] },
  ),
  one(
    'to one person',
    say({ user: 'bob', text: 'x' }),
    { ann: ['message bob ann'], bob: ['message bob ann'] },
  ),
  one('to everyone', say({ all: true, text: 'ünïcödé 😀' }), TO_ALL),
  one('to a room that one is not in', say({ room: 'empty', text: 'x' }), {}),
  [
    'a room, from coming in to going out',
    ['ann', { type: 'join', room: 'den' }, { ann: ['joined den', 'people den'] }],
    [
      'bob',
      { type: 'join', room: 'den' },
      { bob: ['joined den', 'people den'], ann: ['join den bob'] },
    ],
    [
      'ann',
      say({ room: 'den', text: 'x', id: '1' }),
      { ann: ['message den ann'], bob: ['message den ann'] },
    ],
    ['bob', { type: 'leave', room: 'den' }, { bob: ['left den'], ann: ['leave den bob'] }],
    ['bob', say({ room: 'den', text: 'from outside' }), { ann: ['message den bob'] }],
    ['bob', { type: 'leave', room: 'den' }, {}],
    [
      'bob',
      { type: 'join', room: 'den' },
      { bob: ['joined den', 'people den'], ann: ['join den bob'] },
    ],
    ['bob', LEAVES, { bob: ['closed 1000'], ann: ['leave den bob'] }],
  ],
  [
    'joining twice is answered twice and heard of once, and leaving once is enough',
    ['bob', { type: 'join', room: 'twice' }, { bob: ['joined twice', 'people twice'] }],
    [
      'ann',
      { type: 'join', room: 'twice' },
      { ann: ['joined twice', 'people twice'], bob: ['join twice ann'] },
    ],
    ['ann', { type: 'join', room: 'twice' }, { ann: ['joined twice', 'people twice'] }],
    [
      'bob',
      { type: 'leave', room: 'twice' },
      { bob: ['left twice'], ann: ['leave twice bob'] },
    ],
    ['ann', { type: 'leave', room: 'twice' }, { ann: ['left twice'] }],
    ['ann', say({ room: 'twice', text: 'x' }), {}],
  ],
  [
    'one room more than the limit',
    ...ROOMS.map((room) => [
      'ann',
      { type: 'join', room },
      { ann: [`joined ${room}`, `people ${room}`] },
    ]),
    ['ann', { type: 'join', room: 'one more' }, { ann: ['error limit one more'] }],
    ['ann', { type: 'join', room: 'room 0' }, { ann: ['joined room 0', 'people room 0'] }],
    ['ann', { type: 'leave', room: 'room 1' }, { ann: ['left room 1'] }],
    [
      'ann',
      { type: 'join', room: 'one more' },
      { ann: ['joined one more', 'people one more'] },
    ],
  ],
  one('a message of 64 KiB', 'x'.repeat(64 * 1024), BAD_JSON),
  one('a message of more than 64 KiB', 'x'.repeat(64 * 1024 + 1), { ann: ['closed 1009'] }),
  one(
    'a text frame that is not UTF-8',
    { raw: Buffer.from([0xff]) },
    { ann: ['closed 1007'] },
  ),
];

// ---- Playing them ----

/** An answer without what differs from server to server and from time to time. */
function masked({ node, session, time, people, ...rest }) {
  return {
    ...rest,
    ...(people !== undefined && { people: people.map(masked) }),
    ...(node !== undefined && { node: typeof node }),
    ...(session !== undefined && { session: /^[0-9a-f]{32}$/.test(session) }),
    ...(time !== undefined && { time: Math.abs(Date.now() - time) < 600_000 }),
  };
}

/** The status, and the refusal or the welcome, of one who comes in. */
export function arrive(url, query) {
  return new Promise((done, failed) => {
    const socket = new WebSocket(`${url}?${query}`);
    const answer = (what) => {
      done(what);
      socket.terminate();
    };
    socket.on('unexpected-response', async (request, response) => {
      const body = Buffer.concat(await response.toArray()).toString();
      answer({ status: response.statusCode, type: response.headers['content-type'], body });
    });
    socket.on('message', (data) =>
      answer({ status: 101, welcome: masked(JSON.parse(data)) }),
    );
    socket.on('error', failed);
  });
}

/** An answer in the words of the table above. */
function brief({ type, code, room, user, all, from }) {
  const words = [type, code, room ?? user ?? (all && 'all'), from];
  return words.filter((word) => word !== undefined).join(' ');
}

/** Somebody connected, and what has been heard since the last step. */
class Talker {
  static async enter(url, name) {
    const talker = new Talker();
    talker.name = name;
    talker.socket = await dial(`${url}?name=${name}`);
    await talker.socket.hears('the welcome');
    talker.socket.heard.length = 0;
    talker.socket.closed.then(({ code }) => (talker.end = { type: 'closed', code }));
    return talker;
  }

  heard() {
    const messages = this.socket.heard.map(({ data }) => JSON.parse(data));
    return this.end ? [...messages, this.end] : messages;
  }

  isConnected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  say(input) {
    if (input === LEAVES) {
      this.socket.close(1000);
    } else if (input.raw) {
      this.socket.send(input.raw, { binary: false });
    } else {
      const isAsItIs = typeof input === 'string' || Buffer.isBuffer(input);
      this.socket.send(isAsItIs ? input : JSON.stringify(input));
    }
  }

  async hears(what, isIt) {
    const words = () => `${this.name} hears ${what}: ${JSON.stringify(this.heard())}`;
    await until(words, () => isIt(this.heard()));
  }
}

/**
 * Plays one case against the server there; fails if somebody hears what is not expected.
 * @returns {Promise<object[]>} everything that was heard, masked
 */
export async function play(url, [, ...steps]) {
  const names = ['ann', 'bob', 'crier'];
  const people = await Promise.all(names.map((name) => Talker.enter(url, name)));
  const [ann, bob, crier] = people;
  const transcript = [];
  for (const [i, [who, input, expected]] of steps.entries()) {
    const speaker = people[names.indexOf(who)];
    speaker.say(input);
    for (const person of [ann, bob].filter(({ name }) => name in expected)) {
      const count = expected[person.name].length;
      await person.hears(`${count} answers`, (answers) => answers.length >= count);
    }
    // That nothing else comes is known by what comes after it: an answer to the same
    // speaker, then a message to all.
    const [last, cry] = [`last ${i}`, `cry ${i}`];
    if (speaker.isConnected()) {
      speaker.say(say({ user: 'crier', text: 'x', id: last }));
      await crier.hears(last, (answers) => answers.some(({ id }) => id === last));
    }
    crier.say(say({ all: true, text: 'x', id: cry }));
    for (const person of [ann, bob].filter((one) => one.isConnected() || one.end)) {
      await person.hears(cry, (heard) => person.end || heard.some(({ id }) => id === cry));
      const answers = person.heard().filter(({ id }) => id !== last && id !== cry);
      const wanted = expected[person.name] ?? [];
      assert.deepEqual(answers.map(brief), wanted, `${person.name} hears`);
      transcript.push({ step: i, name: person.name, answers: answers.map(masked) });
      person.socket.heard.length = 0;
    }
    crier.socket.heard.length = 0;
  }
  people.forEach(({ socket }) => socket.terminate());
  return transcript;
}
