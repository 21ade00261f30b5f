// The stand-in's front end. It asks what Metabase's asks, in the same order and encoding; it shows little of it.
(() => {
  "use strict";

  const root = new URL(document.baseURI).pathname.replace(/\/$/, "");
  const page = location.pathname.slice(root.length).split("/").filter(Boolean).map(decodeURIComponent);
  const guest = page[0] === "embed" && page[1] === "sdk";
  const place = document.getElementById("root");

  const el = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  class Failed extends Error {
    constructor(status, text) {
      super(text || `HTTP ${status}`);
      this.status = status;
    }
  }

  // Only 503 is tried again, with growing pauses. A 202 whose body has a `_status` counts as that status.
  async function call(path, { json = true } = {}) {
    const headers = {};
    if (window.parent !== window) headers["X-Metabase-Embedded"] = "true";
    if (guest) Object.assign(headers, { "x-metabase-guest-embed": "true", "X-Metabase-Client": "embedding-simple" });
    let answer;
    for (let pause = 200, left = 10; ; pause *= 2, left -= 1) {
      answer = await fetch(root + path, { headers });
      if (answer.status !== 503 || left === 0) break;
      await sleep(pause);
    }
    if (!json && answer.ok) return answer;
    const text = await answer.text();
    let body = text;
    try {
      body = JSON.parse(text);
    } catch {
      // Refusals are plain text.
    }
    const said = typeof body === "string" ? body : body.error || body.detail || body.title || text;
    if (!answer.ok) throw new Failed(answer.status, said);
    if (body && body._status > 0) throw new Failed(body._status, said);
    return body;
  }

  const claims = (token) => {
    try {
      const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
    } catch {
      return null;
    }
  };

  const query = (pairs) => new URLSearchParams(Object.entries(pairs)).toString();
  const FORMATTED = { format_rows: "true", pivot_results: "false" };
  const full = (value) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0);

  // ------------------------------------------------------------------------------------------------ one item

  class View {
    constructor({ flavour, kind, id, title = true }) {
      Object.assign(this, { flavour, kind, id, title });
      this.api = `/api/${flavour}/${kind === "dashboard" ? "dashboard" : "card"}/${encodeURIComponent(id)}`;
      this.values = {};
      this.parts = [];
    }

    get embed() {
      return this.flavour === "embed";
    }

    async show(values) {
      place.replaceChildren(el("p", { id: "state" }, "Loading…"));
      try {
        this.item = await call(this.api);
      } catch (error) {
        place.replaceChildren(el("p", { role: "alert", "data-status": String(error.status) }, error.message));
        return;
      }
      const given = values || this.fromPage();
      for (const parameter of this.item.parameters) {
        const { slug } = parameter;
        this.values[slug] = slug in given ? given[slug] : parameter.default === undefined ? null : [parameter.default].flat();
      }
      this.draw();
      await Promise.all([this.fill(), this.load()]);
      document.body.dataset.ready = "true";
    }

    // Filter values stand in the page's address, by slug.
    fromPage() {
      const all = {};
      for (const [slug, value] of new URLSearchParams(location.search)) {
        if (value !== "") all[slug] = [...(all[slug] || []), value];
        else all[slug] = null;
      }
      return all;
    }

    draw() {
      const widgets = el("div", { class: "widgets" }, ...this.item.parameters.map((one) => this.widget(one)));
      const head = el("header", {}, ...(this.title ? [el("h1", {}, this.item.name)] : []), widgets);
      const foot = el("footer", {}, "Powered by the stand-in");
      place.replaceChildren(head, el("main", {}, ...this.cards()), foot);
    }

    widget({ id, slug, name }) {
      const input = el("input", { list: `values-${id}`, "data-parameter": slug, autocomplete: "off" });
      input.value = (this.values[slug] || []).join(",");
      input.addEventListener("change", () => {
        const values = input.value.split(",").map((one) => one.trim());
        this.values[slug] = values[0] === "" ? null : values;
        this.remember();
        void this.load();
        void this.fill();
      });
      return el("label", {}, name, input, el("datalist", { id: `values-${id}` }));
    }

    remember() {
      const next = new URLSearchParams();
      for (const [slug, values] of Object.entries(this.values)) for (const one of values || []) next.append(slug, one);
      if (!guest) history.replaceState(null, "", `${location.pathname}?${next}${location.hash}`);
    }

    cards() {
      const make = (title, attributes, ask, file) => {
        const body = el("div", { class: "body" });
        const button = el("button", { type: "button", class: "export" }, "Export CSV");
        const part = { body, ask };
        button.addEventListener("click", () => void this.save(button, file("csv", part)));
        this.parts.push(part);
        return el("section", attributes, el("h2", {}, title), body, button);
      };
      this.parts = [];
      if (this.kind !== "dashboard") {
        const pivot = this.item.display === "pivot" ? "/pivot" : "";
        const path = pivot ? this.api.replace(/^\/api\/(embed|public)/, `/api/$1${pivot}`) : this.api;
        return [make(this.item.name, { "data-card": this.item.id }, () => `${path}/query?${this.filters(this.item)}`, (...of) => this.ofQuestion(...of))];
      }
      return this.item.dashcards.flatMap((dashcard) => {
        const text = dashcard.visualization_settings?.text;
        if (!dashcard.card) return text ? [el("section", { "data-dashcard": dashcard.id }, el("p", {}, text))] : [];
        return [dashcard.card, ...dashcard.series].map((card) => {
          const tail = `/dashcard/${dashcard.id}/card/${card.id}`;
          const base = card.display === "pivot" ? this.api.replace(/^\/api\/(embed|public)/, "/api/$1/pivot") : this.api;
          const attributes = { "data-dashcard": dashcard.id, "data-card": card.id };
          return make(card.name, attributes, () => `${base}${tail}?${this.filters(dashcard)}`, (...of) => this.ofDashcard(`${this.api}${tail}`, ...of));
        });
      });
    }

    // Embeds send values by slug, public links a list of whole objects.
    parameters(owner) {
      if (this.embed) return { ...this.values };
      return this.item.parameters
        .filter(({ slug }) => slug in this.values)
        .map(({ id, slug, name, type, options, target }) => {
          const mapping = owner.parameter_mappings?.find((one) => one.parameter_id === id);
          return { id, type, value: this.values[slug], target: mapping ? mapping.target : target, slug, name, ...(options ? { options } : {}) };
        });
    }

    filters(owner) {
      return query({ parameters: JSON.stringify(this.parameters(owner)), ignore_cache: "false" });
    }

    // Where an export comes from. Public links repeat what the result says that it was asked, embeds what the page has; questions go by the page's address.
    ofDashcard(path, format, { asked }) {
      if (this.embed) return { path: `${path}/${format}?${query({ parameters: JSON.stringify(this.values), ...FORMATTED })}` };
      return { path: `${path}/${format}`, form: { parameters: JSON.stringify(asked), ...FORMATTED } };
    }

    ofQuestion(format, { asked }) {
      const parameters = this.embed ? this.fromPage() : asked.map(({ id, value }) => ({ id, value }));
      return { path: `/${this.flavour}/question/${this.id}.${format}?${query({ parameters: JSON.stringify(parameters), ...FORMATTED })}` };
    }

    // Fetched whole, then saved.
    async save(button, { path, form }) {
      delete button.dataset.status;
      const answer = await fetch(root + path, form ? { method: "POST", body: new URLSearchParams(form) } : {});
      if (answer.ok) {
        const name = answer.headers.get("Content-Disposition")?.match(/filename="(.+)"/)?.[1] ?? "query_result.csv";
        const link = el("a", { href: URL.createObjectURL(await answer.blob()), download: name });
        document.body.append(link);
        link.click();
        link.remove();
      }
      button.dataset.status = String(answer.status);
    }

    async load() {
      await Promise.all(
        this.parts.map(async (part) => {
          try {
            const { data, json_query: asked } = await call(part.ask());
            part.asked = asked?.parameters ?? [];
            const row = (cells, name) => el("tr", {}, ...cells.map((one) => el(name, {}, one === null ? "" : String(one))));
            const head = el("thead", {}, row(data.cols.map((one) => one.display_name), "th"));
            part.body.replaceChildren(el("table", {}, head, el("tbody", {}, ...data.rows.map((one) => row(one, "td")))));
          } catch (error) {
            part.body.replaceChildren(el("p", { role: "alert", "data-status": String(error.status) }, error.message));
          }
        }),
      );
    }

    // The lists of the widgets: narrowed by those that they are linked to.
    async fill() {
      await Promise.all(
        this.item.parameters.map(async (parameter) => {
          const list = document.getElementById(`values-${parameter.id}`);
          const linked = (parameter.filteringParameters || []).map((id) => this.item.parameters.find((one) => one.id === id));
          const narrow = linked.filter((one) => one && full(this.values[one.slug])).flatMap((one) => this.values[one.slug].map((value) => [one.id, value]));
          try {
            const { values } = await call(`${this.api}/params/${encodeURIComponent(parameter.id)}/values?${new URLSearchParams(narrow)}`);
            list.replaceChildren(...values.map(([value, label]) => el("option", { value }, String(label ?? value))));
          } catch (error) {
            list.replaceChildren();
            list.dataset.status = String(error.status);
          }
        }),
      );
    }
  }

  // ------------------------------------------------------------------------------------------- static and public pages

  if (!guest) {
    const [flavour, kind, id] = page;
    if (flavour === "embed" && !claims(id)) place.replaceChildren(el("p", { role: "alert" }, "An error occurred"));
    else void new View({ flavour, kind, id }).show();
    return;
  }

  // -------------------------------------------------------------------------------------------------- guest embeds

  const say = (type, data) => window.parent.postMessage({ type, data }, "*");
  let view;
  const start = (token) => {
    const read = claims(token);
    if (!read || (read.exp && read.exp * 1000 <= Date.now())) {
      say("metabase.embed.requestGuestTokenRefresh", { expiredToken: token });
      return;
    }
    const kind = "question" in (read.resource || {}) ? "question" : "dashboard";
    const values = view?.values; // a fresh token loses no filter
    view = new View({ flavour: "embed", kind, id: token });
    void view.show(values);
    if (read.exp) setTimeout(() => say("metabase.embed.requestGuestTokenRefresh", { expiredToken: token }), Math.min(read.exp * 1000 - Date.now(), 2 ** 31 - 1));
  };
  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || !data) return;
    if (data.type === "metabase.embed.setSettings" && data.data.token) start(data.data.token);
    if (data.type === "metabase.embed.submitRefreshedGuestToken") start(data.data.guestToken);
    if (data.type === "metabase.embed.reportAuthenticationError") place.replaceChildren(el("p", { role: "alert", "data-code": data.data.code }, data.data.message));
  });
  say("metabase.embed.iframeReady", {});
})();
