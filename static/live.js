// Live update of the task list page: polls every few seconds, and replaces each data-live part that has changed.
// The rows are not replaced; the number of new tasks is shown beside them.
(() => {
  const INTERVAL = 5000, MAX_INTERVAL = 60000, PAUSED = "live-paused";
  let timer = 0, wait = INTERVAL, etag = "", polled = "";

  const button = () => document.querySelector("#live button");
  let stopped = false;  // for this page only, since a frame may have no session storage
  const withStorage = (use) => { try { return use(sessionStorage); } catch { return null; } };
  const paused = () => stopped || withStorage((storage) => storage.getItem(PAUSED)) === "1";

  function replaceParts(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of fresh.querySelectorAll("[data-live]")) {
      const old = document.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!old || old.innerHTML === part.innerHTML || old.contains(document.activeElement) && old !== document.activeElement) continue;
      old.innerHTML = part.innerHTML;
      const figure = old.closest(".figure");
      if (figure) figure.className = part.closest(".figure").className;
    }
  }

  async function poll() {
    const url = document.getElementById("live")?.dataset.url;
    if (!url || document.hidden || paused()) return;
    if (url !== polled) etag = "";
    polled = url;
    try {
      const response = await fetch(url, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
      if (response.status === 401 || response.status === 403) return;
      if (!response.ok && response.status !== 304) throw new Error(response.status);
      wait = INTERVAL;
      if (response.status === 200) {
        etag = response.headers.get("ETag") || "";
        const html = await response.text();
        if (url === document.getElementById("live")?.dataset.url) replaceParts(html);
      }
    } catch {
      wait = Math.min(wait * 2, MAX_INTERVAL);
    }
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (!document.hidden && !paused()) timer = setTimeout(poll, wait);
  }

  function showButton() {
    if (!button()) return;
    button().hidden = false;
    button().setAttribute("aria-pressed", String(paused()));
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("#live button")) return;
    stopped = !paused();
    withStorage((storage) => storage.setItem(PAUSED, stopped ? "1" : "0"));
    showButton();
    schedule();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));
  document.addEventListener("htmx:after:swap", showButton);
  showButton();
  schedule();
})();
