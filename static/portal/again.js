// A page about something under way: what the server words is fetched again every second, until it is over.
"use strict";
(() => {
  const EVERY = 1000, AFTER_AN_ERROR = 5000;
  const announcer = document.querySelector("[data-announce]");
  const sentence = () => document.querySelector("[data-sentence]")?.textContent ?? "";
  let said = sentence();

  // Nothing is replaced under an open fold or under somebody's hands.
  function busy(node) {
    return node.contains(document.activeElement) || node.querySelector("details[open]");
  }

  async function again() {
    if (document.hidden) return later(EVERY);
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const over = !fresh.querySelector("[data-again]");
      for (const old of document.querySelectorAll("[data-swap]")) {
        const made = fresh.querySelector(`[data-swap="${CSS.escape(old.dataset.swap)}"]`);
        if (made && (over || !busy(old))) old.replaceWith(made);
      }
      portal.localTimes(document);
      if (announcer && over && said !== sentence()) announcer.textContent = sentence();
      said = sentence();
      if (!over) later(EVERY);
    } catch {
      later(AFTER_AN_ERROR);
    }
  }

  function later(wait) {
    setTimeout(again, wait);
  }

  if (document.querySelector("[data-again]")) later(EVERY);
})();
