// Keeps a desk fresh: what a large batch's page could not wait for, and the numbers of a batch that moves.
"use strict";
(() => {
  const FIRST = 300, SLOWEST = 5000, MOVING = 10000, FAST = 2000;
  let wait = FIRST, timer;
  const page = () => document.querySelector("[data-desk]");

  function busy(section) {
    return section.contains(document.activeElement) || section.querySelector("details[open]:not([data-kept]), input[type=checkbox]:checked") || document.querySelector("dialog[open]");
  }

  function swap(fresh) {
    let before = null;
    for (const made of [...fresh.querySelectorAll("[data-swap]")]) {
      const old = document.querySelector(`[data-swap="${CSS.escape(made.dataset.swap)}"]`), seen = made.outerHTML;
      if (old && (busy(old) || old.dataset.seen === seen)) {
        before = old;
        continue;
      }
      made.dataset.seen = seen;
      if (old) old.replaceWith(made);
      else if (before) before.after(made);
      before = made;
    }
    page().dataset.looking = fresh.querySelector("[data-desk]")?.dataset.looking ?? "";
    portal.localTimes(document);
    document.dispatchEvent(new CustomEvent("refreshed"));
  }

  async function refresh() {
    if (!document.hidden) {
      try {
        if (page().dataset.looking) await fetch(page().dataset.ready, { headers: { Accept: "application/json" } });
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (answer.ok && !answer.redirected) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        // the next turn tries again
      }
    }
    next();
  }

  function next() {
    clearTimeout(timer);
    if (page().dataset.looking) timer = setTimeout(refresh, (wait = Math.min(SLOWEST, wait * 2)));
    else if (document.querySelector("[data-fast]")) timer = setTimeout(refresh, FAST);
    else if ("moving" in page().dataset) timer = setTimeout(refresh, MOVING);
  }

  if (page()) {
    if (page().dataset.looking) timer = setTimeout(refresh, FIRST);
    else next();
  }
})();
