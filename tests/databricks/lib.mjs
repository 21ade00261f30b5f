// What the checks stand on: the stand-in, the application that embeds a dashboard, and its page in Chromium.

import { createWriteStream, readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import readline from 'node:readline';

import { ending, started, until } from '../support/checks.mjs';

export { check, sleep, stopAll, summary, until } from '../support/checks.mjs';

const { CHROMIUM, EMBEDGATE_TEST_ARTIFACTS, EMBEDGATE_TEST_MODULES, EMBEDGATE_TEST_STANDIN } = process.env;
const { chromium } = createRequire(join(EMBEDGATE_TEST_MODULES, 'package.json'))('playwright-core');
export const artifact = (name) => join(EMBEDGATE_TEST_ARTIFACTS, name);

// Of the stand-in: see tests/support/databricks/store.rs.
export const WORKSPACE = '1234567890123456';
export const SALES = '01f0aaaa000000000000000000005a1e';
export const BENCHMARK = '01f0bbbb00000000000000000000be0c';
export const BROKER = '0b70ce40-0000-4000-8000-0000000000b0';
export const SECRET = 'broker-secret-0123456789abcdef0123456789';
export const ROWS = { 999: 7, 777: 5, 555: 4 };

// ------------------------------------------------------------------------------------------------------------ the stand-in

// `calls` is every call since it was told to forget; `tell` gives it an option (see its `--help` text) while it runs.
export async function standin(...options) {
  const child = started(EMBEDGATE_TEST_STANDIN, ['--serve', '127.0.0.1:0', '--log', ...options], { stdio: ['pipe', 'pipe', 'pipe'] });
  const [calls, waiting] = [[], []];
  let url = '';
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) calls.push(JSON.parse(line));
    else if (url) waiting.shift()?.(line);
    else url = line.match(/http:\S+/)?.[0] ?? '';
  });
  child.stderr.pipe(createWriteStream(artifact('standin.log')));
  await until('the stand-in', () => {
    if (child.ended !== undefined) throw new Error(`the stand-in ended with ${child.ended}`);
    return url;
  });
  const tell = async (...words) => {
    const answer = new Promise((done) => waiting.push(done));
    child.stdin.write(`${words.join(' ')}\n`);
    const line = await answer;
    if (line !== 'ok') throw new Error(`${words}: ${line}`);
  };
  const of = (step) => calls.filter((call) => call.step === step);
  return { url, calls, of, tell, forget: () => { calls.length = 0; } };
}

// What the application's server does: the three steps of Databricks' own samples.
export async function threeSteps(url, { dashboard = SALES, viewer = 'viewer-1', value = '999' } = {}) {
  const ask = async (target, init) => {
    const answer = await fetch(url + target, init);
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  const authorization = `Basic ${Buffer.from(`${BROKER}:${SECRET}`).toString('base64')}`;
  const mint = (form) => ask('/oidc/v1/token', { method: 'POST', headers: { authorization }, body: new URLSearchParams({ grant_type: 'client_credentials', ...form }) });
  const { access_token: own } = await mint({ scope: 'all-apis' });
  const query = new URLSearchParams({ external_viewer_id: viewer, external_value: value });
  const info = await ask(`/api/2.0/lakeview/dashboards/${dashboard}/published/tokeninfo?${query}`, { headers: { authorization: `Bearer ${own}` } });
  const { authorization_details: details, ...rest } = info;
  return (await mint({ ...rest, authorization_details: JSON.stringify(details) })).access_token;
}

// --------------------------------------------------------------------------------------------------------- the application

const CLIENT = readFileSync(join(EMBEDGATE_TEST_MODULES, 'node_modules/@databricks/aibi-client/dist/index.js'));
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>host</title><link rel="icon" href="data:,">
<style>body { margin: 16px } #place { width: 1200px; height: 820px; border: 1px solid #bbb }</style>
<div id="place"></div>
<script type="module">
  import { DatabricksDashboard } from "/client.js";
  const place = document.getElementById("place");
  window.heard = [];
  window.asked = [];
  addEventListener("message", ({ origin, data }) => heard.push({ origin, data }));
  // \`renew\`: tokens that getNewToken gives, one after the other, the last one again and again; "fetch": one from the server each time.
  window.show = ({ renew, patient, ...options }) => {
    const left = Array.isArray(renew) ? [...renew] : [];
    const getNewToken = renew && (async () => {
      asked.push(Date.now());
      while (patient && !heard.some(({ data }) => data?.type === "DATABRICKS_EMBED_READY")) await new Promise((wake) => setTimeout(wake, 10));
      if (renew === "fetch") return (await fetch("/token")).text();
      return left.length > 1 ? left.shift() : left[0];
    });
    window.dashboard = new DatabricksDashboard({ container: place, getNewToken, ...options });
    dashboard.initialize();
  };
  document.body.dataset.ready = "1";
</script>`;

// A page with the official client, on an origin of its own. `mint` answers its server's /token.
export async function application(mint = async () => '') {
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://host');
    const [kind, body] = pathname === '/client.js' ? ['text/javascript', CLIENT] : pathname === '/token' ? ['text/plain', await mint()] : ['text/html', PAGE];
    response.setHeader('content-type', kind);
    response.end(body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  ending.push(() => new Promise((done) => { server.close(done); server.closeAllConnections(); }));
  return `http://127.0.0.1:${server.address().port}`;
}

// ---------------------------------------------------------------------------------------------------------------- Chromium

export async function browser() {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  const made = await chromium.launch({ executablePath: CHROMIUM, args });
  ending.push(() => made.close());
  return made;
}

// The application's page, in a window of its own.
export async function open(chrome, origin) {
  const page = await chrome.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(15_000);
  const view = new View(page);
  await page.goto(origin);
  await page.locator('body[data-ready]').waitFor();
  return view;
}

class View {
  constructor(page) {
    this.page = page;
    this.frame = page.frameLocator('#place iframe');
    this.problems = [];
    page.on('console', (message) => message.type() === 'error' && this.problems.push(message.text()));
    page.on('pageerror', (error) => this.problems.push(error.message));
  }

  // Shows a dashboard with the official client.
  async show(options) {
    await this.page.evaluate((all) => window.show(all), { workspaceId: WORKSPACE, dashboardId: SALES, ...options });
    return this;
  }

  // The rows that are shown, once they are as many.
  async rows(count) {
    let seen = [];
    await until(`${count} rows`, async () => {
      seen = await this.frame.locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText)));
      return seen.length === count && (await this.frame.locator('body[data-ready]').count()) === 1;
    }).catch(async (error) => {
      await this.shot('failed');
      throw new Error(`${error.message}; seen: ${JSON.stringify(seen)}; console: ${this.problems.join(' | ')}`);
    });
    return seen;
  }

  // What the frame says instead of rows.
  async alert() {
    const shown = this.frame.locator('[role=alert]');
    await shown.waitFor();
    return { status: Number(await shown.getAttribute('data-status')), text: await shown.innerText() };
  }

  // What the client itself shows instead of the frame.
  async failure() {
    const shown = this.frame.locator('.error-stack');
    await shown.filter({ hasText: /\S/ }).waitFor();
    return shown.innerText();
  }

  heard() {
    return this.page.evaluate(() => window.heard);
  }

  // How often a new token was asked for.
  asked() {
    return this.page.evaluate(() => window.asked.length);
  }

  // An attribute of the frame's body, as the page in it leaves it there.
  mark(name) {
    return this.frame.locator('body').getAttribute(`data-${name}`);
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
