// What the checks stand on: a tap that hears every byte on its way to Superset, a host page, tokens, plain requests, and a way to count.

import { spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';

export const facts = JSON.parse(readFileSync(process.env.EMBEDGATE_TEST_FACTS, 'utf8'));
export const modules = createRequire(join(process.env.EMBEDGATE_TEST_MODULES, 'package.json'));
export const { state } = facts;

export const secrets = {
  guest: 'guest-secret-of-the-tests-0123456789abcdef',
  issuer: 'issuer-secret-of-the-tests-0123456789abcdef',
  service: 'service-key-of-the-tests-0123456789abcdef',
};

// ------------------------------------------------------------------------------------------------------------- counting

const outcome = { passed: 0, failed: 0 };

export async function check(name, body) {
  const began = Date.now();
  try {
    await body();
    outcome.passed += 1;
    console.log(`ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    outcome.failed += 1;
    console.log(`FAIL  ${name}\n      ${String(error.stack ?? error).replaceAll('\n', '\n      ')}`);
  }
}

export function summary() {
  console.log(`\n${outcome.passed} passed, ${outcome.failed} failed`);
  return outcome.failed === 0 && outcome.passed > 0;
}

export async function until(what, probe, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

// ------------------------------------------------------------------------------------------------------- what was started

const ending = [];

export async function stopAll() {
  for (const end of ending.reverse()) await end();
}

async function listening(server) {
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  ending.push(() => new Promise((done) => { server.close(done); server.closeAllConnections?.(); }));
  return server.address().port;
}

export async function freePort() {
  const server = net.createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

// A pipe in front of a Superset, which reads what comes through it: each request as `{ line, head, body }`, in the order in which their heads ended,
// whatever connection they came on. `text()` is every byte, so that nothing hides from the reading.
export async function tap(port) {
  const heard = [];
  const messages = [];
  const open = new Set();
  const server = net.createServer((from) => {
    const to = net.connect(port, '127.0.0.1');
    const chunks = [];
    const read = reader(messages);
    heard.push(chunks);
    from.on('data', (data) => { chunks.push(data); read(data.toString('latin1')); to.write(data); });
    to.on('data', (data) => from.write(data));
    for (const [one, other] of [[from, to], [to, from]]) {
      open.add(one);
      one.on('end', () => other.end());
      one.on('error', () => other.destroy());
      one.on('close', () => { open.delete(one); other.destroy(); });
    }
  });
  server.closeAllConnections = () => open.forEach((socket) => socket.destroy());
  const text = () => heard.map((chunks) => Buffer.concat(chunks).toString('latin1')).join('\n');
  const requests = () => messages.map(({ line }) => line);
  return { port: await listening(server), text, messages, requests };
}

// Takes the bytes of one connection. The gateway gives every body a length; anything else would be read as a strange request line, and be noticed.
function reader(messages) {
  let rest = '';
  let current = null;
  return (data) => {
    rest += data;
    for (;;) {
      if (current) {
        const part = rest.slice(0, current.missing);
        current.message.body += part;
        current.missing -= part.length;
        rest = rest.slice(part.length);
        if (current.missing > 0) return;
        current = null;
      }
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const [first, ...fields] = rest.slice(0, end).split('\r\n');
      rest = rest.slice(end + 4);
      const message = { line: first.replace(/ HTTP\/1\.1$/, ''), head: fields, body: '' };
      const length = fields.map((field) => field.match(/^content-length: (\d+)$/i)).find(Boolean);
      messages.push(message);
      current = { message, missing: Number(length?.[1] ?? 0) };
    }
  };
}

// The gateway under test. Returns when it answers.
export async function gateway(config, environment) {
  const path = join(facts.artifacts, 'gateway.toml');
  writeFileSync(path, config.text);
  const log = createWriteStream(join(facts.artifacts, 'gateway.log'));
  const child = spawn(facts.gateway, ['run', '--config', path], { env: { ...process.env, ...environment, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  let over = null;
  child.on('exit', (code) => { over = code ?? 'a signal'; });
  ending.push(async () => {
    child.kill('SIGTERM');
    await until('the gateway to stop', () => over !== null, 40);
  });
  await until('the gateway to listen', () => {
    if (over !== null) throw new Error(`the gateway ended with ${over}: ${readFileSync(join(facts.artifacts, 'gateway.log'), 'utf8')}`);
    return new Promise((done) => {
      const probe = net.connect(config.port, '127.0.0.1', () => { probe.destroy(); done(true); });
      probe.on('error', () => done(false));
    });
  });
  return child;
}

// ----------------------------------------------------------------------------------------------------------------- tokens

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export function jwt(claims, secret, header = { alg: 'HS256', typ: 'JWT' }) {
  const text = `${encode(header)}.${encode(claims)}`;
  return header.alg === 'none' ? `${text}.` : `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export const now = () => Math.floor(Date.now() / 1000);

// A viewer token, as the issuer `app` signs it. `undefined` takes a claim out.
export function viewer(tenant, change = {}, secret = secrets.issuer) {
  const claims = {
    iss: 'app', aud: 'embedgate', sub: `viewer-of-${tenant}`, jti: randomUUID(), iat: now(), exp: now() + 300,
    resources: [{ type: 'dashboard', id: state.uuids.accounts }], params: { tenant_id: tenant }, ...change,
  };
  return jwt(claims, secret);
}

// A guest token that Superset itself would accept: what nobody but the gateway may hold.
export function guest(rules, change = {}) {
  const claims = {
    user: { username: 'intruder' }, resources: [{ type: 'dashboard', id: state.uuids.accounts }], rls_rules: rules,
    iat: now() - 30, exp: now() + 300, aud: 'superset-embed', type: 'guest', ...change,
  };
  return jwt(claims, secrets.guest);
}

// --------------------------------------------------------------------------------------------------------------- requests

// A plain request; the path goes out exactly as written.
export function ask(port, method, path, { token, headers = {}, body } = {}) {
  const fields = { host: `localhost:${port}`, ...headers };
  if (token !== undefined) fields['x-guesttoken'] = token;
  if (body !== undefined && fields['content-type'] === undefined) fields['content-type'] = 'application/json';
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  if (bytes) fields['content-length'] = bytes.length;
  return new Promise((done, fail) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, headers: fields, agent: false, timeout: 60_000 }, (answer) => {
      const chunks = [];
      answer.on('data', (data) => chunks.push(data));
      answer.on('error', fail);
      answer.on('end', () => {
        const raw = Buffer.concat(chunks);
        const text = raw.toString('utf8');
        let json = null;
        try { json = JSON.parse(text); } catch { /* not JSON */ }
        done({ status: answer.statusCode, headers: answer.headers, raw, text, json });
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 60 s')));
    request.on('error', fail);
    request.end(bytes);
  });
}

// What the table chart asks for, with changes merged in.
export function chart(change = {}) {
  const { query = {}, form = {}, ...top } = change;
  return {
    datasource: { id: state.datasets.accounts, type: 'table' }, force: false,
    queries: [{
      filters: [], extras: { having: '', where: '' }, applied_time_extras: {}, columns: ['tenant_id', 'account_id', 'plan', 'status'], metrics: [],
      orderby: [], annotation_layers: [], row_limit: 1000, series_limit: 0, order_desc: true, url_params: {}, custom_params: {},
      custom_form_data: {}, post_processing: [], time_offsets: [], ...query,
    }],
    form_data: { slice_id: state.charts.table, dashboardId: state.dashboards.accounts, viz_type: 'table', datasource: `${state.datasets.accounts}__table`, ...form },
    result_format: 'json', result_type: 'full', ...top,
  };
}

// --------------------------------------------------------------------------------------------------------------- host page

// The customer's application: a page with Superset's SDK, and a backend that makes the three calls it would make to Superset, to the gateway.
export async function hostApplication(base) {
  const sdk = modules.resolve('@superset-ui/embedded-sdk/bundle/index.js');
  const fetched = [];
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://host');
    if (url.pathname === '/sdk.js') {
      response.setHeader('content-type', 'text/javascript');
      response.end(readFileSync(sdk));
    } else if (url.pathname === '/token') {
      const token = await fromBackend(base(url.searchParams), url.searchParams);
      fetched.push(token);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ token }));
    } else if (url.pathname === '/') {
      response.setHeader('content-type', 'text/html');
      response.end(page(base(url.searchParams), url.searchParams));
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  return { port: await listening(server), fetched };
}

// Superset's own flow: log in, fetch a CSRF token, ask for a guest token. Base URL, password and `params` in place of `rls` are all that changed.
async function fromBackend(base, wanted) {
  const post = async (path, headers, body) => {
    const answer = await fetch(base + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const { access_token } = await post('/api/v1/security/login', {}, { username: 'backend', password: secrets.service, provider: 'db', refresh: true });
  const authorization = `Bearer ${access_token}`;
  const csrf = await (await fetch(`${base}/api/v1/security/csrf_token/`, { headers: { authorization } })).json();
  const { token } = await post('/api/v1/security/guest_token/', { authorization, 'x-csrftoken': csrf.result }, {
    user: { username: `viewer-of-${wanted.get('tenant')}`, first_name: 'V', last_name: 'One' },
    resources: [{ type: 'dashboard', id: state.uuids.accounts }],
    rls: [],
    params: { tenant_id: Number(wanted.get('tenant')) },
    scope: wanted.get('scope') ?? 'view',
    ttl: Number(wanted.get('ttl') ?? 300),
  });
  return token;
}

function page(base, wanted) {
  const urlParams = wanted.get('in_url') ? '{ guest_token: await token() }' : '{}';
  const silent = wanted.get('silent') ? '<meta name="referrer" content="no-referrer">' : '';
  return `<!doctype html><meta charset="utf-8">${silent}<title>host</title>
<style>body { margin: 0; font: 16px sans-serif } h1 { margin: 8px; font-size: 18px } iframe { width: 1280px; height: 760px; border: 0 }</style>
<h1>A customer's application, tenant ${Number(wanted.get('tenant'))}</h1><div id="mount"></div>
<script src="/sdk.js"></script>
<script type="module">
  const token = async () => (await (await fetch('/token' + location.search)).json()).token;
  window.embedded = await supersetEmbeddedSdk.embedDashboard({
    id: ${JSON.stringify(state.uuids.accounts)}, supersetDomain: ${JSON.stringify(base)}, mountPoint: document.getElementById('mount'),
    fetchGuestToken: token,
    dashboardUiConfig: { hideTitle: false, filters: { visible: true, expanded: true }, urlParams: ${urlParams} },
  });
</script>`;
}
