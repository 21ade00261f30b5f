// The stand-in's web component for guest embeds: <metabase-dashboard token="…">, <metabase-question token="…">.
(() => {
  "use strict";

  const script = document.currentScript;
  const config = () => window.metabaseConfig || {};
  let number = 0;

  class Failed extends Error {
    constructor(code, message) {
      super(message);
      this.code = code;
    }
  }

  class Embed extends HTMLElement {
    connectedCallback() {
      if (this.frame) return;
      number += 1;
      const instance = (config().instanceUrl || new URL(script.src).origin).replace(/\/$/, "");
      this.frame = document.createElement("iframe");
      this.frame.src = `${instance}/embed/sdk/v1?embed-js-identifier=${number}`;
      this.frame.width = "100%";
      this.frame.height = this.getAttribute("height") || "600";
      window.addEventListener("message", (event) => this.hear(event));
      this.append(this.frame);
    }

    attributeChangedCallback(name, before, token) {
      if (before !== null && this.frame && token) this.say("metabase.embed.submitRefreshedGuestToken", { guestToken: token });
    }

    say(type, data) {
      this.frame.contentWindow.postMessage({ type, data }, "*");
    }

    hear({ source, data }) {
      if (source !== this.frame.contentWindow || !data) return;
      if (data.type === "metabase.embed.iframeReady") void this.ready();
      if (data.type === "metabase.embed.requestGuestTokenRefresh") {
        void this.answer(async () => this.say("metabase.embed.submitRefreshedGuestToken", { guestToken: await this.fetchToken() }));
      }
    }

    async ready() {
      await this.answer(async () => {
        const token = this.getAttribute("token") || (await this.fetchToken());
        this.say("metabase.embed.setSettings", { ...config(), isGuest: true, componentName: this.localName, token });
      });
    }

    async answer(work) {
      try {
        await work();
      } catch ({ code = "CANNOT_FETCH_JWT_TOKEN", message }) {
        this.say("metabase.embed.reportAuthenticationError", { code, message });
      }
    }

    // The first token, or the next one.
    async fetchToken() {
      const url = config().guestEmbedProviderUri;
      if (!url) throw new Failed("CANNOT_FETCH_JWT_TOKEN", "No guestEmbedProviderUri.");
      const kind = this.localName.replace("metabase-", "");
      const id = this.getAttribute(`${kind}-id`) || this.resource(kind);
      const body = JSON.stringify({ entityType: kind, entityId: Number(id), customContext: this.getAttribute("custom-context") });
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(`${url}${url.includes("?") ? "&" : "?"}response=json`, { method: "POST", credentials: "include", headers, body });
      if (!answer.ok) throw new Failed("CANNOT_FETCH_JWT_TOKEN", `${answer.status} ${await answer.text()}`);
      const { jwt } = await answer.json();
      if (typeof jwt !== "string") throw new Failed("DEFAULT_ENDPOINT_ERROR", "No jwt in the answer.");
      return jwt;
    }

    resource(kind) {
      try {
        const part = this.getAttribute("token").split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
        return JSON.parse(atob(part)).resource[kind];
      } catch {
        return null;
      }
    }

    static observedAttributes = ["token"];
  }

  customElements.define("metabase-dashboard", class extends Embed {});
  customElements.define("metabase-question", class extends Embed {});
})();
