// Keys rotate under load: not one good token is refused, and not one old token is accepted once its key is gone.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Identity, header, key, payload } from './provider.mjs';

const AUDIENCE = 'https://embedgate.example.com';
const REFRESH = 5; // seconds: the bound within which a withdrawn key dies, and a fetch (10 s at the most) on top
const WORKERS = 4;

const outcome = { passed: 0, failed: 0 };
async function check(name, body) {
  const began = Date.now();
  try {
    const told = await body();
    outcome.passed += 1;
    console.log(`ok    ${name}${told ? `: ${told}` : ''} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    outcome.failed += 1;
    console.log(`FAIL  ${name}\n${error.stack}`);
  }
}
async function until(what, so, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  while (!(await so())) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await sleep(50);
  }
}

// -------------------------------------------------------------------------------------------- the gateway and what is behind it

const folder = mkdtempSync(join(tmpdir(), 'embedgate-oidc-'));
const upstream = http.createServer((_, response) => response.end('a report')).listen(0, '127.0.0.1');
await once(upstream, 'listening');
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

class Gateway {
  static async start(name, issuer, more = '') {
    const gateway = new Gateway();
    [gateway.port, gateway.admin] = [await freePort(), await freePort()];
    const file = join(folder, `${name}.toml`);
    writeFileSync(file, `
[listen]
address = "127.0.0.1:${gateway.port}"
[admin]
address = "127.0.0.1:${gateway.admin}"
[audit]
output = "off"
[issuer.idp]
issuer_url = "${issuer}"
audience = "${AUDIENCE}"
jwks_refresh = "${REFRESH}s"
${more}
[site.reports]
hosts = ["bi.example.com"]
upstream = "http://127.0.0.1:${upstream.address().port}"
kind = "generic"
issuers = ["idp"]
frame_ancestors = ["https://app.example.com"]
sessions = false
[site.reports.params]
tenant_id = { mode = "locked", type = "integer" }
[[site.reports.routes]]
path = "/reports/{id}"
resource = "report:{id}"
lock = [{ param = "tenant_id", in = "query", name = "tenant" }]
`);
    gateway.process = spawn(process.env.EMBEDGATE_BIN, ['run', '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    gateway.process.stderr.pipe(createWriteStream(join(process.env.ARTIFACTS, `${name}.log`)));
    await until('the gateway listens', () => gateway.get(gateway.admin, '/livez').then((reply) => reply.status === 200, () => false));
    return gateway;
  }

  get(port, path, headers = {}) {
    return new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port, path, headers, agent, timeout: 15_000 }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (part) => { body += part; }).on('end', () => resolve({ status: response.statusCode, body }));
      });
      request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer')));
    });
  }

  async report(token) {
    const reply = await this.get(this.port, '/reports/q3', { host: 'bi.example.com', authorization: `Bearer ${token}` });
    return reply.status === 401 ? JSON.parse(reply.body).code : reply.status;
  }

  ready() {
    return this.get(this.admin, '/readyz').then((reply) => reply.status === 200);
  }

  async metric(series) {
    const { body } = await this.get(this.admin, '/metrics');
    const line = body.split('\n').find((one) => one.startsWith(`embedgate_${series} `));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  }

  async stop() {
    this.process.kill('SIGTERM');
    const [code] = await once(this.process, 'exit');
    assert.equal(code, 0, 'the gateway ends in order');
  }
}

// ------------------------------------------------------------------------------------------------------------------- the load

class Load {
  good = 0;
  refused = [];
  kids = new Map();
  #going = true;
  #workers;

  constructor(identity, gateway) {
    this.#workers = Array.from({ length: WORKERS }, () => this.#work(identity, gateway));
  }

  async #work(identity, gateway) {
    let kept;
    for (let turn = 0; this.#going; turn += 1) {
      // Every other request brings a token that the gateway remembers; the others are fresh, from the key that signs now.
      if (turn % 2 === 0 || !kept) kept = await identity.token(AUDIENCE);
      const { kid } = header(kept);
      const verdict = await gateway.report(kept);
      if (verdict === 200) this.good += 1;
      else this.refused.push(`${kid}: ${verdict}`);
      this.kids.set(kid, (this.kids.get(kid) ?? 0) + 1);
    }
  }

  async stop() {
    this.#going = false;
    await Promise.all(this.#workers);
  }
}

// ----------------------------------------------------------------------------------------------------------------- the checks

const [first, second, third, fourth] = [key('ES256'), key('ES256'), key('RS256'), key('ES256')];
const identity = await new Identity().start([first]);
const gateway = await Gateway.start('gateway', identity.issuer);

try {
  await check('a provider is discovered, and its tokens open a report', async () => {
    await until('the gateway is ready', () => gateway.ready());
    const token = await identity.token(AUDIENCE);
    assert.equal(header(token).typ, 'at+jwt');
    assert.equal(payload(token).iss, identity.issuer);
    assert.equal(await gateway.report(token), 200);
    assert.equal(await gateway.metric('issuer_keys{issuer="idp"}'), 1);
    return `oidc-provider, ${header(token).alg}, kid ${header(token).kid}`;
  });

  await check('a token for another application of the provider is refused', async () => {
    assert.equal(await gateway.report(await identity.token('https://other.example.com')), 'token_invalid');
  });

  await check('keys rotate under load, and not one good token is refused', async () => {
    const load = new Load(identity, gateway);
    const rotations = [[second, first], [third, second, first], [fourth, third, second, first]];
    await sleep(1500);
    for (const keys of rotations) {
      identity.rotate(keys);
      await until(`tokens of ${keys[0].kid} are used`, () => (load.kids.get(keys[0].kid) ?? 0) > 20);
      await sleep(3000);
    }
    await load.stop();
    assert.deepEqual(load.refused, []);
    assert.equal(load.kids.size, 4);
    return `${load.good} good tokens of 4 keys, ${identity.asked.keys} fetches`;
  });

  await check('a key that is gone is dead within the bound, also for tokens that are remembered', async () => {
    identity.rotate([second, fourth]);
    const old = await identity.token(AUDIENCE);
    assert.equal(header(old).kid, second.kid);
    for (let turn = 0; turn < 5; turn += 1) assert.equal(await gateway.report(old), 200, 'remembered');
    identity.rotate([fourth]);
    const began = Date.now();
    await until('the old token is refused', async () => (await gateway.report(old)) === 'token_invalid', REFRESH + 2);
    const took = (Date.now() - began) / 1000;
    let accepted = 0;
    for (let turn = 0; turn < 200; turn += 1) accepted += (await gateway.report(old)) === 'token_invalid' ? 0 : 1;
    assert.equal(accepted, 0, 'not one old token');
    assert.equal(await gateway.report(await identity.token(AUDIENCE)), 200);
    assert.equal(await gateway.metric('issuer_keys{issuer="idp"}'), 1);
    return `after ${took.toFixed(1)} s, the bound is ${REFRESH} s and a fetch`;
  });

  await check('a key from one moment to the next, without overlap, is known at its first token', async () => {
    await sleep(10_500); // the old token above asked for its key in vain: the next one may in ten seconds
    const next = key('RS256');
    identity.rotate([next]);
    const token = await identity.token(AUDIENCE);
    assert.equal(header(token).kid, next.kid);
    assert.equal(await gateway.report(token), 200);
  });

  await check('strangers who make up keys force no fetches', async () => {
    const before = identity.asked.keys;
    const [, claims, signature] = (await identity.token(AUDIENCE)).split('.');
    const forge = (turn) => [Buffer.from(JSON.stringify({ alg: 'RS256', kid: `made-up-${turn}` })).toString('base64url'), claims, signature].join('.');
    const began = Date.now();
    const verdicts = await Promise.all(Array.from({ length: 200 }, (_, turn) => gateway.report(forge(turn))));
    assert.ok(verdicts.every((verdict) => verdict === 'token_invalid'), 'all are refused');
    const seconds = (Date.now() - began) / 1000;
    const fetches = identity.asked.keys - before;
    assert.ok(fetches <= 2 + seconds / REFRESH, `${fetches} fetches in ${seconds} s`);
    return `200 made-up keys, ${fetches} fetches`;
  });

  await check('the provider goes down: known keys go on, and the gateway stays ready', async () => {
    const token = await identity.token(AUDIENCE);
    await identity.stop();
    const failed = () => gateway.metric('issuer_key_fetches_total{issuer="idp",result="unreachable"}');
    const before = await failed();
    await until('the outage is noticed', async () => (await failed()) >= before + 2, 30);
    assert.equal(await gateway.report(token), 200);
    assert.ok(await gateway.ready());
    const age = Date.now() / 1000 - (await gateway.metric('issuer_keys_last_fetch_timestamp_seconds{issuer="idp"}'));
    assert.ok(age >= 1 && age < 60, `${age}`);
  });

  await check('a gateway that has never seen a key is not ready until the provider is back', async () => {
    const fresh = await Gateway.start('fresh', identity.issuer);
    try {
      await until('it has tried', async () => (await fresh.metric('issuer_key_fetches_total{issuer="idp",result="unreachable"}')) >= 1);
      assert.equal(await fresh.ready(), false);
      await identity.again();
      await until('it is ready', () => fresh.ready(), 30);
      assert.equal(await fresh.report(await identity.token(AUDIENCE)), 200);
    } finally {
      await fresh.stop();
    }
  });

  await check('the gateway that went through it all follows again', async () => {
    const next = key('ES256');
    identity.rotate([next]);
    const token = await identity.token(AUDIENCE);
    await until('the new key is known', async () => (await gateway.report(token)) === 200, REFRESH + 12);
  });
} finally {
  await gateway.stop();
  await identity.stop().catch(() => {});
  agent.destroy();
  upstream.closeAllConnections();
  upstream.close();
  rmSync(folder, { recursive: true });
}
console.log(`oidc: ${outcome.passed} passed, ${outcome.failed} failed`);
process.exit(outcome.failed === 0 && outcome.passed > 0 ? 0 : 1);
