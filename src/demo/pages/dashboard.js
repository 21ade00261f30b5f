"use strict";

const $ = (id) => document.getElementById(id);
const money = (value) => new Intl.NumberFormat("en", { style: "currency", currency: "EUR", maximumFractionDigits: 0 }).format(value);
const SVG = "http://www.w3.org/2000/svg";

$("region").addEventListener("change", load);
load();

async function load() {
  const query = new URLSearchParams(location.search);          // whoever wrote this trusts the address bar
  const region = $("region").value;
  if (region) query.set("region", region);
  try {
    const answer = await fetch(`/api/accounts?${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw await answer.json();
    draw(await answer.json());
    $("problem").hidden = true;
  } catch (problem) {
    $("problem").textContent = problem.message ?? "The figures could not be loaded.";
    $("problem").dataset.code = problem.code ?? "";
    $("problem").hidden = false;
  }
}

function draw(report) {
  const sum = (name) => report.rows.reduce((total, row) => total + row[name], 0);
  $("owner").textContent = report.owners.length > 1 ? `Every tenant: ${report.owners.join(", ")}` : report.owners[0] ?? "No accounts here";
  $("owner").classList.toggle("everybody", report.owners.length > 1);
  $("accounts").textContent = report.rows.length;
  $("seats").textContent = sum("seats");
  $("revenue").textContent = money(sum("revenue"));
  const [first, last] = [report.revenue[0], report.revenue.at(-1)];
  $("growth").textContent = first ? `${last >= first ? "+" : "−"}${Math.abs((last / first - 1) * 100).toFixed(1)} %` : "–";
  $("rows").replaceChildren(...report.rows.map(line));
  onresize = () => chart(report.months, report.revenue);
  onresize();
}

function line(row) {
  const cells = [row.name, row.region, null, row.seats, money(row.revenue)].map((text, column) => {
    const cell = document.createElement("td");
    if (column > 2) cell.className = "number";
    if (text !== null) cell.textContent = text;
    return cell;
  });
  const plan = document.createElement("span");
  plan.className = "plan";
  plan.textContent = row.plan;
  cells[2].append(plan);
  const line = document.createElement("tr");
  line.dataset.tenant = row.tenant;
  line.append(...cells);
  return line;
}

function chart(months, values) {
  const [left, right, top, bottom] = [40, Math.max($("chart").clientWidth, 240) - 12, 10, 174];
  const step = niceStep(Math.max(...values, 1) / 3);
  const ceiling = Math.ceil(Math.max(...values, 1) / step) * step;
  const x = (index) => left + (index * (right - left)) / (values.length - 1);
  const y = (value) => bottom - (value / ceiling) * (bottom - top);
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
  const parts = [];
  for (let value = 0; value <= ceiling; value += step) {
    parts.push(element("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }));
    parts.push(element("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, value >= 1000 ? `${value / 1000}k` : value));
  }
  const every = right - left < 420 ? 3 : 1;
  months.forEach((month, index) => (months.length - 1 - index) % every === 0 && parts.push(element("text", { x: x(index), y: bottom + 20, "text-anchor": "middle" }, month)));
  parts.push(element("polygon", { class: "area", points: `${left},${bottom} ${points.join(" ")} ${right},${bottom}` }));
  parts.push(element("polyline", { class: "line", points: points.join(" ") }));
  parts.push(element("circle", { class: "dot", cx: x(values.length - 1), cy: y(values.at(-1)), r: 4 }));
  $("chart").replaceChildren(...parts);
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
