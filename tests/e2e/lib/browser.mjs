// Chromium, and the chat's page as a person uses it: by its labels, its buttons and its
// keys. A test that can't find a button by its name has found a fault of the page.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { DEADLINE_MS, until } from './stage.mjs';

export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox', // as root it does not start with one
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** One person at a page of the chat. */
export class Person {
  /** Opens the page in a context of its own and signs in by hand. */
  static async enter(browser, url, name, { room = 'lobby', ...context } = {}) {
    const person = new Person();
    person.name = name;
    person.context = await browser.newContext(context);
    person.context.setDefaultTimeout(DEADLINE_MS);
    person.page = await person.context.newPage();
    person.faults = [];
    person.page.on('pageerror', (error) => person.faults.push(error.message));
    await person.page.goto(url);
    await person.page.getByLabel('Your nickname').fill(name);
    await person.page.getByLabel('First room').fill(room);
    await person.page.getByRole('button', { name: 'Enter' }).click();
    await person.isConnected();
    // Who has not come into the room yet does not hear what is said there.
    const arrival = person.page.locator('.notice', { hasText: 'You are in this room.' });
    await arrival.first().waitFor();
    return person;
  }

  async isConnected(timeout = DEADLINE_MS) {
    await this.page.locator('#status[data-state=connected]').waitFor({ timeout });
    return this.node();
  }

  async isLost(timeout = DEADLINE_MS) {
    await this.page.getByText('No connection.').waitFor({ timeout });
  }

  node() {
    return this.page.locator('#status').getAttribute('data-node');
  }

  async show(conversation) {
    await this.page
      .getByRole('navigation', { name: 'Conversations' })
      .getByRole('button', { name: conversation, exact: false })
      .first()
      .click();
  }

  async openNew(kind, name) {
    await this.page.getByRole('button', { name: /New/ }).click();
    await this.page.getByLabel(kind).check();
    await this.page.getByLabel(/^(Nickname|Name of the room)$/).fill(name);
    await this.page.getByRole('button', { name: 'Open' }).click();
  }

  async say(text) {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.keyboard.press('Enter');
  }

  message(text) {
    return this.page.locator('#messages .message', { hasText: text });
  }

  /** The message is on show, once, said by that person on that node, and not waiting. */
  async reads(text, from, node) {
    const message = this.message(text).and(this.page.locator('[data-state=sent]'));
    await message.first().waitFor({ timeout: DEADLINE_MS });
    assert.equal(await this.message(text).count(), 1, `${this.name} reads "${text}" once`);
    assert.equal(await message.getAttribute('data-from'), from);
    assert.equal(await message.getAttribute('data-node'), node);
  }

  /** Waits until the room on show has these people: names, each with the node's. */
  async sees(...people) {
    const wanted = people.map(([name, node]) => `${name} on ${node}`).sort();
    let seen;
    await until(
      () => `${this.name} sees ${wanted}, not ${seen}`,
      async () => {
        seen = await this.page
          .locator('#present .someone')
          .evaluateAll((all) => all.map(({ dataset: d }) => `${d.name} on ${d.node}`).sort());
        return String(seen) === String(wanted);
      },
    );
  }

  async leave() {
    await this.context.close();
    assert.deepEqual(this.faults, [], `${this.name}'s page had no errors`);
  }
}
