// What the checks stand on: a way to count, the stand-in, the gateway, the pages of three hosts, and tokens.

import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import readline from 'node:readline';

import { ending, freePort, sleep, started, until } from '../support/checks.mjs';

export { check, sleep, stopAll, summary, until } from '../support/checks.mjs';

const { EMBEDGATE_BIN, EMBEDGATE_TEST_ARTIFACTS, EMBEDGATE_TEST_CERTS, EMBEDGATE_TEST_STANDIN } = process.env;

// The gateway, a customer's application on another site, one on the gateway's own site, and somebody else's page.
export const BI = 'https://bi.vendor.example';
export const APP = 'https://app.customer.example';
export const SISTER = 'https://app.vendor.example';
export const THIEF = 'https://page.thief.example';
// Of the stand-in: see tests/support/metabase/fixtures.rs.
export const LINK = 'd0000000-0000-4000-8000-000000000042';
export const LOCKED_IDS = ['a0420001', 'organization_id'];
export const INSIDE = ['inner.example', 'v0.58.29', '0ddba11', 'Jetty', 'metabase.DEVICE', 'setup-token'];

const METABASE_KEY = '0123456789abcdef'.repeat(4);
const APP_KEY = randomBytes(32).toString('hex');
const SESSION_KEY = randomBytes(32).toString('hex');
export const SECRETS = [METABASE_KEY, APP_KEY, SESSION_KEY];

const cert = readFileSync(join(EMBEDGATE_TEST_CERTS, 'edge.pem'));
const key = readFileSync(join(EMBEDGATE_TEST_CERTS, 'edge.key'));
export const certificate = cert;
export const artifact = (name) => join(EMBEDGATE_TEST_ARTIFACTS, name);

// The stand-in. `all` is every request that it got from anybody but us, `seen` those since it was told to forget.
export async function standin() {
  const child = started(EMBEDGATE_TEST_STANDIN, ['--serve', '127.0.0.1:0', '--log']);
  const [all, seen] = [[], []];
  let url = '';
  const note = (request) => {
    seen.push(request);
    if (!request.headers.some(([name]) => name === 'x-bare')) all.push(request);
  };
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) note(JSON.parse(line));
    else url = line.match(/http:\S+/)?.[0] ?? url;
  });
  child.stderr.pipe(createWriteStream(artifact('standin.log')));
  await until('the stand-in', () => {
    if (child.ended !== undefined) throw new Error(`the stand-in ended with ${child.ended}`);
    return url;
  });
  return { url, all, seen, forget: () => { seen.length = 0; } };
}

// The gateway. `log()` is what it said so far.
export async function gateway(upstream) {
  const port = await freePort();
  const path = artifact('gateway.toml');
  writeFileSync(path, `
[listen]
address = "127.0.0.1:${port}"
tls     = { certificate = ${JSON.stringify(join(EMBEDGATE_TEST_CERTS, 'edge.pem'))}, key = ${JSON.stringify(join(EMBEDGATE_TEST_CERTS, 'edge.key'))} }

[admin]
address = "127.0.0.1:0"

[session]
secret   = { env = "EMBEDGATE_TEST_SESSION_KEY" }
lifetime = "1h"

[issuer.app]
algorithm    = "HS256"
secret       = { env = "EMBEDGATE_TEST_APP_KEY" }
audience     = "embedgate"
max_lifetime = "10m"
leeway       = "0s"                            # so that the checks need not wait for it

[site.reports]
hosts           = [${JSON.stringify(new URL(BI).hostname)}]
upstream        = ${JSON.stringify(upstream)}
kind            = "metabase"
issuers         = ["app"]
frame_ancestors = [${JSON.stringify(APP)}, ${JSON.stringify(SISTER)}]

[site.reports.params]
organization_id = { mode = "locked", type = "integer" }
region          = { mode = "enabled", list = true }
plan            = { mode = "enabled", list = true }

[site.reports.limits]
viewer    = "3000/min"
in_flight = 32

[site.reports.metabase]
embedding_secret = { env = "EMBEDGATE_TEST_METABASE_KEY" }
version          = 58
guest_token_ttl  = "4s"

[site.reports.metabase.public."${LINK}"]
kind   = "dashboard"
values = "constrained"
`);
  const log = artifact('gateway.log');
  const env = {
    ...process.env, NO_COLOR: '1',
    EMBEDGATE_TEST_SESSION_KEY: SESSION_KEY, EMBEDGATE_TEST_APP_KEY: APP_KEY, EMBEDGATE_TEST_METABASE_KEY: METABASE_KEY,
  };
  const child = started(EMBEDGATE_BIN, ['run', '--config', path], { env });
  const said = createWriteStream(log);
  child.stdout.pipe(said, { end: false });
  child.stderr.pipe(said, { end: false });
  await until('the gateway', () => {
    if (child.ended !== undefined) throw new Error(`the gateway ended with ${child.ended}: ${readFileSync(log, 'utf8')}`);
    return new Promise((done) => {
      const probe = net.connect(port, '127.0.0.1', () => { probe.destroy(); done(true); });
      probe.on('error', () => done(false));
    });
  });
  return { port, log: () => readFileSync(log, 'utf8') };
}

// ------------------------------------------------------------------------------------------------------------------ pages

// The same pages under every name: who shows them is what the gateway judges.
//   /frame?src=…        a frame
//   /component?token=…  Metabase's web component, with the gateway as its token provider
//   /cookie             sets a cookie that is not partitioned, and tells in the page whether it came back
export async function hosts() {
  const server = https.createServer({ cert, key }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'https://host');
    if (pathname === '/cookie') response.setHeader('set-cookie', 'plain=1; Path=/; Secure; SameSite=None');
    if (searchParams.has('quiet')) response.setHeader('referrer-policy', 'no-referrer');
    const make = { '/favicon.ico': () => '', '/frame': framed, '/component': component, '/cookie': () => `<p>${request.headers.cookie ?? 'no cookie'}</p>` }[pathname];
    response.statusCode = make ? 200 : 404;
    response.setHeader('content-type', 'text/html');
    response.end(make?.(searchParams, request.headers.host) ?? '');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  ending.push(() => new Promise((done) => { server.close(done); server.closeAllConnections(); }));
  return server.address().port;
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');

// `heard` is all that the frame tells its host, `renew` what the host does with a fresh token.
function page(host, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>host</title><link rel="icon" href="data:,">
<style>body { margin: 16px; font: 16px sans-serif } h1 { margin: 0 0 12px; font-size: 20px } iframe { width: 1240px; height: 900px; border: 1px solid #bbb }</style>
<script>
  window.heard = [];
  addEventListener("message", ({ origin, data }) => heard.push({ origin, data }));
  window.renew = async (token) => (await fetch("${BI}/_embedgate/session", {
    method: "POST", credentials: "include", headers: { authorization: "Bearer " + token } })).status;
</script>
<h1>${escaped(host)}</h1>
${body}`;
}

function framed(wanted, host) {
  return page(host, `<iframe id="frame" src="${escaped(wanted.get('src'))}"></iframe>`);
}

function component(wanted, host) {
  return page(host, `<script defer src="${BI}/app/embed.js"></script>
<script>window.metabaseConfig = { isGuest: true, instanceUrl: "${BI}", guestEmbedProviderUri: "${BI}/_embedgate/metabase/token" };</script>
<metabase-dashboard token="${escaped(wanted.get('token'))}" height="900"></metabase-dashboard>`);
}

// ----------------------------------------------------------------------------------------------------------------- tokens

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
// The signatures of all tokens that were made: none of them may ever go further than the gateway.
export const signatures = [];

// A viewer token, as the application's backend signs it.
export function viewer(tenant, { life = 300, ...change } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: 'embedgate', sub: `viewer-of-${tenant}`, jti: randomUUID(), iat: now, exp: now + life,
    resource: { dashboard: 42 }, params: { organization_id: tenant }, ...change,
  };
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  const signature = createHmac('sha256', APP_KEY).update(text).digest('base64url');
  signatures.push(signature);
  return `${text}.${signature}`;
}

// Until a token is past its end.
export function expired(token) {
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  return sleep(Math.max(0, exp * 1000 - Date.now()) + 1100);
}
