// Every example signs with a shared secret and with a private key; a real gateway lets each token in once, and none that was changed.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const { EMBEDGATE_BIN, EMBEDGATE_TEST_SCRATCH: scratch, EMBEDGATE_TEST_ARTIFACTS: artifacts } = process.env;
const SECRET = randomBytes(32).toString('hex');
const KEYS = {
  ES256: { EMBED_KID: '2026-11', EMBED_KEY: join(scratch, '2026-11.key') },
  HS256: { EMBED_KID: 'shared-1', EMBED_SECRET: SECRET },
};
const CLAIMS = ['aud', 'exp', 'iat', 'iss', 'jti', 'params', 'resource', 'sub', 'tenant'];
const lines = (name) => readFileSync(join(scratch, name), 'utf8').split('\n').filter(Boolean);

// ------------------------------------------------------------------------------------------- the gateway and what is behind it

// It answers with what it was asked, and as whom.
const upstream = http.createServer(({ url, headers }, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ url, viewer: headers['x-viewer'], tenant: headers['x-tenant'], cookie: headers.cookie }));
});
upstream.listen(0, '127.0.0.1');
await once(upstream, 'listening');

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
const [port, admin] = [await freePort(), await freePort()];

writeFileSync(join(scratch, 'gateway.toml'), `
[listen]
address = "127.0.0.1:${port}"
[admin]
address = "127.0.0.1:${admin}"
[audit]
output = "${join(artifacts, 'audit.jsonl')}"
[session]
secret = { env = "SESSION" }
[issuer.shared]
keys = [{ kid = "shared-1", algorithm = "HS256", secret = { env = "SECRET" } }]
issuer = "https://app.example.com"
audience = "embedgate"
max_lifetime = "2m"
[issuer.app]
jwks = "jwks.json"
issuer = "https://app.example.com"
audience = "embedgate"
max_lifetime = "2m"
[site.reports]
hosts = ["bi.example.com"]
upstream = "http://127.0.0.1:${upstream.address().port}"
kind = "generic"
issuers = ["shared", "app"]
frame_ancestors = ["https://app.example.com"]
single_use = true
identity = { X-Viewer = "viewer", X-Tenant = "tenant" }
[site.reports.params]
organization_id = { mode = "locked", type = "integer" }
[[site.reports.routes]]
path = "/reports/{id}"
resource = "report:{id}"
lock = [{ param = "organization_id", in = "query", name = "organization" }]
`);

function get(target, headers = {}, where = port) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port: where, path: target, headers, timeout: 15_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part) => { body += part; })
        .on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer')));
  });
}
// As the iframe of a page of the application asks.
const frame = (target, cookie = []) => get(target, {
  host: 'bi.example.com', referer: 'https://app.example.com/', accept: 'text/html', 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate',
  'sec-fetch-site': 'cross-site', cookie: cookie.join('; '),
});

const gateway = spawn(EMBEDGATE_BIN, ['run', '--config', join(scratch, 'gateway.toml')], {
  env: { ...process.env, SECRET, SESSION: randomBytes(32).toString('hex') }, stdio: ['ignore', 'ignore', 'pipe'],
});
gateway.stderr.pipe(createWriteStream(join(artifacts, 'gateway.log')));
process.on('exit', () => gateway.kill());
process.on('SIGTERM', () => process.exit(143));
for (const end = Date.now() + 20_000; (await get('/readyz', {}, admin).catch(() => ({}))).status !== 200; await sleep(50)) {
  if (Date.now() > end) throw new Error(`the gateway does not get ready: see ${join(artifacts, 'gateway.log')}`);
}
await sleep(1000); // a token of the second in which the gateway began counts as used

// ------------------------------------------------------------------------------------------------------------------- the checks

const part = (text) => JSON.parse(Buffer.from(text, 'base64url'));
const ids = new Set();

async function sign(command, key) {
  const { EMBED_KID, EMBED_KEY, EMBED_SECRET, ...env } = process.env;
  const { stdout } = await promisify(execFile)('bash', ['-c', command], { env: { ...env, ...key }, timeout: 60_000 });
  const address = new URL(stdout.trim());
  assert.equal(address.origin + address.pathname, 'https://bi.example.com/reports/q3');
  assert.deepEqual([...address.searchParams.keys()], ['embed_token']);
  return address.searchParams.get('embed_token');
}

function inspect(token, algorithm) {
  const [header, claims] = token.split('.', 2).map(part);
  assert.deepEqual(header, { alg: algorithm, kid: KEYS[algorithm].EMBED_KID, typ: 'JWT' });
  const { nbf, ...rest } = claims; // .NET says it, too
  assert.deepEqual(Object.keys(rest).sort(), CLAIMS);
  assert.equal(claims.exp - claims.iat, 120);
  assert.ok(nbf === undefined || nbf === claims.iat);
  assert.match(claims.jti, /^[0-9A-Fa-f-]{32,36}$/);
  assert.ok(!ids.has(claims.jti), 'a token id comes twice');
  ids.add(claims.jti);
}

function altered(token) {
  const [header, claims, signature] = token.split('.');
  const other = Buffer.from(JSON.stringify({ ...part(claims), params: { organization_id: 100 } })).toString('base64url');
  return [header, other, signature].join('.');
}

async function accepted(token) {
  const page = (text) => `/reports/q3?embed_token=${text}`;
  const refused = await frame(page(altered(token)));
  assert.equal(refused.status, 401);
  assert.match(refused.body, /token_invalid/);

  const opened = await frame(page(token));
  assert.equal(opened.status, 303, opened.body);
  assert.doesNotMatch(opened.headers.location, /embed_token/);
  const reply = await frame(opened.headers.location, opened.headers['set-cookie'].map((cookie) => cookie.split(';', 1)[0]));
  assert.equal(reply.status, 200, reply.body);
  assert.deepEqual(JSON.parse(reply.body), { url: '/reports/q3?organization=99', viewer: 'viewer-7', tenant: 'acme' });

  const again = await frame(page(token));
  assert.equal(again.status, 401);
  assert.match(again.body, /token_replayed/);
}

const outcome = { passed: 0, failed: 0 };
const languages = lines('signers').map((line) => line.split('\t'));
for (const [language, command] of languages) {
  for (const [algorithm, key] of Object.entries(KEYS)) {
    try {
      const token = await sign(command, key);
      inspect(token, algorithm);
      await accepted(token);
      outcome.passed += 1;
      console.log(`ok    ${language} ${algorithm}: viewer-7 of acme sees organization 99, once; the token with 100 in it is refused`);
    } catch (error) {
      outcome.failed += 1;
      console.log(`FAIL  ${language} ${algorithm}\n${error.stack}`);
    }
  }
}

const names = languages.map(([language]) => language);
const skipped = lines('skipped');
console.log(`signing: ${outcome.passed} passed, ${outcome.failed} failed (${names.join(', ')})${skipped.length ? `; skipped: ${skipped.join(', ')}` : ''}`);
process.exit(outcome.failed === 0 && names.includes('python') && names.includes('node') ? 0 : 1);
