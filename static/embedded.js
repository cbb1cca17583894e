// Inside Shopify's admin there is no session cookie: every request carries an ID token, which is valid for a minute.
// App Bridge adds it to fetches; this script does so where App Bridge does not. Links and forms are not fetches, so this script sends them.
(() => {
  const handedOn = JSON.parse(document.querySelector("meta[name='handed-on']").content);
  const SHOPIFY_PARAMETERS = ["embedded", "hmac", "host", "id_token", "locale", "protocol", "session", "shop", "timestamp"];
  const RETRY = "X-Shopify-Retry-Invalid-Session-Request";
  const bridged = window.fetch;

  const isSameOrigin = (url) => url.origin === location.origin;
  const token = () => window.shopify.idToken();

  // Remove Shopify's parameters from the URL: a token must not get into the history, nor into a Referer header.
  const current = new URL(location.href);
  SHOPIFY_PARAMETERS.forEach((name) => current.searchParams.delete(name));
  history.replaceState(history.state, "", current);

  async function fetchWithToken(request) {
    const headers = new Headers(request.headers);
    headers.set("Authorization", `Bearer ${await token()}`);
    return bridged(new Request(request, { headers }));
  }

  window.fetch = async (resource, options) => {
    const request = new Request(resource, options);
    if (!isSameOrigin(new URL(request.url))) return bridged(resource, options);
    const retry = request.clone();
    const response = await fetchWithToken(request);
    return response.status === 401 && response.headers.has(RETRY) ? fetchWithToken(retry) : response;
  };

  async function go(target) {
    const url = new URL(target, location.href);
    for (const [name, value] of Object.entries(handedOn)) url.searchParams.set(name, value);
    url.searchParams.set("id_token", await token());
    location.assign(url);
  }

  async function save(response) {
    const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") || "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = name ? name[1] : "";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  async function show(response) {
    if ((response.headers.get("Content-Disposition") || "").startsWith("attachment")) return save(response);
    if (response.redirected) return go(response.url);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    document.title = page.title;
    document.body.replaceWith(page.body);
    window.htmx?.process(document.body);
    scrollTo(0, 0);
    document.getElementById("main")?.focus();
  }

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || link.target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const url = new URL(link.href);
    const within = url.pathname === location.pathname && url.search === location.search && url.hash;
    if (!isSameOrigin(url) || within) return;
    event.preventDefault();
    if (link.hasAttribute("download")) save(await fetch(url));
    else go(url);
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target, button = event.submitter;
    if (event.defaultPrevented) return;
    const url = new URL(button?.getAttribute("formaction") || form.getAttribute("action") || "", location.href);
    const fields = new URLSearchParams(new FormData(form, button));
    event.preventDefault();
    if (form.method === "get") {
      url.search = fields;
      return go(url);
    }
    form.setAttribute("aria-busy", "true");
    try {
      await show(await fetch(url, { method: "POST", body: fields }));
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
})();
