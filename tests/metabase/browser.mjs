// People in front of Chromium: each has a browser context, and opens host pages whose frame shows what the gateway lets through.

import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { artifact, BI, certificate, until } from './lib.mjs';

const { chromium } = createRequire(join(process.env.EMBEDGATE_TEST_MODULES, 'package.json'))('playwright-core');
const VIEWPORT = { width: 1280, height: 960 };
const PATIENCE = 15_000;

// Names lead to this machine; the one certificate, made for this run, is trusted by its key and no other is.
function options(gateway, hosts) {
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  const rules = [`MAP ${new URL(BI).hostname} 127.0.0.1:${gateway}`, `MAP *.vendor.example 127.0.0.1:${hosts}`,
    `MAP *.customer.example 127.0.0.1:${hosts}`, `MAP *.thief.example 127.0.0.1:${hosts}`, 'MAP * ~NOTFOUND'];
  return {
    executablePath: process.env.CHROMIUM,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`, `--host-resolver-rules=${rules.join(', ')}`,
    ],
  };
}

export class Browser {
  // Any number of people, each in a private window of their own: Chromium blocks third-party cookies there.
  static async launch(gateway, hosts) {
    const browser = await chromium.launch(options(gateway, hosts));
    const person = async () => new Person(await browser.newContext({ viewport: VIEWPORT }));
    return Object.assign(new Browser(), { person, close: () => browser.close() });
  }

  // One person with a profile, in whose settings third-party cookies are blocked or not.
  static async profile(gateway, hosts, blocked) {
    const folder = mkdtempSync(join(tmpdir(), 'embedgate-chromium-'));
    mkdirSync(join(folder, 'Default'));
    const chosen = { profile: { block_third_party_cookies: blocked, cookie_controls_mode: blocked ? 1 : 0 } };
    writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify(chosen));
    const context = await chromium.launchPersistentContext(folder, { ...options(gateway, hosts), viewport: VIEWPORT });
    const only = new Person(context);
    const close = async () => {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
    };
    return Object.assign(new Browser(), { person: async () => only, close });
  }
}

class Person {
  constructor(context) {
    context.setDefaultTimeout(PATIENCE);
    this.context = context;
  }

  // A host page with a frame that shows a path of the gateway.
  frame(host, path, more = {}) {
    return this.visit(`${host}/frame?${new URLSearchParams({ src: BI + path, ...more })}`);
  }

  // A host page with Metabase's web component.
  component(host, token) {
    return this.visit(`${host}/component?${new URLSearchParams({ token })}`);
  }

  async visit(url) {
    const view = new View(await this.context.newPage());
    view.answer = await view.page.goto(url);
    return view;
  }

  async session() {
    return (await this.context.cookies()).find(({ name }) => name === '__Host-embedgate');
  }

  forget() {
    return this.context.clearCookies();
  }

  close() {
    return this.context.close();
  }
}

// A page, what its frame shows, and all that the browser said and heard while it was open.
class View {
  constructor(page) {
    this.page = page;
    this.frame = page.frameLocator('iframe');
    this.answers = [];
    this.problems = [];
    page.on('console', (message) => message.type() === 'error' && this.problems.push(message.text()));
    page.on('pageerror', (error) => this.problems.push(error.message));
    page.on('response', (response) => response.url().startsWith(BI) && this.answers.push(read(response)));
  }

  // Until the front end has everything.
  async ready() {
    await this.frame.locator('body[data-ready]').waitFor();
    return this;
  }

  // What a card's table shows, once it is as wanted: rows of cells.
  async rows(count, where = '[data-dashcard="101"]') {
    let seen = [];
    const found = this.frame.locator(`section${where}`);
    await until(`${count} rows`, async () => {
      seen = await found.locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText)));
      return seen.length === count && (await this.frame.locator('[role=alert]').count()) === 0;
    }).catch(async (error) => {
      await this.shot('failed');
      throw new Error(`${error.message}; seen: ${JSON.stringify(seen)}; alerts: ${await this.alerts()}; console: ${this.problems.slice(-5).join(' | ')}`);
    });
    return seen;
  }

  // The names of the accounts in the table.
  async accounts(count) {
    return (await this.rows(count)).map((row) => row[2]).sort();
  }

  alerts() {
    return this.frame.locator('[role=alert]').allInnerTexts();
  }

  widget(slug) {
    return this.frame.locator(`[data-parameter="${slug}"]`);
  }

  async filter(slug, value) {
    await this.widget(slug).fill(value);
    await this.widget(slug).press('Tab');
  }

  // What a widget offers, once it offers something.
  async offered(slug) {
    const list = this.frame.locator(`[data-parameter="${slug}"] + datalist option`);
    await list.first().waitFor({ state: 'attached' });
    return (await list.evaluateAll((all) => all.map((one) => one.value))).sort();
  }

  // The lines of an export, without the one of names; where it is refused, the status.
  async exported(where = '[data-dashcard="101"]') {
    const button = this.frame.locator(`section${where} .export`);
    const download = this.page.waitForEvent('download', { timeout: PATIENCE }).catch(() => null);
    await button.click();
    await until('an export', () => button.getAttribute('data-status'));
    const status = await button.getAttribute('data-status');
    if (status !== '200') return { status };
    const text = readFileSync(await (await download).path(), 'utf8');
    return { status, lines: text.replace('\uFEFF', '').trim().split(/\r?\n/).slice(1) };
  }

  // The refusal that is shown in the frame.
  async refusal() {
    const shown = this.frame.locator('main[data-code]');
    await shown.waitFor();
    return { code: await shown.getAttribute('data-code'), message: await shown.locator('.message').innerText() };
  }

  // What the frame told the host page.
  async told() {
    return (await this.page.evaluate(() => window.heard)).filter(({ data }) => data?.type === 'embedgate:refused');
  }

  // Whatever stands in the frame, as text; nothing where Chromium shows an error page of its own.
  async shown() {
    await this.page.waitForLoadState('load');
    const text = (await this.inner().locator('body').innerText()).trim();
    return text.replace(/^\S+ refused to connect\.$/, ''); // Chromium's own words
  }

  // Runs in the frame, as an attacker in the browser's developer tools would.
  within(work, argument) {
    return this.inner().evaluate(work, argument);
  }

  inner() {
    return this.page.frames().find((frame) => frame.parentFrame());
  }

  // All that a curious viewer can find: the frame's document, and every header and body that came from the gateway (of scripts, which are everybody's, the
  // headers).
  async found() {
    const answers = await Promise.all(this.answers);
    return [await this.inner().content(), ...answers.map(({ path, head, body }) => (path.startsWith('/app/') ? head : `${head}\n${body}`))].join('\n');
  }

  async statuses() {
    return (await Promise.all(this.answers)).map(({ status, path }) => `${status} ${path}`);
  }

  async shot(name) {
    await this.page.screenshot({ path: artifact(`${name}.png`) });
  }

  // Ends with an error if the browser complained of anything else than what was expected.
  async close(...expected) {
    const strange = this.problems.filter((text) => !expected.some((known) => known.test(text)));
    await this.page.close();
    if (strange.length > 0) throw new Error(`the browser complains: ${strange.join(' | ')}`);
  }
}

async function read(response) {
  const head = Object.entries(await response.allHeaders().catch(() => ({}))).map((pair) => pair.join(': ')).join('\n');
  const body = await response.text().catch(() => ''); // redirects and downloads have none here
  return { status: response.status(), path: new URL(response.url()).pathname, head, body };
}
