// Inside Shopify's admin there is no session cookie: every request carries an ID token, which is valid for a minute.
// App Bridge adds it to fetches; this script does so where App Bridge does not. Links and forms are not fetches, so this script sends them.
(() => {
  const meta = (name) => document.querySelector(`meta[name='${name}']`).content;
  const adminParams = JSON.parse(meta("admin-params")), adminUrl = meta("admin-url");
  const SECRET_PARAMETERS = ["appLoadId", "hmac", "id_token", "protocol", "session", "timestamp"];
  const RETRY = "X-Shopify-Retry-Invalid-Session-Request";
  const bridged = window.fetch;

  const isSameOrigin = (url) => url.origin === location.origin;
  const token = () => window.shopify.idToken();

  function withAdminParams(target) {
    const url = new URL(target, location.href);
    for (const [name, value] of Object.entries(adminParams)) url.searchParams.set(name, value);
    return url;
  }

  // Every URL of the history keeps the parameters by which the server knows the admin: Back and reload request it anew.
  // A token must not get into the history, nor into a Referer header.
  for (const name of ["pushState", "replaceState"]) {
    const change = history[name].bind(history);
    history[name] = (state, unused, url) => change(state, unused, withAdminParams(url ?? location.href));
  }
  const current = new URL(location.href);
  SECRET_PARAMETERS.forEach((name) => current.searchParams.delete(name));
  history.replaceState(history.state, "", current);
  // App Bridge shows the path in the admin's address bar when the history changes, which Back does not do by itself.
  addEventListener("popstate", () => history.replaceState(history.state, "", location.href));

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
    const url = withAdminParams(target);
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

  // Shopify asks the merchant. Whatever the answer, the app looks up what is granted when the form is sent.
  async function askForScopes(scopes) {
    try {
      await window.shopify.scopes.request(scopes);
    } catch (error) {
      console.warn("Shopify did not ask for access scopes.", error);
    }
  }

  // A tab of its own has no admin around it: there a link leads to the same page in the admin.
  function pointToAdmin(link) {
    if (!link || link.dataset.appHref || link.hasAttribute("download") || !isSameOrigin(new URL(link.href))) return;
    const url = new URL(link.href);
    [...SECRET_PARAMETERS, ...Object.keys(adminParams)].forEach((name) => url.searchParams.delete(name));
    link.dataset.appHref = link.href;
    link.href = adminUrl + url.pathname + url.search + url.hash;
  }

  function pointToApp(link) {
    if (!link?.dataset.appHref) return;
    link.href = link.dataset.appHref;
    delete link.dataset.appHref;
  }

  const linkOf = (event) => event.target.closest?.("a[href]");
  const isForTab = (event) => event.button > 0 || event.ctrlKey || event.metaKey || event.shiftKey;

  // The browser reads the link's address when these events end, also for its menu.
  for (const name of ["pointerdown", "click", "auxclick", "contextmenu"]) {
    addEventListener(name, (event) => (isForTab(event) || name === "contextmenu" ? pointToAdmin : pointToApp)(linkOf(event)), true);
  }

  // A link of a mail that is shown here leads to the admin around the frame, which can be shown in no frame.
  const inApp = (href) => new URL(`${href}/`.startsWith(`${adminUrl}/`) ? href.slice(adminUrl.length) || "/" : href, location.href);

  document.addEventListener("click", async (event) => {
    const link = linkOf(event);
    if (!link || event.defaultPrevented || link.target || isForTab(event)) return;
    const url = inApp(link.href);
    const within = url.pathname === location.pathname && url.search === location.search && url.hash;
    if (within) return;
    event.preventDefault();
    if (!isSameOrigin(url)) open(url, "_blank", "noopener");
    else if (link.hasAttribute("download")) save(await fetch(url));
    else go(url);
  });

  // A click in the admin's own navigation, beside the frame.
  document.addEventListener("shopify:navigate", (event) => {
    event.preventDefault();
    go(event.target.getAttribute("href"));
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
      if (form.dataset.scopes) await askForScopes(form.dataset.scopes.split(" "));
      await show(await fetch(url, { method: "POST", body: fields }));
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
})();
