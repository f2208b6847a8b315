// A button that posts says what became of it: what was not done stays on the page, in red, with the button again.
"use strict";
(() => {
  const PATIENCE = 60000;
  const WHY = {
    session: "your session has ended. Sign in",
    right: "you may not do that any more.",
    form: "this page was too old for it. Press it again.",
    gone: "what it is about is not there any more.",
    offline: "there is no network.",
  };

  const isOurs = (form) => form.method === "post" && form.enctype !== "multipart/form-data" && !form.matches("[data-native]") && (form.closest(".bp-page, .bp-acts") || form.id.startsWith("bp-") || form.matches(".bp-confirm"));
  const label = (button) => (button?.getAttribute("aria-label") || button?.textContent || "It").trim().replace(/\s+/g, " ").replace(/…$/, "");

  function undone(form, button, why, known) {
    document.querySelector(".bp-undone")?.remove();
    const item = document.createElement("p"), again = document.createElement("button");
    item.className = "bp-undone";
    item.setAttribute("role", "alert");
    const what = known ? `“${label(button)}” was not done: ` : `Nobody knows whether “${label(button)}” was done: `;
    item.append(what, WHY[why] ?? why, " ");
    if (why === "session") {
      const link = document.createElement("a");
      link.href = `${document.querySelector("meta[name=portal-sign-in]")?.content ?? "/admin/login/"}?next=${encodeURIComponent(location.pathname + location.search)}`;
      link.target = "_blank";
      link.textContent = "in another tab";
      item.append(link, ", and press it again. ");
    }
    again.type = "button";
    again.className = "bp-button";
    again.textContent = `${label(button)} again`;
    again.addEventListener("click", async () => {
      again.disabled = true;
      await renew(form);
      form.requestSubmit(button?.isConnected ? button : undefined);
    });
    item.append(again);
    const content = document.querySelector("#content-start, #content, main") ?? document.body;
    content.prepend(item);
    item.scrollIntoView({ block: "nearest" });
    again.focus();
  }

  // Whoever signs in again has another token, which the page as it is now brings.
  async function renew(form) {
    const field = form.elements.csrfmiddlewaretoken;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[name=csrfmiddlewaretoken]");
      if (answer.ok && field && fresh) field.value = fresh.value;
    } catch { /* the act itself will say so */ }
  }

  async function post(form, button) {
    const address = button?.hasAttribute("formaction") ? button.formAction : form.action || location.href;
    const answer = await fetch(address, {
      method: "POST",
      body: new URLSearchParams(new FormData(form, button)),
      headers: { "X-Portal-Act": "1", Accept: "text/html, application/json" },
      signal: AbortSignal.timeout(PATIENCE),
    });
    const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
    if (isJson && answer.ok) return follow((await answer.json()).location);
    if (isJson) return undone(form, button, (await answer.json()).why ?? `the server refused it (${answer.status}).`, true);
    if (answer.status === 404) return undone(form, button, "gone", true);
    if (answer.status >= 500) return undone(form, button, `the server could not answer (${answer.status}).`, answer.status === 503);
    native(form, button); // a page that shows a form again has done nothing
  }

  function follow(address) {
    const to = new URL(address, location.href);
    const isHere = to.pathname === location.pathname && to.search === location.search;
    if (isHere && to.hash) history.replaceState(null, "", to);
    if (isHere) location.reload();
    else location.assign(to);
  }

  function native(form, button) {
    form.dataset.native = "1";
    if (button) form.requestSubmit(button);
    else form.submit();
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target, button = event.submitter;
    if (event.defaultPrevented || !isOurs(form)) return;
    event.preventDefault();
    if (form.dataset.acting) return;
    form.dataset.acting = "1";
    document.querySelector(".bp-undone")?.remove();
    try {
      if (navigator.onLine) await post(form, button);
      else undone(form, button, "offline", true);
    } catch (error) {
      undone(form, button, error.name === "TimeoutError" ? "the server has not answered for a minute." : "the server did not answer.", false);
    } finally {
      delete form.dataset.acting;
      delete form.dataset.sent;
    }
  });
})();
