// The admin's side: hands ID tokens to the frame, and shows the app's navigation beside it.
(() => {
  const [, , shop] = location.pathname.split("/");
  const query = location.search;

  async function token() {
    const answer = await fetch(`/admin/${shop}/id-token${query}`, { method: "POST" });
    return answer.json();
  }

  function show(links) {
    document.getElementById("nav").replaceChildren(...links.map(({ href, words }) => {
      const link = document.createElement("a");
      link.href = `/admin/${shop}${href}${query}`;
      link.textContent = words;
      return link;
    }));
  }

  addEventListener("message", async ({ data, source, origin }) => {
    if (source !== document.getElementById("app").contentWindow) return;
    if (data.links) show(data.links);
    if (data.ask) source.postMessage({ answer: data.ask, token: await token() }, origin);
  });
})();
