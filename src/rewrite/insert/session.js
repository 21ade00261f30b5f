// Attaches a page's session to the page's own requests, where browsers keep no cookie. The gateway writes it into the page, before any other script.
// It is told: the session (or null), the site's path prefix, which parameters leave the address, and where to go on to. It keeps nothing beyond the page.
(function (told) {
  'use strict';
  document.currentScript.remove();
  // A sandboxed frame has no origin, hence no requests that are its own.
  if (self.origin === 'null') return;
  const NAME = 'X-Embedgate-Session', PARAMETER = 'embed_session';
  let session = told.session;
  const learn = (fresh) => { if (fresh) session = fresh; };

  const read = (url) => { try { return new URL(url, document.baseURI); } catch { return null; } };
  // Below the site's path at this very origin: nobody else is ever sent the session.
  const own = (url) => url !== null && url.protocol === location.protocol && url.host === location.host && `${url.pathname}/`.startsWith(`${told.prefix}/`);
  // An address without what is for the gateway alone.
  const tidy = (url) => {
    const name = (pair) => new URLSearchParams(pair).keys().next().value;
    url.search = url.search.slice(1).split('&').filter((pair) => !told.dropped.includes(name(pair))).join('&');
    return url;
  };
  // Opens a page of the site with the session in the request's body.
  const open = (url, target = '_self') => {
    const form = document.createElement('form');
    const action = tidy(new URL(url));
    action.search += `${action.search ? '&' : '?'}${PARAMETER}=form`;
    Object.assign(form, { method: 'post', action: action.href, target, hidden: true });
    for (const [field, value] of [[PARAMETER, session], ['hops', told.hops]]) {
      if (value !== null) form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: field, value }));
    }
    (document.body || document.documentElement).append(form);
    HTMLFormElement.prototype.submit.call(form);
    form.remove();
  };

  if (session) history.replaceState(history.state, '', tidy(new URL(location.href)).href);
  if (told.next !== null) {
    const next = read(told.next);
    if (own(next)) open(next); else location.replace(told.next);
    return;
  }
  told = { ...told, session: null, hops: null };

  // Never followed to another origin: a header of ours would go with it.
  const ask = self.fetch.bind(self);
  const fetch = async (input, init) => {
    const target = input instanceof Request ? input : String(input);
    if (!own(read(target.url || target))) return ask(target, init);
    const asked = new Request(target, init);
    const request = new Request(asked, { mode: 'same-origin', referrer: asked.referrer, referrerPolicy: asked.referrerPolicy });
    if (session) request.headers.set(NAME, session);
    const answer = await ask(request);
    learn(answer.headers.get(NAME));
    return answer;
  };
  self.fetch = fetch;

  const { open: begin, send } = XMLHttpRequest.prototype;
  const mine = new WeakSet();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    const target = String(url);
    if (own(read(target))) mine.add(this); else mine.delete(this);
    return begin.call(this, method, target, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (mine.has(this)) {
      if (session) this.setRequestHeader(NAME, session);
      this.addEventListener('load', () => { if (own(read(this.responseURL))) learn(this.getResponseHeader(NAME)); }, { once: true });
    }
    return send.call(this, body);
  };

  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (url, body) => {
    const target = String(url);
    if (!own(read(target))) return beacon(target, body);
    fetch(target, { method: 'POST', body, keepalive: true }).catch(() => {});
    return true;
  };

  // Pages of the site that this page opens: links, forms that ask (GET), `location`, reload. What goes back or forward cannot be held.
  const opens = (url) => session && own(url);
  if (self.navigation) {
    navigation.addEventListener('navigate', (event) => {
      const { cancelable, defaultPrevented, destination, formData } = event;
      const url = read(destination.url);
      if (!cancelable || defaultPrevented || destination.sameDocument || formData || !opens(url)) return;
      event.preventDefault();
      open(url);
    });
  }
  addEventListener('click', (event) => {
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement || node instanceof HTMLAreaElement);
    if (!link || !link.href || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const target = link.target || '_self';
    if (target === '_self' ? self.navigation : target !== '_blank') return;
    const url = read(link.href);
    const here = target === '_self' && url?.hash && url.href.split('#')[0] === location.href.split('#')[0];
    if (here || !opens(url)) return;
    event.preventDefault();
    open(url, target);
  });
})
