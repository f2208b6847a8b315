// The confirmation of an act on many items says what its answers mean while they are given.
"use strict";
(() => {
  const form = document.querySelector("[data-confirm]");
  if (!form) return;
  const grouped = new Intl.NumberFormat("en-US");
  const number = (name) => Number.parseInt(form.elements[name]?.value ?? "", 10) || 0;
  const button = form.querySelector("[data-submit]");
  const says = form.querySelector("[data-canary-says]");
  const pace = form.querySelector("[data-pace]");
  const paceBefore = pace?.textContent;
  const typeThis = form.querySelector("[data-type-this] b");

  function total() {
    return number("count") + (form.elements.permanent?.checked ? number("unchanged") : 0);
  }

  function span(seconds) {
    if (seconds < 100) return `${Math.ceil(seconds)} s`;
    return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
  }

  function say(node, text) {
    if (node && node.textContent !== text) node.textContent = text;
  }

  function show() {
    const items = total(), canary = number("canary"), needed = number("needed");
    if (button && form.dataset.unit) say(button, `${form.dataset.unit} ${grouped.format(items)} ${items === 1 ? "item" : "items"}`);
    say(typeThis, grouped.format(items));
    const rate = Number.parseFloat(form.elements.rate?.value ?? "");
    say(pace, rate > 0 ? `at most ${grouped.format(rate)} a second: about ${span(items / rate)}` : paceBefore);
    if (!says) return;
    say(says, canary && canary < items
      ? `${grouped.format(canary)} go first; the rest only if at least ${grouped.format(needed)} of them recover, then a hundred, then all.`
      : "All of them go at once.");
  }

  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    // A second press while the first is on its way does nothing; the server would know it, too.
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
  });
  addEventListener("pageshow", () => delete form.dataset.sent);
  show();
})();
