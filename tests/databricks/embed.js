// The stand-in's embedded page: it talks to the official client as the real one must, and calls its server with the token that it was given.
// What is known: the token in the fragment, the three messages. What it calls, and how, is a guess.
const setup = JSON.parse(document.getElementById("setup").textContent);
const script = document.querySelector("script[data-table]");
const [title, nav, main, refresh] = ["title", "pages", "main", "refresh"].map((id) => document.getElementById(id));

let token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname + location.search); // no token stays in the address
let shown = setup.pageId;
let loads = 0;

class Failed extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function call(path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  let read = {};
  try {
    read = JSON.parse(text);
  } catch {
    // Not everything on the way speaks JSON.
  }
  if (!answer.ok) throw new Failed(answer.status, read.name ?? read.message ?? text);
  return read;
}

// The newest load wins: a refresh may overtake another.
async function load() {
  const mine = ++loads;
  delete document.body.dataset.ready;
  try {
    const layout = await call(`${setup.layout}/${encodeURIComponent(setup.dashboardId)}`);
    const page = layout.pages.find(({ id }) => id === shown) ?? layout.pages[0];
    const [data, { table }] = await Promise.all([
      call(setup.query, { dashboardId: setup.dashboardId, dataset: page.dataset }),
      import(script.dataset.table),
    ]);
    if (mine !== loads) return;
    title.textContent = layout.title;
    nav.replaceChildren(...layout.pages.map((one) => tab(one, page)));
    main.replaceChildren(table(data));
  } catch (error) {
    if (mine !== loads) return;
    const alert = document.createElement("p");
    alert.setAttribute("role", "alert");
    alert.dataset.status = String(error.status ?? 0);
    alert.textContent = error.message;
    main.replaceChildren(alert);
  }
  document.body.dataset.ready = String(mine);
}

function tab({ id, name }, { id: current }) {
  const made = document.createElement("a");
  made.href = `#${id}`;
  made.textContent = name;
  if (id === current) made.setAttribute("aria-current", "page");
  made.addEventListener("click", (event) => {
    event.preventDefault();
    shown = id;
    void load();
  });
  return made;
}

// Only the page that embeds this one is heard, and only from the origin that it had when this page was opened.
const host = location.ancestorOrigins?.[0] ?? (document.referrer && new URL(document.referrer).origin);
addEventListener("message", ({ source, origin, data }) => {
  if (source !== parent || origin !== host || typeof data?.type !== "string") return;
  if (data.type === "DATABRICKS_SET_CONFIG" && data.config?.version === 1) {
    refresh.hidden = data.config.hideRefreshButton === true;
    document.body.dataset.configured = "1";
  }
  if (data.type === "DATABRICKS_SET_TOKEN" && typeof data.token === "string") {
    token = data.token;
    document.body.dataset.tokens = String(Number(document.body.dataset.tokens ?? 0) + 1);
    void load();
  }
});
refresh.addEventListener("click", () => void load());
if (parent !== window) parent.postMessage({ type: "DATABRICKS_EMBED_READY" }, "*");
void load();
