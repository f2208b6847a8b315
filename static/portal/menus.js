// A menu closes with Escape, by a click elsewhere and when the focus leaves it; it opens and works without this.
"use strict";
(() => {
  const opened = () => document.querySelector("details[data-menu][open]");

  document.addEventListener("keydown", (event) => {
    const menu = opened();
    if (event.key !== "Escape" || !menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  for (const leaving of ["click", "focusin"]) {
    document.addEventListener(leaving, (event) => {
      const menu = opened();
      if (menu && !menu.contains(event.target)) menu.open = false;
    });
  }
})();
