// A viewer in Chromium: the host page, Superset's frame in it, and what can be done there.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { facts, modules, until } from './lib.mjs';

const { chromium } = modules('playwright-core');
const PATIENCE = 60_000;

export class Browser {
  static async launch(host, foreign) {
    const profile = mkdtempSync(join(tmpdir(), 'embedgate-chromium-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: facts.chromium,
      headless: true,
      viewport: { width: 1300, height: 820 },
      acceptDownloads: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    context.setDefaultTimeout(PATIENCE);
    return Object.assign(new Browser(), { context, host, foreign, profile });
  }

  async open(wanted, { foreign = false } = {}) {
    const page = await this.context.newPage();
    const view = new View(page);
    await page.goto(`${foreign ? this.foreign : this.host}/?${new URLSearchParams(wanted)}`);
    return view;
  }

  cookies() {
    return this.context.cookies();
  }

  async close() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

class View {
  constructor(page) {
    this.page = page;
    this.frame = page.frameLocator('#mount iframe');
    this.data = [];
    this.bad = [];
    this.console = [];
    page.on('console', (message) => this.console.push(message.text()));
    page.on('response', (response) => {
      const url = new URL(response.url());
      if (response.status() >= 400 && url.pathname !== '/favicon.ico') this.bad.push(`${response.status()} ${url.pathname}`);
      if (url.pathname.endsWith('/api/v1/chart/data') && response.status() === 200) this.data.push(response.json());
    });
  }

  // The rows of the table chart, once there are as many as wanted.
  async rows(count) {
    let seen = [];
    try {
      await until(`${count} rows`, async () => {
        seen = await this.frame.locator('.superset-chart-table tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
        return seen.length === count && !(await this.frame.locator('[aria-label="Loading"], .loading').count());
      }, 90);
    } catch (error) {
      await this.shot('failed');
      throw new Error(`${error.message}; seen: ${JSON.stringify(seen)}; answers: ${this.bad}; console: ${this.console.slice(-5).join(' | ')}`);
    }
    return seen.sort((one, other) => Number(one[1]) - Number(other[1]));
  }

  async sees(chart, text) {
    await this.frame.locator('.dashboard-component-chart-holder', { hasText: chart }).getByText(text, { exact: true }).first().waitFor();
  }

  answers() {
    return Promise.all(this.data);
  }

  // Failing answers, apart from those that Superset's page provokes by itself.
  errors() {
    return this.bad;
  }

  #select() {
    return this.frame.locator('[data-test="filter-bar"] .ant-select, [data-test="form-item-value"] .ant-select').first();
  }

  async filterOptions() {
    await this.#select().click();
    const options = this.frame.locator('.ant-select-item-option');
    await options.first().waitFor();
    const texts = (await options.allInnerTexts()).map((text) => text.trim());
    await this.page.keyboard.press('Escape');
    return texts.filter((text) => !/^(Select|Clear|Deselect) all/i.test(text)).sort();
  }

  async filter(value) {
    await this.#select().click();
    await this.frame.locator('.ant-select-item-option', { hasText: new RegExp(`^${value}$`) }).first().click();
    await this.page.keyboard.press('Escape');
    await this.frame.locator('[data-test="filter-bar__apply-button"]').click();
  }

  async #startExport(chart) {
    const holder = this.frame.locator('.dashboard-component-chart-holder', { hasText: chart }).first();
    await holder.hover();
    await holder.getByRole('button', { name: 'More Options' }).click();
    await this.frame.getByText('Download', { exact: true }).first().hover();
    const item = this.frame.getByText('Export to .CSV', { exact: true }).first();
    await item.waitFor();
    return item;
  }

  async exported(chart) {
    const item = await this.#startExport(chart);
    // The window that the export opens closes by itself as soon as the download begins.
    const begun = new Promise((done) => {
      this.page.context().once('page', (window) => window.once('download', done));
      this.page.once('download', done);
    });
    await item.dispatchEvent('click'); // the menu follows the pointer, and may move away under it
    const patience = new Promise((_, fail) => { setTimeout(() => fail(new Error('no download began')), PATIENCE).unref(); });
    const download = await Promise.race([begun, patience]);
    return readFileSync(await download.path(), 'utf8');
  }

  async exportRefused(chart, name) {
    const item = await this.#startExport(chart);
    const popup = this.page.context().waitForEvent('page');
    const [window] = await Promise.all([popup, item.dispatchEvent('click')]);
    await window.waitForLoadState();
    await window.screenshot({ path: join(facts.artifacts, `${name}.png`) });
    const text = await window.locator('body').innerText();
    await window.close();
    return text;
  }

  // Until Chromium has said why it shows nothing.
  async blocked() {
    await until('a refused frame', () => this.console.some((text) => /frame-ancestors|Framing '/.test(text)) || this.bad.some((line) => line.startsWith('403')));
  }

  async framed() {
    const inner = this.page.frames().find((frame) => frame.parentFrame());
    if (!inner || inner.url().startsWith('chrome-error:')) return '';
    return (await inner.locator('body').innerText().catch(() => '')).trim();
  }

  async shot(name) {
    await this.page.screenshot({ path: join(facts.artifacts, `${name}.png`) });
  }

  close() {
    return this.page.close();
  }
}
