// What stands around the gateway: a BI server that believes its query, a portal that embeds two tenants, a page elsewhere; and browsers that block third-party cookies.

import { spawn } from 'node:child_process';
import { createHash, createHmac, randomBytes, X509Certificate } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createRequire } from 'node:module';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { EMBEDGATE_BIN, EMBEDGATE_TEST_SCRATCH, EMBEDGATE_TEST_MODULES, EMBEDGATE_TEST_ARTIFACTS: artifacts, CHROMIUM } = process.env;
export const scratch = EMBEDGATE_TEST_SCRATCH;
const { chromium } = createRequire(join(EMBEDGATE_TEST_MODULES, 'package.json'))('playwright-core');

export const BI = 'https://bi.vendor.example';
export const PORTAL = 'https://portal.customer.example';
export const THIEF = 'https://page.thief.example';
export const PATIENCE = 15_000;
export const artifact = (name) => join(artifacts, name);
const tls = { cert: readFileSync(join(scratch, 'edge.pem')), key: readFileSync(join(scratch, 'edge.key')) };
const secrets = { APP: randomBytes(32).toString('hex'), SESSION: randomBytes(32).toString('hex') };

// A viewer token, as any backend signs one.
export function token(tenant, more = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: 'embedgate', sub: 'viewer-7', jti: randomBytes(12).toString('hex'), iat: now, exp: now + 300,
    resource: { dashboard: 'overview' }, params: { tenant_id: tenant }, ...more,
  };
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secrets.APP).update(text).digest('base64url')}`;
}

export const link = (tenant) => `${BI}/dashboard/overview?embed_token=${token(tenant)}`;

const DASHBOARD = `<!doctype html><meta charset="utf-8"><title>Overview</title><style>
body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:20px;color:#17202c}h1{font-size:20px;margin:0 0 12px}
table{border-collapse:collapse;width:100%}td{border-top:1px solid #d9dee5;padding:6px 0}</style>
<h1>Tenant <span id="page">PAGE</span></h1><table id="rows"></table><p id="problem"></p><script src="/assets/app.js"></script>`;
const SCRIPT = `addEventListener('load', load); async function load() {
  const answer = await fetch('/api/rows'); const data = await answer.json();
  document.getElementById('problem').textContent = answer.ok ? '' : data.code;
  document.getElementById('rows').innerHTML = (data.rows ?? []).map((row) => '<tr data-tenant="' + row.tenant + '"><td>' + row.name).join('');
  document.body.dataset.loads = Number(document.body.dataset.loads ?? 0) + 1; }`;

// It shows whatever tenant it is asked for, and remembers what it was asked.
function upstream(seen) {
  return createServer((request, response) => {
    seen.push({ target: request.url, headers: request.headers });
    const url = new URL(request.url, 'http://inner');
    const tenant = Number(url.searchParams.get('tenant_id'));
    const rows = Array.from({ length: 4 }, (_, at) => ({ tenant, name: `Account ${at + 1} of tenant ${tenant}` }));
    const [kind, body] = {
      '/assets/app.js': ['text/javascript', SCRIPT],
      '/api/rows': ['application/json', JSON.stringify({ rows })],
    }[url.pathname] ?? ['text/html; charset=utf-8', DASHBOARD.replace('PAGE', tenant)];
    response.writeHead(200, { 'content-type': kind }).end(body);
  });
}

// A host page: its frames are those of its query. It tells what its frames tell it, and sets cookies to see which of them a browser keeps.
function pages(told) {
  return createSecureServer(tls, (request, response) => {
    const url = new URL(request.url, `https://${request.headers.host}`);
    told.push({ method: request.method, target: request.url, headers: request.headers });
    if (url.pathname === '/collect') {
      // Whoever asks may, and may send whatever it likes.
      const { origin = '*', 'access-control-request-headers': names = '' } = request.headers;
      response.writeHead(200, { 'access-control-allow-origin': origin, 'access-control-allow-headers': names, 'access-control-allow-credentials': 'true' });
      return response.end('{}');
    }
    if (url.pathname === '/probe') {
      const cookies = ['plain=1; Secure; SameSite=None; Path=/', 'apart=1; Secure; SameSite=None; Partitioned; Path=/'];
      response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': cookies });
      return response.end(`<!doctype html><pre id="sent">${request.headers.cookie ?? ''}</pre>`);
    }
    const frames = url.searchParams.getAll('frame').map((src) => `<iframe src="${src.replaceAll('"', '')}"></iframe>`);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!doctype html><meta charset="utf-8"><title>Portal</title>
<style>body{margin:24px;font:16px system-ui,sans-serif;background:#f6f7f9}div{display:flex;gap:16px}iframe{flex:1;height:300px;border:1px solid #d9dee5;background:#fff}</style>
<h1>${url.hostname}</h1><div>${frames.join('')}</div><script>window.told = []; addEventListener('message', (event) => told.push(event.data));</script>`);
  });
}

const CONFIG = (ports, trail) => `
[listen]
address = "127.0.0.1:${ports.gateway}"
tls = { certificate = "${scratch}/edge.pem", key = "${scratch}/edge.key" }
[log]
level = "warn"
[audit]
output = "${trail}"
[session]
secret = { env = "SESSION" }
[issuer.app]
algorithm = "HS256"
secret = { env = "APP" }
audience = "embedgate"
[site.bi]
hosts = ["bi.vendor.example"]
upstream = "http://127.0.0.1:${ports.upstream}"
kind = "generic"
issuers = ["app"]
frame_ancestors = ["${PORTAL}", "${THIEF}"]
single_use = true
bind = ["origin"]
[site.bi.params]
tenant_id = { mode = "locked", type = "integer" }
[[site.bi.routes]]
path = "/assets/*"
access = "public"
[[site.bi.routes]]
path = "/dashboard/{id}"
resource = "dashboard:{id}"
[[site.bi.routes]]
path = "/api/rows"
`;

export class World {
  static async begin({ name = '', config = CONFIG, serve = upstream } = {}) {
    const world = Object.assign(new World(), { seen: [], told: [] });
    world.servers = [serve(world.seen), pages(world.told)];
    const [up, hosts] = await Promise.all(world.servers.map((server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)))));
    world.ports = { upstream: up, hosts, gateway: await free() };
    world.trail = artifact(`audit${name}.jsonl`);
    rmSync(world.trail, { force: true });
    const file = join(scratch, `gateway${name}.toml`);
    writeFileSync(file, config(world.ports, world.trail));
    world.log = artifact(`gateway${name}.log`);
    const log = createWriteStream(world.log);
    world.gateway = spawn(EMBEDGATE_BIN, ['run', '--config', file], { env: { ...process.env, ...secrets } });
    world.gateway.stdout.pipe(log);
    world.gateway.stderr.pipe(log);
    await until('the gateway answers', () => reachable(world.ports.gateway));
    // Tokens of the second in which it began count as used.
    await new Promise((done) => setTimeout(done, 1000));
    return world;
  }

  // A browser with a profile of its own, in whose settings third-party cookies are blocked, or with `nothing` everything that sites might keep.
  async browser({ nothing = false } = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'embedgate-chromium-'));
    mkdirSync(join(folder, 'Default'));
    const blocked = { profile: { block_third_party_cookies: true, cookie_controls_mode: 1 } };
    if (nothing) blocked.profile.default_content_setting_values = { cookies: 2 };
    writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify(blocked));
    const spki = new X509Certificate(tls.cert).publicKey.export({ type: 'spki', format: 'der' });
    const rules = [`MAP *.vendor.example 127.0.0.1:${this.ports.gateway}`, `MAP *.customer.example 127.0.0.1:${this.ports.hosts}`,
      `MAP *.thief.example 127.0.0.1:${this.ports.hosts}`, 'MAP * ~NOTFOUND'];
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: CHROMIUM,
      viewport: { width: 1280, height: 460 },
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--test-third-party-cookie-phaseout',
        `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`, `--host-resolver-rules=${rules.join(', ')}`,
      ],
    });
    context.setDefaultTimeout(PATIENCE);
    const end = async () => {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
    };
    return { context, end };
  }

  async end() {
    this.gateway.kill();
    await new Promise((done) => this.gateway.once('exit', done));
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}

// The frames of a host page, once each shows rows or a refusal.
export async function show(page, host, links) {
  await page.goto(`${host}/?${new URLSearchParams(links.map((src) => ['frame', src]))}`);
  return settled(page);
}

export async function settled(page) {
  const frames = page.frames().filter((frame) => frame !== page.mainFrame());
  for (const frame of frames) await frame.locator('#rows tr, main[data-code], #problem:not(:empty)').first().waitFor();
  return frames;
}

// What a frame shows: the tenant of its page, the tenants of its rows.
export async function shown(frame) {
  const rows = await frame.locator('#rows tr').evaluateAll((all) => all.map((row) => Number(row.dataset.tenant)));
  return { page: Number(await frame.locator('#page').textContent()), rows: [...new Set(rows)] };
}

export async function until(what, so) {
  const deadline = Date.now() + PATIENCE;
  while (!(await so())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function free() {
  const probe = createSocket();
  const port = await new Promise((done) => probe.listen(0, '127.0.0.1', () => done(probe.address().port)));
  await new Promise((done) => probe.close(done));
  return port;
}

async function reachable(port) {
  const { connect } = await import('node:net');
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(true));
    socket.on('error', () => done(false));
    socket.on('connect', () => socket.destroy());
  });
}
