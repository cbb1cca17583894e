// The admin's side: hands ID tokens to the frame, shows the app's navigation beside it and its page in the address bar.
(() => {
  const [, store, app] = /^\/admin\/store\/([^/]+)\/apps\/([^/]+)/.exec(location.pathname);
  const start = `/admin/store/${store}/apps/${app}`;
  const member = new URL(location.href).searchParams.get("as");
  const frame = document.getElementById("app");

  function address(path) {
    const url = new URL(start + path, location.origin);
    if (member) url.searchParams.set("as", member);
    return url;
  }

  async function token() {
    const answer = await fetch(`/admin/id-token/${store}${member ? `?as=${member}` : ""}`, { method: "POST" });
    return answer.json();
  }

  // The merchant accepts or declines in a dialog of the admin, outside of the app's frame.
  async function changed(action, names = []) {
    const accepted = action !== "request" || (await confirmed(names));
    const body = JSON.stringify({ action: accepted ? action : "query", scopes: names });
    const detail = await (await fetch(`/admin/scopes/${store}`, { method: "POST", body })).json();
    return action === "request" ? { result: accepted ? "granted-all" : "declined-all", detail } : detail;
  }

  const confirmed = (names) => new Promise((resolve) => {
    const dialog = document.getElementById("grant");
    dialog.querySelector("p").textContent = `The app asks for: ${names.join(", ")}`;
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "accept"), { once: true });
    dialog.showModal();
  });

  // A click makes the app go there by itself; in a new tab the admin opens it.
  function show(links) {
    document.getElementById("nav").replaceChildren(...links.map(({ href, words }) => {
      const link = document.createElement("a");
      link.href = address(href);
      link.textContent = words;
      link.onclick = (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        frame.contentWindow.postMessage({ navigate: href }, "*");
      };
      return link;
    }));
  }

  addEventListener("message", async ({ data, source, origin }) => {
    if (source !== frame.contentWindow) return;
    if (data.links) show(data.links);
    if (data.scopes) source.postMessage({ answer: data.ask, scopes: await changed(data.scopes, data.names) }, origin);
    else if (data.ask) source.postMessage({ answer: data.ask, token: await token() }, origin);
    if (data.at) history.replaceState(history.state, "", address(data.at));
  });
})();
