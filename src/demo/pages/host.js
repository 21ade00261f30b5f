"use strict";

const $ = (id) => document.getElementById(id);
const json = async (path, options) => (await fetch(path, options)).json();
const state = { tenant: 0, token: "", setup: null };

start();

async function start() {
  const setup = state.setup = await json("/setup.json");
  $("at-host").textContent = setup.host.replace("http://", "");
  $("at-gateway").textContent = setup.gateway.replace("http://", "");
  $("at-bi").textContent = setup.bi.replace("http://", "");
  $("metrics").href = setup.metrics;
  $("bare").href = `${setup.bi}/admin`;
  setup.tenants.forEach(addTenant);
  setup.attempts.forEach(addAttempt);
  $("all").addEventListener("click", tryAll);
  $("fresh").addEventListener("click", () => show());
  addEventListener("message", hear);
  await choose(setup.tenants[0].id);
  setInterval(() => document.visibilityState === "visible" && drawTrail(), 3000);
}

function addTenant(tenant, index) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "tenant", value: tenant.id, checked: index === 0 });
  const text = Object.assign(document.createElement("span"), { textContent: tenant.name });
  input.addEventListener("change", () => choose(tenant.id));
  label.append(input, text);
  $("tenants").append(label);
}

async function choose(tenant) {
  state.tenant = tenant;
  await show();
}

/* The frame gets an address with a fresh token; the gateway turns it into a session and takes the token out of the address. */
async function show(attempt) {
  const embed = await json(`/embed.json?tenant=${state.tenant}${attempt ? `&attempt=${attempt}` : ""}`);
  $("event").hidden = true;
  $("frame").src = embed.url;
  $("claims").textContent = JSON.stringify(embed.claims, null, 2);
  if (!attempt) state.token = embed.token;
  document.querySelectorAll("a.foreign").forEach((link) => { link.href = `${state.setup.foreign}/?token=${state.token}`; });
  setTimeout(drawTrail, 600);
}

/* A refused page tells its host page, and nobody else. */
function hear(event) {
  if (event.origin !== state.setup.gateway || event.data?.type !== "embedgate:refused") return;
  $("event-text").textContent = `The frame reports: ${event.data.code}. A host page can act on that.`;
  $("event").dataset.code = event.data.code;
  $("event").hidden = false;
}

function addAttempt(attempt) {
  const item = $("attempt").content.cloneNode(true).firstElementChild;
  item.dataset.id = attempt.id;
  item.querySelector("h3").textContent = attempt.title;
  item.querySelector(".story").textContent = attempt.story;
  const button = item.querySelector(".try");
  button.setAttribute("aria-label", `Try: ${attempt.title}`);
  button.addEventListener("click", () => tryOne(attempt, item));
  const framed = item.querySelector(".show");
  framed.hidden = !attempt.framed;
  framed.setAttribute("aria-label", `In the frame: ${attempt.title}`);
  framed.addEventListener("click", () => show(attempt.id).then(() => $("frame").scrollIntoView({ block: "nearest" })));
  item.querySelector(".foreign").hidden = attempt.id !== "foreign";
  $("attempts").append(item);
}

async function tryOne(attempt, item) {
  const button = item.querySelector(".try");
  button.disabled = true;
  try {
    const outcome = await json(`/attempt.json?tenant=${state.tenant}&attempt=${attempt.id}`, { method: "POST" });
    item.querySelector(".result").replaceChildren(...drawOutcome(outcome));
    item.dataset.code = outcome.code ?? "";
    item.dataset.asExpected = outcome.as_expected === true;
    return outcome.as_expected === true;
  } finally {
    button.disabled = false;
    drawTrail();
  }
}

async function tryAll() {
  $("all").disabled = true;
  let good = 0;
  for (const [index, attempt] of state.setup.attempts.entries()) {
    $("tally").textContent = `Trying ${index + 1} of ${state.setup.attempts.length}…`;
    good += await tryOne(attempt, document.querySelector(`#attempts li[data-id="${attempt.id}"]`));
  }
  const total = state.setup.attempts.length;
  $("tally").textContent = good === total
    ? `The honest request was answered, all ${total - 1} others were refused.`
    : `${total - good} of ${total} went otherwise than they should.`;
  $("all").disabled = false;
}

function drawOutcome(outcome) {
  const chip = make("span", `chip${outcome.as_expected ? "" : " wrong"}`, [outcome.status, outcome.code === "ok" ? "answered" : outcome.code ?? outcome.reason ?? "got through"].join(" "));
  const verdict = make("p", "verdict");
  verdict.append(chip, make("span", "message", explain(outcome)));
  const sent = make("pre", "sent");
  const [first, ...rest] = outcome.sent;
  sent.append(make("b", "", first), rest.length ? `\n${rest.join("\n")}` : "");
  return [verdict, sent];
}

function explain(outcome) {
  if (outcome.error) return `No answer: ${outcome.error}`;
  const parts = [];
  if (outcome.passed) parts.push(`${outcome.passed} were answered${outcome.message ? ", then:" : "."}`);
  if (outcome.message) parts.push(outcome.message);
  if (outcome.retry_after) parts.push(`Retry after ${outcome.retry_after}\u00a0s.`);
  if (outcome.rows !== null && outcome.rows !== undefined) parts.push(`${outcome.rows} rows of ${outcome.owners.join(", ")}.`);
  return parts.join(" ");
}

async function drawTrail() {
  const trail = await json("/audit.json").catch(() => null);
  if (!trail) return;
  $("trail-file").textContent = trail.file;
  if (trail.records.length) $("records").replaceChildren(...trail.records.map(drawRecord));
}

function drawRecord(record) {
  const time = new Date(record.time);
  const shown = [
    Number.isNaN(time.getTime()) ? record.time : time.toLocaleTimeString("en", { hour12: false }),
    [record.status, record.outcome].filter(Boolean).join(" "),
    record.code ?? "",
    record.route ?? "",
    record.viewer ?? "",
    record.tenant ?? "",
    [record.locked ?? record.locked_params ?? []].flat().join(", "),
  ];
  const row = make("tr", record.code ? "refused" : "");
  row.append(...shown.map((text, column) => make("td", column === 2 || column === 3 ? "code" : "", text)));
  return row;
}

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
