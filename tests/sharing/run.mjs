// Two tenants in one page, with third-party cookies blocked; reloads; and what a copied link is good for.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { artifact, BI, link, PORTAL, settled, show, shown, THIEF, until, World } from './world.mjs';

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

const world = await World.begin();
const mine = await world.browser();
const other = await world.browser();
const page = await mine.context.newPage();
const links = [link(999), link(777)];
const tenants = [{ page: 999, rows: [999] }, { page: 777, rows: [777] }];
let frames;

await check('this browser keeps no third-party cookie that is not partitioned', async () => {
  const probe = await mine.context.newPage();
  for (const round of [1, 2]) {
    await probe.goto(`${PORTAL}/?frame=${encodeURIComponent(`${THIEF}/probe?${round}`)}`);
    await probe.frameLocator('iframe').locator('#sent').waitFor({ state: 'attached' });
  }
  assert.equal(await probe.frameLocator('iframe').locator('#sent').textContent(), 'apart=1');
  await probe.close();
});

await check('two frames of different tenants in one page, loaded at once, show their own rows', async () => {
  frames = await show(page, PORTAL, links);
  assert.deepEqual(await Promise.all(frames.map(shown)), tenants);
  await page.screenshot({ path: artifact('two-tenants.png') });
});

await check('neither address holds a token, each names its own session', async () => {
  const names = frames.map((frame) => new URL(frame.url()).searchParams.get('embed_session'));
  assert.ok(names.every((name) => /^[0-9a-f]{8}$/.test(name)) && names[0] !== names[1], names);
  assert.ok(frames.every((frame) => !frame.url().includes('embed_token')));
});

await check('the cookies are partitioned and out of reach of scripts', async () => {
  const cookies = (await mine.context.cookies(BI)).filter(({ name }) => name.startsWith('__Host-embedgate'));
  assert.ok(cookies.length >= 2 && cookies.every((cookie) => cookie.httpOnly && cookie.secure && cookie.sameSite === 'None'), JSON.stringify(cookies));
  assert.ok(cookies.every((cookie) => cookie.partitionKey?.includes('customer.example')), JSON.stringify(cookies));
});

await check('each frame can be reloaded, and asks again on its own', async () => {
  for (const [at, frame] of frames.entries()) {
    await frame.evaluate(() => load());
    await until('asked again', () => frame.evaluate(() => document.body.dataset.loads === '2'));
    assert.deepEqual(await shown(frame), tenants[at]);
    await Promise.all([frame.waitForNavigation(), frame.evaluate(() => location.reload())]);
    await frame.locator('#rows tr').first().waitFor();
    assert.deepEqual(await shown(frame), tenants[at]);
  }
});

await check('the host page can be reloaded with the same links in it', async () => {
  await page.reload();
  frames = await settled(page);
  assert.deepEqual(await Promise.all(frames.map(shown)), tenants);
});

await check('a second host page with fresh links shows its own, and the first goes on', async () => {
  const second = await mine.context.newPage();
  const [one] = await show(second, PORTAL, [link(555)]);
  assert.deepEqual(await shown(one), { page: 555, rows: [555] });
  for (const [at, frame] of frames.entries()) {
    await frame.evaluate(() => load());
    assert.deepEqual(await shown(frame), tenants[at]);
  }
  await second.close();
});

for (const [where, host] of [['in a page like it', PORTAL], ['in another page that may embed', THIEF]]) {
  await check(`the copied link, in another browser ${where}, is a page that says so`, async () => {
    const thief = await other.context.newPage();
    const [frame] = await show(thief, host, [links[0]]);
    assert.equal(await frame.locator('main').getAttribute('data-code'), 'token_replayed');
    assert.equal(await frame.locator('#rows tr').count(), 0);
    await until('the host page is told', () => thief.evaluate(() => told.some(({ code }) => code === 'token_replayed')));
    await thief.screenshot({ path: artifact(`copied-${new URL(host).hostname}.png`) });
    await thief.close();
  });
}

await check('the address in the frame, copied to another browser, shows nothing', async () => {
  const thief = await other.context.newPage();
  const [frame] = await show(thief, PORTAL, [frames[0].url()]);
  assert.equal(await frame.locator('main').getAttribute('data-code'), 'token_missing');
  await thief.close();
});

await check('a link pasted into the address bar shows nothing, and is not used up by that', async () => {
  const unused = link(999);
  const thief = await other.context.newPage();
  await thief.goto(unused);
  assert.equal(await thief.locator('main').getAttribute('data-code'), 'top_level_denied');
  const [frame] = await show(page, PORTAL, [unused]);
  assert.deepEqual(await shown(frame), tenants[0]);
  await thief.close();
});

await check('the BI server saw neither token, session nor tag', async () => {
  const text = JSON.stringify(world.seen);
  assert.ok(world.seen.length > 10 && !/embed_session|embed_token|embedgate/.test(text));
});

await mine.end();
await other.end();
await world.end();

await check('the audit trail has the refusals', async () => {
  const codes = readFileSync(world.trail, 'utf8').trim().split('\n').map((line) => JSON.parse(line).code);
  for (const code of ['token_replayed', 'token_missing', 'top_level_denied']) assert.ok(codes.includes(code), code);
});

console.log(`sharing: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
