// Keeps the list of exports fresh while a file is being made.
"use strict";
(() => {
  const LOOK = 1000, LATER = 5000;
  const parts = ["[data-exports]", "[data-exports-said]"];
  const isOpen = () => document.querySelector("[data-exports][data-open]") !== null;

  function put(fresh, part) {
    const old = document.querySelector(part), made = fresh.querySelector(part);
    if (!made || old.contains(document.activeElement)) return;
    if (part === "[data-exports-said]") {
      if (old.textContent !== made.textContent) old.textContent = made.textContent;
    } else {
      old.replaceWith(made);
    }
  }

  async function look() {
    let wait = LOOK;
    try {
      if (!document.hidden) {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (!answer.ok || answer.redirected) throw new Error(answer.status);
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        parts.forEach((part) => put(fresh, part));
        portal.localTimes(document);
      }
    } catch {
      wait = LATER;
    }
    if (isOpen()) setTimeout(look, wait);
  }

  if (isOpen()) setTimeout(look, LOOK);
})();
