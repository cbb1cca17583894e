// Keeps the numbers true while somebody looks: asks every few seconds, and puts each part that changed in its place.
// Rows stay where they are; that there are new ones is said beside them.
(() => {
  const EVERY = 5000, LONGEST = 60000, PAUSED = "live-paused";
  let timer = 0, wait = EVERY, tag = "", asked = "";

  const button = () => document.querySelector("#live button");
  let stopped = false;  // for this page, where a frame is given no storage
  const remembered = (deed) => { try { return deed(sessionStorage); } catch { return null; } };
  const paused = () => stopped || remembered((storage) => storage.getItem(PAUSED)) === "1";

  function place(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of fresh.querySelectorAll("[data-live]")) {
      const old = document.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!old || old.innerHTML === part.innerHTML || old.contains(document.activeElement) && old !== document.activeElement) continue;
      old.innerHTML = part.innerHTML;
      const figure = old.closest(".figure");
      if (figure) figure.className = part.closest(".figure").className;
    }
  }

  async function ask() {
    const url = document.getElementById("live")?.dataset.url;
    if (!url || document.hidden || paused()) return;
    if (url !== asked) tag = "";
    asked = url;
    try {
      const answer = await fetch(url, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) return;
      if (!answer.ok && answer.status !== 304) throw new Error(answer.status);
      wait = EVERY;
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") || "";
        const html = await answer.text();
        if (url === document.getElementById("live")?.dataset.url) place(html);
      }
    } catch {
      wait = Math.min(wait * 2, LONGEST);
    }
    plan();
  }

  function plan() {
    clearTimeout(timer);
    if (!document.hidden && !paused()) timer = setTimeout(ask, wait);
  }

  function show() {
    if (!button()) return;
    button().hidden = false;
    button().setAttribute("aria-pressed", String(paused()));
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("#live button")) return;
    stopped = !paused();
    remembered((storage) => storage.setItem(PAUSED, stopped ? "1" : "0"));
    show();
    plan();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  document.addEventListener("htmx:after:swap", show);
  show();
  plan();
})();
