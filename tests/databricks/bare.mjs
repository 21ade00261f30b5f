// The official client in front of the bare stand-in: what it needs, what it does, and what it cannot digest. Started by `run`.

import { strict as assert } from 'node:assert';

import { application, BENCHMARK, browser, check, open, ROWS, SALES, sleep, standin, stopAll, summary, threeSteps, until, WORKSPACE } from './lib.mjs';

const FRAMING = /frame-ancestors|violates the following Content Security Policy/;
const failed = (status) => new RegExp(`status of ${status}`);

async function main() {
  const databricks = await standin('--loads', '1000');
  const mint = (wanted) => threeSteps(databricks.url, wanted);
  const app = await application(() => mint());
  const thief = await application();
  await databricks.tell('approve', app);
  const scene = { databricks, mint, app, thief, chrome: await browser(), instanceUrl: databricks.url };
  await rendering(scene);
  await refusal(scene);
  await refresh(scene);
  await indigestible(scene);
}

async function rendering({ databricks, mint, app, chrome, instanceUrl }) {
  for (const [tenant, count] of Object.entries(ROWS)) {
    await check(`the official client shows tenant ${tenant} its ${count} rows`, async () => {
      const view = await (await open(chrome, app)).show({ instanceUrl, token: await mint({ value: tenant }) });
      for (const row of await view.rows(count)) assert.equal(row[0], tenant);
      assert.equal(await view.frame.locator('h1').innerText(), 'Sales');
      await view.shot(`bare-${tenant}`);
      await view.close();
    });
  }
  await check('the frame is at the documented address, its token in the fragment, which no server sees', async () => {
    databricks.forget();
    const token = await mint();
    const view = await (await open(chrome, app)).show({ instanceUrl, token, pageId: 'ef56ab78', colorScheme: 'dark' });
    const source = await view.page.locator('#place iframe').getAttribute('src');
    assert.equal(source, `${instanceUrl}/embed/dashboardsv3/${SALES}/pages/ef56ab78?o=${WORKSPACE}#token=${token}`);
    await view.rows(7);
    assert.equal(await view.frame.locator('[aria-current]').innerText(), 'Regions');
    const [page] = databricks.of('page');
    assert.equal(page.target, `/embed/dashboardsv3/${SALES}/pages/ef56ab78?o=${WORKSPACE}`);
    const headers = Object.fromEntries(page.headers);
    assert.deepEqual([headers['sec-fetch-dest'], headers.referer, headers.authorization], ['iframe', `${app}/`, undefined]);
    for (const { target, headers: all } of databricks.calls) {
      assert.ok(!target.includes(token));
      for (const [name, value] of all) assert.ok(name === 'authorization' || !value.includes(token), name);
    }
    assert.ok(databricks.of('data').length >= 2);
    await view.close();
  });
  await check('the three messages: ready to the host, configuration and tokens from it', async () => {
    const view = await (await open(chrome, app)).show({ instanceUrl, token: await mint(), config: { version: 1, hideRefreshButton: true } });
    await view.rows(7);
    assert.deepEqual(await view.heard(), [{ origin: new URL(instanceUrl).origin, data: { type: 'DATABRICKS_EMBED_READY' } }]);
    await until('the configuration', () => view.mark('configured'));
    assert.ok(await view.frame.locator('#refresh').isVisible(), 'hideRefreshButton is not honoured by the client');
    await view.page.evaluate(() => window.dashboard.destroy());
    await assert.rejects(view.page.evaluate(() => window.dashboard.destroy()), /already been destroyed/);
    await view.close();
  });
  await check('a dataset that does not use the external value shows everybody’s rows', async () => {
    const view = await (await open(chrome, app)).show({ instanceUrl, dashboardId: BENCHMARK, token: await mint({ dashboard: BENCHMARK }) });
    const tenants = new Set((await view.rows(16)).map(([tenant]) => tenant));
    assert.equal(tenants.size, 3);
    await view.close();
  });
}

async function refusal({ databricks, mint, app, thief, chrome, instanceUrl }) {
  await check('a page that is not approved cannot frame it', async () => {
    const view = await (await open(chrome, thief)).show({ instanceUrl, token: await mint() });
    await until('the browser’s complaint', () => view.problems.some((text) => FRAMING.test(text)));
    assert.deepEqual(await view.heard(), []);
    await view.close(FRAMING);
  });
  await check('without a token, with one for another dashboard, and with one without a claim there are no rows', async () => {
    const none = await (await open(chrome, app)).show({ instanceUrl });
    assert.equal((await none.alert()).status, 401);
    await none.close(failed(401));
    const other = await (await open(chrome, app)).show({ instanceUrl, token: await mint({ dashboard: BENCHMARK }) });
    assert.equal((await other.alert()).status, 403);
    await other.close(failed(403));
  });
  await check('past its token’s end the page shows nothing new', async () => {
    await databricks.tell('scoped-ttl', 5);
    const token = await mint();
    const end = Date.now() + 5500;
    const view = await (await open(chrome, app)).show({ instanceUrl, token });
    await databricks.tell('scoped-ttl', 3600);
    await view.rows(7);
    await sleep(Math.max(0, end - Date.now()));
    await view.frame.locator('#refresh').click();
    assert.equal((await view.alert()).status, 401);
    await view.shot('bare-expired');
    await view.close(failed(401));
  });
  await check('when the workspace fails, the page says so, and shows its rows when it is well again', async () => {
    await databricks.tell('fault', 'data', '503', 1);
    const view = await (await open(chrome, app)).show({ instanceUrl, token: await mint() });
    assert.equal((await view.alert()).status, 503);
    await view.frame.locator('#refresh').click();
    await view.rows(7);
    await view.close(failed(503));
  });
}

async function refresh({ databricks, mint, app, chrome, instanceUrl }) {
  await check('five minutes before its end a token is replaced, once, and the page goes on with the new one', async () => {
    await databricks.tell('scoped-ttl', 306);
    const token = await mint();
    await databricks.tell('scoped-ttl', 3600);
    databricks.forget();
    const view = await (await open(chrome, app)).show({ instanceUrl, token, renew: 'fetch' });
    await view.rows(7);
    assert.equal(await view.asked(), 0);
    await until('the new token', () => view.mark('tokens'));
    await view.rows(7);
    await sleep(1000);
    assert.equal(await view.asked(), 1);
    const used = new Set(databricks.of('data').map(({ headers }) => Object.fromEntries(headers).authorization));
    assert.equal(used.size, 2);
    await view.shot('bare-refreshed');
    await view.close();
  });
}

async function indigestible({ databricks, mint, app, chrome, instanceUrl }) {
  await databricks.tell('scoped-ttl', 299);
  const short = await mint();
  await databricks.tell('scoped-ttl', 3600);
  await check('a token of five minutes or less: its refresh comes before the page is ready, and an error replaces the dashboard', async () => {
    const view = await (await open(chrome, app)).show({ instanceUrl, token: short, renew: [short] });
    assert.match(await view.failure(), /has not been fully initialized/);
    await view.shot('bare-short');
    await view.close();
  });
  await check('a token of five minutes or less, when the page is ready: a storm of refreshes', async () => {
    const view = await (await open(chrome, app)).show({ instanceUrl, token: short, renew: [short], patient: true });
    await until('the first refresh', async () => (await view.asked()) > 1);
    const before = await view.asked();
    await sleep(1000);
    const storm = (await view.asked()) - before;
    await view.page.evaluate(() => window.dashboard.destroy());
    assert.ok(storm > 20, `${storm} refreshes in a second`);
    await view.close(/./);
    return `${storm} refreshes in a second`;
  });
  await check('without getNewToken a short token does no harm', async () => {
    const view = await (await open(chrome, app)).show({ instanceUrl, token: short });
    await view.rows(7);
    await view.close();
  });
  await databricks.tell('payload', 'url');
  const odd = await mint();
  await databricks.tell('payload', 'plain');
  await check('a payload with - and _ is an error where there is getNewToken, and none where there is not', async () => {
    assert.match(odd.split('.')[1], /-.*_|_.*-/);
    const view = await (await open(chrome, app)).show({ instanceUrl, token: odd, renew: [odd] });
    assert.match(await view.failure(), /atob|not correctly encoded/);
    await view.shot('bare-payload');
    await view.close();
    const plain = await (await open(chrome, app)).show({ instanceUrl, token: odd });
    await plain.rows(7);
    await plain.close();
  });
  await check('an external value alone can bring such a payload: with ~, ? or >, or with letters beyond ASCII', async () => {
    const brought = async (value) => /[-_]/.test((await mint({ value })).split('.')[1]);
    // Where in a group of three bytes it stands decides.
    for (const text of ['~', 'Польша']) {
      const all = [];
      for (const before of ['', 'a', 'ab']) all.push(await brought(before + text));
      assert.ok(all.includes(true), text);
    }
    assert.equal(await brought('EMEA'), false);
  });
  await check('a token that is no JWT is an error of the client, where there is getNewToken', async () => {
    const view = await (await open(chrome, app)).show({ instanceUrl, token: 'opaque', renew: ['opaque'] });
    assert.match(await view.failure(), /incomplete or incorrectly formatted/);
    await view.close(failed(401));
  });
}

let good = false;
try {
  process.once('SIGTERM', () => stopAll().finally(() => process.exit(143)));
  const late = setTimeout(() => { console.log('databricks: not done after 110 s'); stopAll().finally(() => process.exit(1)); }, 110_000);
  await main();
  clearTimeout(late);
} catch (error) {
  await check('the checks run to their end', () => { throw error; });
} finally {
  await stopAll().catch((error) => check('everything that was started stops', () => { throw error; }));
  good = summary('databricks, bare');
}
process.exit(good ? 0 : 1);
