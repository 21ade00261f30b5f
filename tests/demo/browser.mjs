// Drives the demo in Chromium. DEMO_URL: the host page. ARTIFACTS: where screenshots go. CHROMIUM: the browser.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const { DEMO_URL: host, ARTIFACTS: artifacts, CHROMIUM: executablePath } = process.env;
const PATIENCE = 15_000;
const TENANTS = { "Aurora Foods": [999, 7], "Baltic Freight": [777, 5], "Cobalt Labs": [555, 4] };

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const foreignRequests = [];
let passed = 0, failed = 0;

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 940 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.message));
  context.on("request", (request) => {
    if (!["localhost", "127.0.0.1", ""].includes(new URL(request.url()).hostname)) foreignRequests.push(request.url());
  });
  return page;
}

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`  ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`  FAIL ${name}\n       ${String(error.message).split("\n").slice(0, 8).join("\n       ")}`);
  }
}

const shot = async (page, name) => {
  await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" })); // sticky parts stand where a visitor first sees them
  await page.screenshot({ path: `${artifacts}/${name}.png`, fullPage: true });
};
const dashboard = (page) => page.frameLocator("#frame");
const choose = async (page, tenant) => {
  await page.getByRole("radio", { name: tenant }).check();
  await dashboard(page).locator("#owner", { hasText: tenant }).waitFor();
};
const rowsOf = (page) => dashboard(page).locator("#rows tr").evaluateAll((rows) => rows.map((row) => Number(row.dataset.tenant)));

const page = await open();
const answers = [];
page.on("response", async (response) => {
  if (new URL(response.url()).pathname === "/api/accounts") answers.push(await response.json().catch(() => null));
});
await page.goto(host);
const setup = await (await fetch(`${host}/setup.json`)).json();
await dashboard(page).locator("#rows tr").first().waitFor().catch(() => {});

for (const [tenant, [id, count]] of Object.entries(TENANTS)) {
  await check(`${tenant} sees its ${count} accounts, on screen and in every answer`, async () => {
    answers.length = 0;
    if (await page.getByRole("radio", { name: tenant }).isChecked()) await page.reload();
    await choose(page, tenant);
    assert.deepEqual(await rowsOf(page), Array(count).fill(id));
    assert.ok(answers.length > 0 && answers.every((answer) => answer.rows.every((row) => row.tenant === id)));
    await shot(page, `tenant-${id}`);
  });
}

await check("a filter that viewers may set works inside the lock", async () => {
  await choose(page, "Baltic Freight");
  await dashboard(page).locator("#region").selectOption("Europe");
  await dashboard(page).locator("#accounts", { hasText: /^4$/ }).waitFor();
  assert.deepEqual(await rowsOf(page), Array(4).fill(777));
});

await check("the token is gone from the frame's address", async () => {
  const frame = page.frames().find((frame) => frame.url().startsWith(setup.gateway));
  assert.match(frame.url().replace(setup.gateway, ""), /^\/dashboard\/overview\?embed_session=[0-9a-f]{8}$/);
});

await check("the session cookie is out of reach of scripts, secure and partitioned", async () => {
  const cookie = (await page.context().cookies(setup.gateway)).find(({ name }) => name === "__Host-embedgate");
  assert.ok(cookie, "no cookie");
  assert.ok(cookie.httpOnly && cookie.secure && cookie.sameSite === "None", JSON.stringify(cookie));
});

await page.goto(host);
await choose(page, "Aurora Foods");
for (const attempt of setup.attempts) {
  await check(`${attempt.title}: ${attempt.expect}`, async () => {
    const item = page.locator(`#attempts li[data-id="${attempt.id}"]`);
    await item.getByRole("button", { name: /^Try/ }).click();
    const chip = item.locator(".chip");
    await chip.waitFor();
    assert.equal(await item.getAttribute("data-code"), attempt.expect, await item.locator(".result").innerText());
    assert.ok((await item.locator(".message").innerText()).length > 0, "no message is shown");
  });
}

await check("the audit trail shows the refusals", async () => {
  const trail = page.locator("#records");
  await trail.locator("tr.refused", { hasText: "rate_limited" }).first().waitFor();
  assert.equal(await trail.locator("tr").count(), 12);
});
await shot(page, "tamper");

for (const attempt of setup.attempts.filter((attempt) => attempt.framed)) {
  await check(`in the frame, ${attempt.expect} is a page to read, and the host page is told`, async () => {
    await page.locator(`#attempts li[data-id="${attempt.id}"]`).getByRole("button", { name: /^In the frame/ }).click();
    await dashboard(page).locator(`main[data-code="${attempt.expect}"]`).waitFor();
    await page.locator(`#event[data-code="${attempt.expect}"]`).waitFor();
    await page.locator(".embed").screenshot({ path: `${artifacts}/refused-${attempt.expect}.png` });
  });
}

await check("a fresh token brings the dashboard back", async () => {
  await page.locator("#fresh").click();
  await dashboard(page).locator("#owner", { hasText: "Aurora Foods" }).waitFor();
});

await check("a foreign page gets an empty frame, although its token is good", async () => {
  const there = await page.locator('#attempts li[data-id="foreign"] a.foreign').getAttribute("href");
  const thief = await open();
  const refused = thief.waitForResponse((response) => response.url().startsWith(`${setup.gateway}/dashboard/overview`));
  await thief.goto(there);
  assert.equal((await refused).status(), 403);
  await thief.waitForLoadState("load");
  const stolen = thief.frames().find((frame) => frame !== thief.mainFrame());
  assert.equal(await stolen.locator("#rows tr, main").count().catch(() => 0), 0);
  await shot(thief, "foreign");
  await thief.context().close();
});

await check("opened in a window of its own, it says so", async () => {
  const embed = await (await fetch(`${host}/embed.json?tenant=999`)).json();
  const alone = await open();
  const answer = await alone.goto(embed.url);
  assert.equal(answer.status(), 403);
  await alone.locator('main[data-code="top_level_denied"]').waitFor();
  await alone.context().close();
});

await check("the metrics count the refusals and name no viewer", async () => {
  const text = await (await fetch(setup.metrics)).text();
  assert.match(text, /embedgate_refusals_total\{[^}]*code="param_locked"[^}]*\} [1-9]/);
  assert.doesNotMatch(text, /viewer-of-|visitor-|aurora/i);
});

await check("without the gateway, the BI server shows everything", async () => {
  const answer = await (await fetch(`${setup.bi}/api/accounts`)).json();
  assert.equal(answer.rows.length, 16);
});

for (const [name, options] of [["host-dark", { colorScheme: "dark" }], ["host-phone", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }]]) {
  await check(`${name}: the page fits`, async () => {
    const other = await open(options);
    await other.goto(host);
    await dashboard(other).locator("#rows tr").first().waitFor();
    const [wide, width] = await other.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= width, `${wide} pixels in ${width}`);
    await shot(other, name);
    await other.context().close();
  });
}

await check("no page of the demo throws, or asks anybody else for anything", async () => {
  assert.deepEqual(page.problems, []);
  assert.deepEqual(foreignRequests, []);
});

await browser.close();
console.log(`demo: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
