// Metabase's pages (those of the stand-in) behind the gateway, in Chromium: what viewers see on pages that may embed them, and what everybody else gets.
// Started by `run`.

import { strict as assert } from 'node:assert';

import { Browser } from './browser.mjs';
import {
  APP, BI, check, expired, gateway, hosts, INSIDE, LINK, LOCKED_IDS, SECRETS, signatures, SISTER, sleep, standin, stopAll, summary, THIEF, until, viewer,
} from './lib.mjs';

const ROWS = { 999: 7, 777: 5, 555: 4 };
const FRAMING = /frame-ancestors|violates the following Content Security Policy/;
const failed = (status) => new RegExp(`status of ${status}`);
const embed = (token, query = '') => `/embed/dashboard/${token}${query}`;
const shared = (token, query = '') => `/public/dashboard/${LINK}?${token ? `embed_token=${token}` : ''}${query}`;

async function main() {
  const metabase = await standin();
  const accounts = await bare(metabase);
  const edge = await gateway(metabase.url);
  const port = await hosts();
  const browser = await Browser.launch(edge.port, port);
  const [strict, lenient] = [await Browser.profile(edge.port, port, true), await Browser.profile(edge.port, port, false)];
  const scene = { metabase, accounts, edge, browser, strict, lenient };
  try {
    await signed(scene);
    await foreign(scene);
    await copied(scene);
    await component(scene);
    await links(scene);
    await thirdParty(scene);
  } finally {
    for (const one of [browser, strict, lenient]) await one.close();
  }
  await afterwards(scene);
}

// What Metabase itself shows to anybody, by tenant: the names that must stay with their owners.
async function bare(metabase) {
  const answer = await fetch(`${metabase.url}/api/public/dashboard/${LINK}/dashcard/101/card/201`, { headers: { 'x-bare': '1' } });
  const { data } = await answer.json();
  const accounts = Object.fromEntries(Object.keys(ROWS).map((tenant) => [tenant, data.rows.filter((row) => String(row[1]) === tenant).map((row) => row[2]).sort()]));
  await check('without the gateway, the public link shows everybody’s accounts to anybody', () => {
    for (const [tenant, count] of Object.entries(ROWS)) assert.equal(accounts[tenant].length, count);
  });
  metabase.forget();
  return accounts;
}

// Nothing of others, of the lock or from inside stands in what a viewer can find.
async function discreet(view, tenant, { accounts }) {
  const found = await view.found();
  const others = Object.entries(accounts).filter(([id]) => Number(id) !== tenant).flatMap(([, names]) => names);
  for (const name of [...others, ...LOCKED_IDS, ...INSIDE]) assert.ok(!found.includes(name), `${name}: …${found.split(name)[0].slice(-200)}${name}`);
}

// ------------------------------------------------------------------------------------------------------- signed embeds

async function signed(scene) {
  const person = await scene.browser.person();
  for (const [tenant, count] of Object.entries(ROWS).map(([tenant, count]) => [Number(tenant), count])) {
    await check(`tenant ${tenant} sees its ${count} accounts, and nothing of others, of the lock or from inside`, async () => {
      const view = await (await person.frame(APP, embed(viewer(tenant)))).ready();
      assert.deepEqual(await view.accounts(count), scene.accounts[tenant]);
      assert.equal(await view.frame.locator('h1').innerText(), 'Accounts');
      assert.match(await view.frame.locator('footer').innerText(), /Powered by/, 'the banner stays');
      assert.equal(await view.widget('organization_id').count(), 0);
      await discreet(view, tenant, scene);
      await view.shot(`signed-${tenant}`);
      await view.close();
    });
  }
  await check('the session cookie is out of reach of scripts, secure and partitioned by the host page’s site', async () => {
    const cookie = await person.session();
    assert.ok(cookie?.httpOnly && cookie.secure && cookie.sameSite === 'None', JSON.stringify(cookie));
    assert.equal(new URL(cookie.partitionKey).hostname, 'customer.example');
    const names = (await person.context.cookies()).map(({ name }) => name);
    assert.ok(names.length > 0 && names.every((name) => name.startsWith('__Host-embedgate')), `and Metabase’s are not there: ${names}`);
  });
  await check('a filter works from the page’s address, by its slug', async () => {
    const view = await (await person.frame(APP, embed(viewer(999), '?region=Europe'))).ready();
    assert.equal(await view.widget('region').inputValue(), 'Europe');
    for (const row of await view.rows(3)) assert.equal(row[3], 'Europe');
    await view.close();
  });
  await check('a filter works through its widget, whose list names own values only', async () => {
    const view = await (await person.frame(APP, embed(viewer(777)))).ready();
    assert.deepEqual(await view.offered('region'), ['Asia-Pacific', 'Europe'], 'nobody of tenant 777 is in the Americas');
    await view.filter('region', 'Europe');
    await view.rows(4);
    await view.filter('region', 'Americas');
    await view.rows(0);
    await view.filter('region', '');
    await view.rows(5);
    await discreet(view, 777, scene);
    await view.close();
  });
  await check('whoever asks for other rows from inside the frame is told why not, and Metabase never hears of it', async () => {
    const view = await (await person.frame(APP, embed(viewer(999)))).ready();
    scene.metabase.forget();
    const refused = await view.within(async () => {
      const token = location.pathname.split('/').pop();
      const ask = async (parameters) => {
        const answer = await fetch(`/api/embed/dashboard/${token}/dashcard/101/card/201?parameters=${encodeURIComponent(JSON.stringify(parameters))}`);
        return { status: answer.status, ...(await answer.json()) };
      };
      return [await ask({ organization_id: [777] }), await ask({ organization_id: [] }), await ask({ internal: [1] })];
    });
    assert.deepEqual(refused.map(({ status, code }) => `${status} ${code}`), ['403 param_locked', '403 param_locked', '403 param_invalid']);
    assert.match(refused[0].message, /only specify a value for organization_id in the token/i);
    assert.deepEqual(scene.metabase.seen, []);
    await view.close(failed(403));
  });
  await check('a CSV export has own rows only', async () => {
    const view = await (await person.frame(APP, embed(viewer(777, { scope: 'view download' }), '?region=Europe'))).ready();
    const { lines } = await view.exported();
    assert.equal(lines.length, 4);
    for (const line of lines) assert.ok(scene.accounts[777].some((name) => line.includes(name)), line);
    await view.close();
  });
  await check('without the scope there is no export, and Metabase is not asked for one', async () => {
    const view = await (await person.frame(APP, embed(viewer(777)))).ready();
    scene.metabase.forget();
    assert.deepEqual(await view.exported(), { status: '403' });
    assert.deepEqual(scene.metabase.seen, []);
    await view.close(failed(403));
  });
  await check('a question is embedded alike', async () => {
    const token = viewer(555, { resource: { question: 7 }, scope: 'view download' });
    const view = await (await person.frame(APP, `/embed/question/${token}?region=Americas`)).ready();
    await view.rows(2, '[data-card="7"]');
    await discreet(view, 555, scene);
    const { lines } = await view.exported('[data-card="7"]');
    assert.equal(lines.length, 2, 'by the address of the page, which leads to the gateway’s own');
    await view.close();
  });
  await person.close();
}

// ------------------------------------------------------------------------------------------------------- foreign pages

async function foreign({ browser, metabase, edge }) {
  const person = await browser.person();
  const nothing = async (name, path, more) => {
    metabase.forget();
    const view = await person.frame(THIEF, path, more);
    await until('a refused frame', () => view.problems.some((text) => FRAMING.test(text)));
    assert.equal(await view.shown(), '');
    await sleep(300);
    assert.deepEqual(await view.told(), [], 'the page learns nothing');
    await view.shot(name);
    return view;
  };
  await check('a foreign page cannot frame it, and is told nothing', async () => {
    const view = await nothing('foreign', embed(viewer(999)));
    assert.deepEqual((await view.statuses()).map((line) => line.split(' ')[0]), ['403']);
    assert.deepEqual(metabase.seen, [], 'Metabase was not asked');
    await view.close(FRAMING, failed(403));
  });
  await check('a foreign page that hides its name cannot either', async () => {
    const view = await nothing('foreign-quiet', embed(viewer(999)), { quiet: 1 });
    assert.ok(!metabase.seen.some(({ target }) => target.startsWith('/api/')), 'no data was asked for');
    await view.close(FRAMING, failed(403));
  });
  await check('a foreign page does not even learn that a token has expired', async () => {
    const token = viewer(999, { life: 1 });
    await expired(token);
    const view = await nothing('foreign-expired', embed(token), { quiet: 1 });
    await view.close(FRAMING, failed(401), failed(403));
  });
  await check('a foreign page cannot use a stolen token by script', async () => {
    const view = await person.frame(THIEF, '/favicon.ico');
    const got = await view.page.evaluate(async ([api, token]) => {
      const attempts = [`${api}/api/embed/dashboard/${token}`, `${api}/api/embed/dashboard/${token}/dashcard/101/card/201`];
      return Promise.all(attempts.map((url) => fetch(url).then((answer) => answer.text(), () => null)));
    }, [BI, viewer(999)]);
    assert.deepEqual(got, [null, null]);
    await view.close(/./);
  });
  await person.close();
}

// ------------------------------------------------------------------------------------- the copied address, and past `exp`

async function copied({ browser, metabase }) {
  const [owner, friend] = [await browser.person(), await browser.person()];
  const token = viewer(999, { life: 8, scope: 'view download' });
  const view = await (await owner.frame(APP, embed(token))).ready();
  await view.rows(7);
  const address = view.inner().url();
  await check('the copied address does not open in a tab of its own', async () => {
    metabase.forget();
    const alone = await friend.visit(address);
    assert.equal(alone.answer.status(), 403);
    assert.equal(await alone.page.locator('main').getAttribute('data-code'), 'top_level_denied');
    await alone.shot('copied-top-level');
    assert.deepEqual(metabase.seen, []);
    await alone.close(failed(403));
  });
  await check('the copied address does not open in a foreign frame', async () => {
    const thief = await friend.visit(`${THIEF}/frame?${new URLSearchParams({ src: address })}`);
    assert.equal(await thief.shown(), '');
    assert.deepEqual(await thief.told(), []);
    await thief.close(FRAMING, failed(403));
  });
  await expired(token);
  await check('past the token’s end the open page goes on: filters, lists and exports', () => goesOn(view));
  await check('past the token’s end the frame can be reloaded where it was opened', async () => {
    await view.within(() => { document.body.dataset.before = ''; location.reload(); });
    await view.frame.locator('body[data-ready]:not([data-before])').waitFor();
    assert.equal(await view.widget('region').inputValue(), 'Europe');
    await view.rows(3);
    await view.shot('past-the-end');
    await view.close();
  });
  await check('past the token’s end the copied address is dead for everybody else, and the host page is told', async () => {
    const late = await friend.frame(APP, address.slice(BI.length));
    const { code, message } = await late.refusal();
    assert.equal(code, 'token_expired');
    assert.ok(message.length > 10, message);
    await until('the host page to hear', async () => (await late.told()).length > 0);
    assert.deepEqual(await late.told(), [{ origin: BI, data: { type: 'embedgate:refused', code: 'token_expired' } }]);
    await late.shot('copied-late');
    // The host page answers with a fresh token of its own viewer: the same address opens again, and for that viewer's grant alone.
    assert.equal(await late.page.evaluate((fresh) => window.renew(fresh), viewer(777, { scope: 'view download' })), 204);
    await late.page.reload();
    assert.equal((await late.refusal()).code, 'token_expired');
    assert.equal(await late.page.evaluate((fresh) => window.renew(fresh), viewer(999, { scope: 'view download' })), 204);
    await late.page.reload();
    await late.ready();
    await late.rows(7);
    await late.close(failed(401));
  });
  await check('a page whose session is gone goes on with a fresh token from its host, without a reload', async () => {
    const short = viewer(777, { life: 3 });
    const open = await (await owner.frame(SISTER, embed(short))).ready();
    await open.filter('region', 'Europe');
    await open.rows(4);
    await expired(short);
    await owner.forget();
    await open.filter('plan', 'Enterprise');
    await until('a refusal', async () => (await open.alerts()).length > 0);
    assert.equal(await open.page.evaluate((fresh) => window.renew(fresh), viewer(777)), 204);
    await open.filter('plan', 'Business');
    await open.rows(1);
    assert.equal(await open.widget('region').inputValue(), 'Europe', 'the filter is not lost');
    await open.close(failed(401));
  });
  await owner.close();
  await friend.close();
}

// A page for tenant 999 whose token has expired.
async function goesOn(view) {
  await view.filter('region', 'Europe');
  const rows = await view.rows(3);
  assert.ok(rows.every((row) => row[1] === '999' && row[3] === 'Europe'));
  assert.ok((await view.offered('plan')).length > 0);
  assert.equal((await view.exported()).lines?.length, 3);
}

// ---------------------------------------------------------------------------------------------------- the web component

async function component({ browser, metabase, accounts }) {
  const person = await browser.person();
  const token = viewer(999, { life: 5 });
  const view = await (await person.component(APP, token)).ready();
  const asked = async () => (await view.statuses()).filter((line) => line === '200 /_embedgate/metabase/token').length;
  await check('the web component shows own rows, with the token in no address of a page', async () => {
    assert.deepEqual(await view.accounts(7), accounts[999]);
    assert.ok(!view.inner().url().includes(token));
    await view.filter('region', 'Europe');
    await view.rows(3);
    await view.shot('component');
  });
  await check('past its token’s end the web component gets the next ones from the gateway, and no filter is lost', async () => {
    await until('two renewals', async () => (await asked()) >= 2, 20);
    await view.ready();
    assert.equal(await view.widget('region').inputValue(), 'Europe');
    await view.rows(3);
    await view.filter('plan', 'Business');
    await view.rows(2);
    await discreet(view, 999, { accounts });
    await view.shot('component-renewed');
  });
  await check('without a session there is no next token; a fresh one from the host page brings it back, filters and all', async () => {
    await person.forget();
    await view.frame.locator('[role=alert]').first().waitFor();
    assert.equal(await view.page.evaluate((fresh) => window.renew(fresh), viewer(999)), 204);
    await view.page.evaluate((fresh) => document.querySelector('metabase-dashboard').setAttribute('token', fresh), viewer(999));
    await view.frame.locator('h1').waitFor();
    await view.rows(2);
    assert.equal(await view.widget('region').inputValue(), 'Europe');
    await view.close(failed(401));
  });
  await check('on a foreign page the web component shows nothing, and gets no token from the gateway', async () => {
    const thief = await person.component(THIEF, viewer(999));
    await until('a refused frame', () => thief.problems.some((text) => FRAMING.test(text)));
    assert.equal(await thief.shown(), '');
    metabase.forget();
    const got = await thief.page.evaluate(async (api) => {
      const body = JSON.stringify({ entityType: 'dashboard', entityId: 42 });
      const ask = (init) => fetch(`${api}/_embedgate/metabase/token?response=json`, { method: 'POST', body, ...init }).then((answer) => answer.text(), () => null);
      return [await ask({ credentials: 'include' }), await ask({ credentials: 'include', headers: { 'content-type': 'application/json' } })];
    }, BI);
    assert.deepEqual(got, [null, null]);
    assert.deepEqual(metabase.seen, []);
    await thief.close(/./);
  });
  await person.close();
}

// -------------------------------------------------------------------------------------------------------- public links

async function links(scene) {
  const person = await scene.browser.person();
  for (const tenant of [999, 777]) {
    await check(`a public link shows tenant ${tenant} its ${ROWS[tenant]} accounts, and nothing of others, of the lock or from inside`, async () => {
      const token = viewer(tenant, { resource: { dashboard: LINK } });
      const view = await (await person.frame(APP, shared(token))).ready();
      assert.ok(!view.inner().url().includes('embed_token'), 'the token is gone from the address');
      assert.deepEqual(await view.accounts(ROWS[tenant]), scene.accounts[tenant]);
      assert.match(await view.frame.locator('footer').innerText(), /Powered by/);
      assert.equal(await view.widget('organization_id').count(), 0);
      await discreet(view, tenant, scene);
      await view.shot(`public-${tenant}`);
      await view.close();
    });
  }
  await check('filters of a public link work inside the lock, from the address and through the widget', async () => {
    const token = viewer(777, { resource: { dashboard: LINK } });
    const view = await (await person.frame(APP, shared(token, '&region=Europe'))).ready();
    await view.rows(4);
    assert.deepEqual(await view.offered('region'), ['Asia-Pacific', 'Europe']);
    await view.filter('region', 'Americas');
    await view.rows(0);
    await view.close();
  });
  await check('a public link exports own rows with the scope, and nothing without', async () => {
    const resource = { dashboard: LINK };
    const view = await (await person.frame(APP, shared(viewer(555, { resource, scope: 'view download' })))).ready();
    const { lines } = await view.exported();
    assert.equal(lines.length, 4);
    for (const line of lines) assert.ok(scene.accounts[555].some((name) => line.includes(name)), line);
    await view.filter('region', 'Americas');
    await view.rows(2);
    assert.equal((await view.exported()).lines.length, 2, 'the export is filtered as the page is');
    await view.close();
    const refused = await (await person.frame(APP, shared(viewer(555, { resource })))).ready();
    assert.deepEqual(await refused.exported(), { status: '403' });
    await refused.close(failed(403));
  });
  await check('a public link without a token is a page to read, and the host page is told', async () => {
    const stranger = await scene.browser.person();
    const view = await stranger.frame(APP, shared());
    const { code, message } = await view.refusal();
    assert.equal(code, 'token_missing');
    assert.ok(message.length > 10, message);
    await until('the host page to hear', async () => (await view.told()).length > 0);
    await view.shot('public-refused');
    await view.close(failed(401));
    await stranger.close();
  });
  await check('a foreign page cannot frame a public link, with a session or without', async () => {
    const view = await person.frame(THIEF, shared());
    assert.equal(await view.shown(), '');
    assert.deepEqual(await view.told(), []);
    await view.close(FRAMING, failed(401), failed(403));
  });
  await person.close();
}

// ------------------------------------------------------------------------------------------------- third-party cookies

async function thirdParty({ strict, lenient, accounts }) {
  const person = await strict.person();
  await check('third-party cookies are really blocked here, and not there: a plain one comes back or does not', async () => {
    const back = async (one) => {
      const view = await one.visit(`${APP}/frame?${new URLSearchParams({ src: `${THIEF}/cookie` })}`);
      await view.frame.locator('p').waitFor();
      await view.page.reload();
      const text = await view.frame.locator('p').innerText();
      await view.close();
      return text;
    };
    assert.deepEqual([await back(person), await back(await lenient.person())], ['no cookie', 'plain=1']);
  });
  const pages = [[person, APP, 'blocked, a page of another site'], [person, SISTER, 'blocked, a page on a sister host'], [await lenient.person(), APP, 'allowed, a page of another site']];
  for (const [one, host, what] of pages) {
    await check(`with third-party cookies ${what} goes on past its token’s end`, async () => {
      const token = viewer(999, { life: 3, scope: 'view download' });
      const view = await (await one.frame(host, embed(token))).ready();
      await view.rows(7);
      await expired(token);
      await goesOn(view);
      await view.close();
    });
  }
  await check('with third-party cookies blocked, the web component still gets its next token', async () => {
    const view = await (await person.component(APP, viewer(999, { life: 3 }))).ready();
    await until('a renewal', async () => (await view.statuses()).includes('200 /_embedgate/metabase/token'));
    await view.ready();
    await view.rows(7);
    await view.close();
  });
  await check('with third-party cookies blocked, a public link still shows own rows', async () => {
    const view = await (await person.frame(APP, shared(viewer(777, { resource: { dashboard: LINK } })))).ready();
    assert.deepEqual(await view.accounts(5), accounts[777]);
    await view.shot('public-strict');
    await view.close();
  });
}

// ------------------------------------------------------------------------------------------------------------ afterwards

// What must hold for all that went through.
async function afterwards({ metabase, edge }) {
  const log = edge.log();
  await check('no viewer token, session or key reached Metabase', () => {
    const heard = metabase.all.map((seen) => JSON.stringify(seen)).join('\n');
    assert.ok(metabase.all.length > 200, `${metabase.all.length} requests`);
    for (const signature of signatures) assert.ok(!heard.includes(signature), 'a viewer token');
    for (const secret of SECRETS) assert.ok(!heard.includes(secret));
    const names = new Set(metabase.all.flatMap(({ headers }) => headers.map(([name]) => name)));
    for (const name of ['cookie', 'authorization', 'origin', 'x-metabase-session']) assert.ok(!names.has(name), name);
    const referers = metabase.all.flatMap(({ headers }) => headers.filter(([name]) => name === 'referer'));
    for (const [, referer] of referers) assert.match(referer, /^https:\/\/[a-z.]+\/$/, 'an origin, no address');
  });
  await check('Metabase was asked nothing beyond the surface', () => {
    const known = /^(\/embed\/(dashboard|question|sdk)\/|\/public\/dashboard\/|\/app\/|\/favicon\.ico$|\/api\/session\/properties$|\/api\/(embed|public)\/(pivot\/)?(dashboard|card)\/)/;
    assert.deepEqual(metabase.all.map(({ target }) => target).filter((target) => !known.test(target)), []);
  });
  await check('no token or key stands in the log or the audit trail, and every refusal does', () => {
    const records = log.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    const codes = new Set(records.map(({ code }) => code).filter(Boolean));
    for (const code of ['origin_denied', 'param_locked', 'param_invalid', 'scope_denied', 'token_expired', 'token_missing', 'top_level_denied']) {
      assert.ok(codes.has(code), `${code} among ${[...codes]}`);
    }
    for (const text of [...signatures, ...SECRETS]) assert.ok(!log.includes(text));
  });
}

let good = false;
try {
  process.once('SIGTERM', () => stopAll().finally(() => process.exit(143)));
  const late = setTimeout(() => { console.log('metabase: not done after 170 s'); stopAll().finally(() => process.exit(1)); }, 170_000);
  await main();
  clearTimeout(late);
} catch (error) {
  await check('the checks run to their end', () => { throw error; });
} finally {
  await stopAll().catch((error) => check('everything that was started stops', () => { throw error; }));
  good = summary('metabase');
}
process.exit(good ? 0 : 1);
