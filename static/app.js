// The drawer beside the list: focus goes in when it opens, and back to its link when it closes.
(() => {
  let opener = null;
  const drawer = () => document.getElementById("drawer");

  function mark(link) {
    document.querySelector("tr.shown")?.classList.remove("shown");
    link?.closest("tr")?.classList.add("shown");
  }

  function close() {
    drawer().replaceChildren();
    mark(null);
    opener?.focus();
  }

  document.addEventListener("click", (event) => {
    const open = event.target.closest("[hx-target='#drawer']");
    if (open) mark(opener = open);
    if (event.target.closest("[data-close]") && drawer()?.hasChildNodes()) {
      event.preventDefault();
      close();
    }
  });
  // A row is as wide as its link: a click that is not on a link and selects no text opens the drawer.
  document.addEventListener("click", (event) => {
    const row = event.target.closest(".listing tbody tr");
    if (!row || event.target.closest("a, button") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (getSelection().isCollapsed) row.querySelector("[hx-target='#drawer']").click();
  });
  // The address may have changed since the page was made: filters are in it.
  document.addEventListener("click", (event) => {
    const language = event.target.closest("a[hreflang]");
    if (!language) return;
    const address = new URL(location.href);
    address.searchParams.set("lang", language.hreflang);
    language.href = address;
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
