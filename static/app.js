// The drawer beside the listing: focus moves into it when it opens, and back to its link when it closes.
(() => {
  let opener = null;
  const drawer = () => document.getElementById("drawer");

  function highlightRow(link) {
    document.querySelector("tr.shown")?.classList.remove("shown");
    link?.closest("tr")?.classList.add("shown");
  }

  function close() {
    drawer().replaceChildren();
    highlightRow(null);
    opener?.focus();
  }

  document.addEventListener("click", (event) => {
    const open = event.target.closest("[hx-target='#drawer']");
    if (open) highlightRow(opener = open);
    if (event.target.closest("[data-close]") && drawer()?.hasChildNodes()) {
      event.preventDefault();
      close();
    }
  });
  // The whole row opens the drawer, unless the click is on a link or selects text.
  document.addEventListener("click", (event) => {
    const row = event.target.closest(".listing tbody tr");
    if (!row || event.target.closest("a, button") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (getSelection().isCollapsed) row.querySelector("[hx-target='#drawer']").click();
  });
  // Language links take the current URL: its filters may have changed since the page was rendered.
  document.addEventListener("click", (event) => {
    const language = event.target.closest("a[hreflang]");
    if (!language) return;
    const url = new URL(location.href);
    url.searchParams.set("lang", language.hreflang);
    language.href = url;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drawer()?.hasChildNodes()) close();
  });
  document.addEventListener("htmx:after:swap", () => {
    if (drawer()?.hasChildNodes() && !drawer().contains(document.activeElement)) {
      document.getElementById("drawer-title")?.focus();
    }
  });
})();
