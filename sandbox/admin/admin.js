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
    if (data.at) history.replaceState(history.state, "", address(data.at));
    if (data.ask) source.postMessage({ answer: data.ask, token: await token() }, origin);
  });
})();
