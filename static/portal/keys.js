// Keys of the portal's pages: / search, j and k through the rows, Enter opens one, r retry, ? this list.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("[data-row], #result_list tbody tr")];
  const row = () => document.activeElement?.closest("[data-row], #result_list tbody tr");
  let at = -1;

  function go(step) {
    const all = rows();
    if (!all.length) return;
    const here = all.indexOf(row());
    at = Math.max(0, Math.min(all.length - 1, (here < 0 ? at : here) + step));
    const link = all[at].querySelector("th a, a");
    if (link) {
      link.focus();
      link.scrollIntoView({ block: "nearest" });
    }
  }

  function help() {
    let dialog = document.querySelector("dialog.bp-keys");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.className = "bp-keys";
      dialog.setAttribute("aria-label", "Keys");
      const list = document.createElement("dl");
      for (const [key, what] of [["/", "search"], ["j k", "next and previous row"], ["Enter", "open the row"], ["r", "retry: asks before it does"], ["← →", "along a map or timeline in focus; with Shift to the next failures"], ["?", "this list"], ["Esc", "close"]]) {
        const term = document.createElement("dt"), text = document.createElement("dd"), kbd = document.createElement("kbd");
        kbd.textContent = key;
        term.append(kbd);
        text.textContent = what;
        list.append(term, text);
      }
      dialog.append(list);
      document.body.append(dialog);
    }
    dialog.showModal();
  }

  // The row in focus first, then what the page as a whole would retry; each leads to its confirmation.
  function retry() {
    const address = row()?.dataset.retry;
    if (address) location.href = address;
    else document.querySelector("[data-key=r]")?.click();
  }

  const search = () => document.querySelector("[data-key='/'], #searchbar");
  const acts = { j: () => go(1), k: () => go(-1), "?": help, "/": () => search()?.focus(), r: retry };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape" && event.target.matches("[data-key='/'], #searchbar")) return event.target.blur();
    if (event.target.closest("input, textarea, select, dialog[open], [contenteditable]")) return;
    if (acts[event.key]) {
      event.preventDefault();
      acts[event.key]();
    }
  });
})();
