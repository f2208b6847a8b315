// Keeps a page of batches fresh: one socket for all of them; polling while there is none; silence in a hidden tab.
"use strict";
(() => {
  const POLL = 5000, FIRST_WAIT = 500, LONGEST_WAIT = 30000, SILENCE = 15000, ANNOUNCE = 20000, REFRESH = 3000, MOST = 100;
  const OFF = "live updates are off, refreshing every 5 s";
  let heardAt = new Date().toISOString(), offBecause = "";
  const indicator = document.querySelector("[data-live]");
  const FINAL = indicator ? indicator.dataset.final.split(" ") : [];
  const announcer = document.querySelector("[data-announce]");
  const roots = new Map(), seen = new Map();
  let socket = null, failures = 0, seq = 0, retryTimer, pollTimer, watchdog, refreshTimer, announcedAt = 0, refreshedAt = 0;

  function collect() {
    roots.clear();
    for (const root of document.querySelectorAll("[data-batch]")) {
      roots.set(root.dataset.batch, root);
      if (!seen.has(root.dataset.batch)) seen.set(root.dataset.batch, root.dataset.status);
    }
  }

  const watched = () => [...roots.keys()].filter((id) => !FINAL.includes(seen.get(id))).slice(0, MOST);

  function indicate(live) {
    if (!indicator) return;
    indicator.classList.toggle("bp-off", !live);
    const text = live ? "● live" : offBecause ? `${offBecause}; the numbers are of ${portal.moment(heardAt)}` : OFF;
    if (indicator.textContent !== text) indicator.textContent = text;
    indicator.hidden = watched().length === 0;
  }

  function announce(text, now) {
    if (!announcer || (!now && Date.now() - announcedAt < ANNOUNCE)) return;
    announcedAt = Date.now();
    announcer.textContent = text;
  }

  function take(progress) {
    const root = roots.get(progress.batch_id);
    heardAt = new Date().toISOString();
    if (!root) return;
    const said = portal.show(root, progress);
    if (roots.size === 1) announce(`${said.done_percent_text}. ${said.sentence}`, false);
    if (progress.failed + progress.quarantined && root.querySelector("[data-until-failure]") && Date.now() - refreshedAt > REFRESH) refreshSoon();
    root.dispatchEvent(new CustomEvent("progress", { detail: progress, bubbles: true }));
    if (progress.status_text !== root.dataset.standing) {
      root.dataset.standing = progress.status_text;
      refreshSoon();
    }
    if (progress.status !== seen.get(progress.batch_id)) {
      seen.set(progress.batch_id, progress.status);
      refreshSoon();
    }
  }

  // What only the server words (buttons, history, sentences of a state) is fetched and put in place of the old.
  function refreshSoon() {
    refreshedAt = Date.now();
    clearTimeout(refreshTimer);
    refreshTimer = setTimeout(refresh, 50);
  }

  async function refresh() {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-swap]")) {
        const made = fresh.querySelector(`[data-swap="${CSS.escape(old.dataset.swap)}"]`);
        if (!made) continue;
        if (old.contains(document.activeElement) || old.querySelector("details[open]")) {
          refreshTimer = setTimeout(refresh, REFRESH);
          continue;
        }
        const ticked = old.querySelector("input[type=checkbox]");
        if (ticked) made.querySelector("input[type=checkbox]").checked = ticked.checked;
        old.replaceWith(made);
      }
      portal.localTimes(document);
      for (const root of document.querySelectorAll("[data-batch]")) {
        const made = fresh.querySelector(`[data-batch="${CSS.escape(root.dataset.batch)}"]`);
        if (made) seen.set(root.dataset.batch, (root.dataset.status = made.dataset.status));
      }
      collect();
      const sentence = document.querySelector("[data-p=sentence]");
      if (sentence) announce(sentence.textContent, true);
      document.dispatchEvent(new CustomEvent("refreshed"));
      open();
    } catch {
      clearTimeout(refreshTimer);
      refreshTimer = setTimeout(refresh, POLL);
    }
  }

  function close() {
    clearTimeout(retryTimer);
    clearTimeout(watchdog);
    if (socket) {
      const old = socket;
      socket = null;
      old.close();
    }
  }

  function listen() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => lose(), SILENCE);
  }

  function open() {
    const ids = watched();
    if (socket || document.hidden) return;
    indicate(failures === 0);
    if (!ids.length) return stopPolling();
    clearTimeout(retryTimer);
    const query = ids.map((id) => `batch=${encodeURIComponent(id)}`).join("&");
    const made = (socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws/progress?${query}`));
    listen();
    made.onmessage = (event) => {
      if (socket !== made) return;
      listen();
      failures = 0;
      offBecause = "";
      stopPolling();
      indicate(true);
      const message = JSON.parse(event.data);
      if (message.type === "status") refreshSoon();
      if (message.type === "milestone") announce(`${message.milestone} % reached.`, true);
      if (message.type !== "progress" || message.seq <= seq) return;
      seq = message.seq;
      take(message);
    };
    made.onclose = (event) => {
      if (socket !== made) return;
      if (event.code === 1000 || event.code === 4404) {
        close();
        refreshSoon();
      } else if (event.code === 4403) {
        location.reload();
      } else {
        lose();
      }
    };
  }

  function lose() {
    close();
    seq = 0;
    failures += 1;
    indicate(false);
    startPolling();
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)) * (0.5 + Math.random());
    retryTimer = setTimeout(open, wait);
  }

  function startPolling() {
    if (pollTimer === undefined && !document.hidden) pollTimer = setTimeout(poll, POLL * (0.9 + Math.random() / 5));
  }

  function stopPolling() {
    clearTimeout(pollTimer);
    pollTimer = undefined;
  }

  async function poll() {
    pollTimer = undefined;
    let because = "";
    await Promise.all(watched().map(async (id) => {
      try {
        const answer = await fetch(roots.get(id).dataset.progress, { headers: { Accept: "application/json" } });
        if (answer.ok) return take(await answer.json());
        because = answer.status === 401 || answer.status === 403 ? "you are signed out, or may not see this any more" : `the server refuses (${answer.status})`;
      } catch {
        because = navigator.onLine ? "the server does not answer" : "there is no network";
      }
    }));
    offBecause = because;
    if (failures) indicate(false);
    if (!socket || failures) startPolling();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
      stopPolling();
    } else {
      failures = 0;
      open();
    }
  });
  addEventListener("online", () => { if (!socket) open(); });
  collect();
  open();
})();
