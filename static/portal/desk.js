// Keeps a desk fresh: what a large batch's page could not wait for, and the numbers of a batch that moves.
"use strict";
(() => {
  const FIRST = 300, SLOWEST = 5000, MOVING = 10000, FAST = 2000;
  let wait = FIRST, timer, asked = false;
  const page = () => document.querySelector("[data-desk]");

  function busy(section) {
    return section.contains(document.activeElement) || section.querySelector("details[open]:not([data-kept]), input[type=checkbox]:checked") || document.querySelector("dialog[open]");
  }

  // What was looked for takes more room than the line that awaits it. Where that would move what is being read, it
  // is announced, and shown when somebody asks for it.
  function holds(fresh) {
    const awaited = document.querySelector(".bp-awaited");
    return awaited && !asked && !fresh.querySelector(".bp-awaited") && awaited.getBoundingClientRect().top < innerHeight ? awaited : null;
  }

  function announce(awaited, fresh) {
    const found = fresh.querySelectorAll("#seen .bp-findings > li").length;
    awaited.querySelector("[role=status]").textContent = found ? `${found} pattern${found === 1 ? "" : "s"} found` : "the search is over";
    if (awaited.querySelector("[data-show]")) return;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "bp-button", textContent: found ? "Show what was found" : "Show what there is to do" });
    button.dataset.show = "";
    button.addEventListener("click", () => {
      asked = true;
      button.blur();
      refresh();
    });
    awaited.append(button);
  }

  function swap(fresh) {
    let before = null;
    const awaited = holds(fresh);
    if (awaited) announce(awaited, fresh);
    for (const made of [...fresh.querySelectorAll("[data-swap]")]) {
      const old = document.querySelector(`[data-swap="${CSS.escape(made.dataset.swap)}"]`), seen = made.outerHTML;
      if (awaited && (!old || old === awaited)) continue;
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
