// The gateway in front of a real Superset: what a viewer sees in the browser, and what an attacker gets without one. Started by `run`.

import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { attacks } from './attacks.mjs';
import { Browser } from './browser.mjs';
import { configuration } from './gateway.mjs';
import { ask, check, facts, freePort, gateway, hostApplication, secrets, state, stopAll, summary, tap, until } from './lib.mjs';

const ROWS = {
  999: [['999', '1', 'Basic', 'Active'], ['999', '2', 'Basic', 'Active'], ['999', '3', 'Basic', 'Inactive']],
  777: [['777', '4', 'Premium', 'Inactive'], ['777', '5', 'Premium', 'Active']],
};

async function main() {
  const superset = await tap(facts.superset.port);
  const bianalyst = await tap(facts.bianalyst.port);
  const port = await freePort();
  const base = (wanted) => `http://localhost:${port}${wanted.get('site') === 'bianalyst' ? '/bianalyst' : ''}`;
  const host = await hostApplication(base);
  const foreign = await hostApplication(base);
  const config = configuration({ port, host: host.port, superset: superset.port, bianalyst: bianalyst.port });
  await gateway(config, {
    EMBEDGATE_TEST_GUEST_SECRET: secrets.guest, EMBEDGATE_TEST_ISSUER_SECRET: secrets.issuer, EMBEDGATE_TEST_SERVICE_KEY: secrets.service,
  });
  const scene = { port, superset, bianalyst, host, foreign };

  await attacks(scene);
  const browser = await Browser.launch(`http://localhost:${host.port}`, `http://localhost:${foreign.port}`);
  try {
    await viewers(browser, scene);
    await cookies(browser);
  } finally {
    await browser.close();
  }
  await afterwards(scene);
}

async function viewers(browser, scene) {
  for (const tenant of [999, 777]) {
    const count = ROWS[tenant].length;
    await check(`in the browser, tenant ${tenant} sees its ${count} rows, on screen and in every answer`, async () => {
      const view = await browser.open({ tenant });
      assert.deepEqual(await view.rows(count), ROWS[tenant]);
      await view.sees(/^Account count/, String(count));
      await view.shot(`tenant-${tenant}`);
      const answers = await view.answers();
      assert.ok(answers.length >= 4, `three charts and a filter, got ${answers.length}`);
      for (const answer of answers) onlyOf(tenant, answer);
      assert.deepEqual(view.errors(), []);
      await view.close();
    });
  }
  await check('in the browser, the native filter works inside the lock', async () => {
    const view = await browser.open({ tenant: 999 });
    await view.rows(3);
    assert.deepEqual(await view.filterOptions(), ['Active', 'Inactive']);
    await view.filter('Active');
    assert.deepEqual(await view.rows(2), ROWS[999].filter((row) => row[3] === 'Active'));
    await view.shot('filter-active');
    for (const answer of await view.answers()) onlyOf(999, answer);
    await view.close();
  });
  await check('in the browser, a foreign host page cannot frame it', async () => {
    const before = scene.superset.requests().length;
    const view = await browser.open({ tenant: 999 }, { foreign: true });
    await view.blocked();
    await view.shot('foreign-host');
    assert.equal(await view.framed(), '', 'nothing of Superset is shown');
    assert.equal(scene.superset.requests().length, before, 'Superset was not asked');
    await view.close();
  });
  await check('in the browser, a foreign host page that hides its name cannot frame it either', async () => {
    const view = await browser.open({ tenant: 999, silent: 1 }, { foreign: true });
    await view.blocked();
    await view.shot('foreign-host-silent');
    assert.equal(await view.framed(), '', 'nothing of Superset is shown');
    assert.deepEqual(await view.answers(), []);
    await view.close();
  });
  await check('in the browser, token refresh goes on past expiry', () => refresh(browser, scene));
  await check('in the browser, CSV comes with scope download', async () => {
    const view = await browser.open({ tenant: 999, scope: 'view download' });
    await view.rows(3);
    const csv = await view.exported('Accounts');
    const lines = csv.replace('\uFEFF', '').trim().split(/\r?\n/);
    assert.deepEqual(lines, ['tenant_id,account_id,plan,status', ...ROWS[999].map((row) => row.join(','))]);
    await view.close();
  });
  await check('in the browser, CSV is refused without the scope, readably', async () => {
    const view = await browser.open({ tenant: 999 });
    await view.rows(3);
    const text = await view.exportRefused('Accounts', 'csv-refused');
    assert.match(text, /has not been granted/);
    await view.close();
  });
  await check('in the browser, the same below a path prefix, with the token in the page URL (CalabiIQ)', async () => {
    const view = await browser.open({ tenant: 777, site: 'bianalyst', in_url: 1 });
    assert.deepEqual(await view.rows(2), ROWS[777]);
    await view.shot('bianalyst');
    for (const answer of await view.answers()) onlyOf(777, answer);
    await view.close();
  });
}

// Tokens of 12 s: the SDK fetches a new one every 7 s or so, and the page must go on with them.
async function refresh(browser, { port, host }) {
  const before = host.fetched.length;
  const view = await browser.open({ tenant: 999, ttl: 12 });
  await view.rows(3);
  const first = host.fetched[before];
  await until('a third token', () => host.fetched.length >= before + 3, 40);
  await sleep(6000);
  const old = await ask(port, 'GET', '/api/v1/me/roles/', { token: first });
  assert.equal(old.status, 401);
  assert.equal(old.json.code, 'token_expired');
  await view.filter('Inactive');
  assert.deepEqual(await view.rows(1), ROWS[999].filter((row) => row[3] === 'Inactive'));
  assert.deepEqual(view.errors(), []);
  await view.shot('after-refresh');
  await view.close();
}

// No other tenant's row in any form: raw rows by their columns, aggregates by their counts.
function onlyOf(tenant, answer) {
  for (const result of answer.result) {
    for (const row of result.data) {
      if ('tenant_id' in row) assert.equal(row.tenant_id, tenant);
      if ('plan' in row) assert.equal(row.plan, tenant === 999 ? 'Basic' : 'Premium');
      if ('count' in row) assert.ok(row.count <= ROWS[tenant].length);
    }
  }
}

// Superset sets a session cookie on its page and on many answers, the gateway none: whatever the browser keeps is a hole.
async function cookies(browser) {
  await check('in the browser, no cookie was ever kept', async () => assert.deepEqual(await browser.cookies(), []));
}

// What must hold for all that went through, in the browser or not.
async function afterwards({ superset, bianalyst, host }) {
  const heard = superset.text() + bianalyst.text();
  await check('no viewer token, cookie or key ever reached Superset', () => {
    assert.ok(host.fetched.length > 8 && superset.requests().length > 100, 'there was traffic');
    for (const token of host.fetched) assert.ok(!heard.includes(token.split('.')[2]), 'a token of the browser');
    assert.doesNotMatch(heard, /^(cookie|authorization|origin|x-csrftoken): /im);
    assert.ok(!heard.includes(secrets.service) && !heard.includes(secrets.issuer));
    assert.doesNotMatch(heard, /guest_token=/);
  });
  await check('no viewer token or key stands in the log or the audit trail', () => {
    const log = readFileSync(join(facts.artifacts, 'gateway.log'), 'utf8');
    const audited = log.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    assert.ok(audited.length > 100 && audited.some(({ code }) => code === 'param_locked'), `${audited.length} records`);
    assert.ok(audited.some(({ action, outcome }) => action === 'download' && outcome === 'allowed'), 'an export is named as such');
    for (const token of host.fetched) assert.ok(!log.includes(token.split('.')[2]), 'a token of the browser');
    for (const secret of Object.values(secrets)) assert.ok(!log.includes(secret));
  });
  await check('Superset saw one guest token per request, and the constant Referer', () => {
    const calls = [...superset.messages, ...bianalyst.messages].filter(({ line }) => / \/(bianalyst\/)?api\//.test(line));
    assert.ok(calls.length > 20, `${calls.length} calls`);
    for (const { line, head } of calls) {
      assert.equal(head.filter((field) => /^x-guesttoken: /i.test(field)).length, 1, line);
      assert.deepEqual(head.filter((field) => /^referer: /i.test(field)).map((field) => field.slice(9)), [state.referer], line);
    }
  });
  await check('Superset was asked nothing beyond the surface', () => {
    const surface = /^(GET|HEAD) \/(bianalyst\/)?(embedded\/[0-9a-f-]{36}|static\/\S+|api\/v1\/me\/roles\/|api\/v1\/dashboard\/\d+(\/charts|\/datasets)?)(\?|$)|^POST \/(bianalyst\/)?api\/v1\/chart\/data(\?|$)/;
    const strange = [...superset.requests(), ...bianalyst.requests()].filter((line) => !surface.test(line));
    assert.deepEqual(strange, []);
  });
  await check('Superset’s own access log says the same', () => {
    const lines = [facts.superset, facts.bianalyst].flatMap(({ log }) => readFileSync(log, 'utf8').split('\n'));
    const routed = lines.filter((line) => line && !line.includes('embedgate-tests-direct') && !line.includes('Python-urllib'));
    assert.ok(routed.length > 100);
    assert.deepEqual(routed.filter((line) => !/"(GET|HEAD|POST) \/(bianalyst\/)?(embedded|static|api\/v1\/(me\/roles|dashboard\/\d+|chart\/data))/.test(line)), []);
  });
}

let good = false;
try {
  await main();
} catch (error) {
  await check('the checks run to their end', () => { throw error; });
} finally {
  await stopAll().catch((error) => check('everything that was started stops', () => { throw error; }));
  good = summary();
}
process.exit(good ? 0 : 1);
