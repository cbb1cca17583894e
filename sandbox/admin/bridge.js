// A stand-in for Shopify's App Bridge, by what is documented of it.
(() => {
  const RETRY = "X-Shopify-Retry-Invalid-Session-Request";
  const waiting = new Map();
  let asked = 0;

  addEventListener("message", ({ data }) => {
    waiting.get(data.answer)?.(data.token);
    waiting.delete(data.answer);
  });

  const idToken = () => new Promise((resolve) => {
    waiting.set(++asked, resolve);
    parent.postMessage({ ask: asked }, "*");
  });

  window.shopify = { idToken, toast: { show() {} }, config: { apiKey: document.querySelector("meta[name='shopify-api-key']").content } };

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

  const reload = new URL(location.href).searchParams.get("shopify-reload");
  if (reload) idToken().then((token) => {
    const url = new URL(reload, location.origin);
    url.searchParams.set("id_token", token);
    location.replace(url);
  });

  document.addEventListener("DOMContentLoaded", () => {
    const links = [...document.querySelectorAll("s-app-nav s-link:not([rel='home'])")];
    parent.postMessage({ links: links.map((link) => ({ href: link.getAttribute("href"), words: link.textContent })) }, "*");
  });
})();
