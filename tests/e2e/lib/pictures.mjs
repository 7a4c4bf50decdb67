// Pictures of what people see, for the docs. A test puts them into the build's folder;
// with FW_IMAGES=docs/images it makes those of the docs anew.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { build, source } from './stage.mjs';

const folder = process.env.FW_IMAGES
  ? path.resolve(source, process.env.FW_IMAGES)
  : path.join(build, 'images');

/** The path of one, for whoever writes it. */
export function imageFile(name) {
  fs.mkdirSync(folder, { recursive: true });
  return path.join(folder, name);
}

/** what: a page, or a part of one. A picture of nothing would have next to no bytes. */
export async function takePicture(what, name, options = {}) {
  const file = imageFile(name);
  await what.screenshot({ path: file, ...options });
  assert.ok(fs.statSync(file).size > 5_000, `${name} shows something`);
}

/** Lines as a terminal shows them, the first one typed. */
export async function takeTerminal(browser, lines, name) {
  const page = await browser.newPage({ viewport: { width: 900, height: 600 } });
  await page.setContent(`<style>
    pre {
      width: max-content; margin: 0; padding: 14px 18px;
      background: #1d1f21; color: #d8dadd; font: 14px/1.5 'DejaVu Sans Mono', monospace;
    }
    pre::first-line { color: #8abeb7; }
  </style><pre></pre>`);
  await page.locator('pre').evaluate((pre, text) => (pre.textContent = text), lines.join('\n'));
  await takePicture(page.locator('pre'), name);
  await page.close();
}
