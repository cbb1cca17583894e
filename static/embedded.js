// Inside Shopify's admin there is no session cookie: every request carries an ID token, which lives a minute.
// App Bridge adds it to what is fetched; where it does not, this does. Links and forms, which are no fetches, are sent here.
(() => {
  const handedOn = JSON.parse(document.querySelector("meta[name='handed-on']").content);
  const SHOPIFYS = ["embedded", "hmac", "host", "id_token", "locale", "protocol", "session", "shop", "timestamp"];
  const RETRY = "X-Shopify-Retry-Invalid-Session-Request";
  const bridged = window.fetch;

  const isOurs = (url) => url.origin === location.origin;
  const token = () => window.shopify.idToken();

  // The address without what is Shopify's: a token has no place in the history, nor in what a page's links refer to.
  const address = new URL(location.href);
  SHOPIFYS.forEach((name) => address.searchParams.delete(name));
  history.replaceState(history.state, "", address);

  async function asked(request) {
    const headers = new Headers(request.headers);
    headers.set("Authorization", `Bearer ${await token()}`);
    return bridged(new Request(request, { headers }));
  }

  window.fetch = async (resource, options) => {
    const request = new Request(resource, options);
    if (!isOurs(new URL(request.url))) return bridged(resource, options);
    const again = request.clone();
    const answer = await asked(request);
    return answer.status === 401 && answer.headers.has(RETRY) ? asked(again) : answer;
  };

  async function go(target) {
    const url = new URL(target, location.href);
    for (const [name, value] of Object.entries(handedOn)) url.searchParams.set(name, value);
    url.searchParams.set("id_token", await token());
    location.assign(url);
  }

  async function save(answer) {
    const named = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = named ? named[1] : "";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  async function show(answer) {
    if ((answer.headers.get("Content-Disposition") || "").startsWith("attachment")) return save(answer);
    if (answer.redirected) return go(answer.url);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
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
    if (!isOurs(url) || within) return;
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
