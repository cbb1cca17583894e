// A stand-in for Shopify's App Bridge, by what is documented of it.
(() => {
  const RETRY = "X-Shopify-Retry-Invalid-Session-Request";
  // App Bridge's own list of what it keeps out of the address bar.
  const KEPT_OUT = ["hmac", "locale", "protocol", "session", "id_token", "shop", "timestamp", "host", "embedded", "appLoadId"];
  const waiting = new Map();
  let asked = 0;

  addEventListener("message", ({ data }) => {
    waiting.get(data.answer)?.(data.token ?? data.scopes);
    waiting.delete(data.answer);
    if (data.navigate) navigate(data.navigate);
  });

  const idToken = () => new Promise((resolve) => {
    waiting.set(++asked, resolve);
    if (parent !== window) parent.postMessage({ ask: asked }, "*");  // in a tab of its own nobody answers
  });

  const scopes = (action, names) => new Promise((resolve) => {
    waiting.set(++asked, resolve);
    parent.postMessage({ ask: asked, scopes: action, names }, "*");
  });

  window.shopify = { idToken, scopes: { query: () => scopes("query"), request: (names) => scopes("request", names), revoke: (names) => scopes("revoke", names) }, toast: { show() {} }, config: { apiKey: document.querySelector("meta[name='shopify-api-key']").content } };

  const bare = false;
  const plain = window.fetch;
  if (!bare) window.fetch = async (resource, options) => {
    const request = new Request(resource, options);
    if (new URL(request.url).origin !== location.origin) return plain(request);
    const send = async (one) => {
      const headers = new Headers(one.headers);
      headers.set("Authorization", `Bearer ${await idToken()}`);
      return plain(new Request(one, { headers }));
    };
    const again = request.clone();
    const answer = await send(request);
    return answer.status === 401 && answer.headers.has(RETRY) ? send(again) : answer;
  };

  // The admin's address bar follows new documents, pushState and replaceState; nothing says that it follows popstate.
  function report() {
    const url = new URL(location.href);
    KEPT_OUT.forEach((name) => url.searchParams.delete(name));
    if (parent !== window) parent.postMessage({ at: url.pathname + url.search + url.hash }, "*");
  }
  for (const name of ["pushState", "replaceState"]) {
    const change = history[name].bind(history);
    history[name] = (...given) => { change(...given); report(); };
  }
  report();

  const reload = new URL(location.href).searchParams.get("shopify-reload");
  if (reload) idToken().then((token) => {
    const url = new URL(reload, location.origin);
    url.searchParams.set("id_token", token);
    location.replace(url);
  });

  const links = () => [...document.querySelectorAll("s-app-nav s-link:not([rel='home'])")];
  document.addEventListener("DOMContentLoaded", () => {
    parent.postMessage({ links: links().map((link) => ({ href: link.getAttribute("href"), words: link.textContent })) }, "*");
  });

  // An app that routes by itself takes the event; else the frame goes to the bare path.
  function navigate(href) {
    const link = links().find((each) => each.getAttribute("href") === href);
    const event = new CustomEvent("shopify:navigate", { bubbles: true, cancelable: true });
    if (link && !link.dispatchEvent(event)) return;
    location.assign(href);
  }
})();
