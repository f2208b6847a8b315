// Keeps what a page shows of active batches fresh: asks for their progress while the tab is visible.
"use strict";
(() => {
  const EVERY = 1000, SLOWEST = 10000;
  const grouped = new Intl.NumberFormat("en-US");
  const one = (n) => (n >= 10 ? grouped.format(Math.round(n)) : n.toFixed(1));

  function words(p) {
    const failures = p.failed + p.quarantined;
    const speed = p.recent_velocity === null ? "" : `${one(p.recent_velocity)} items a second`;
    const eta = p.eta_human === null ? "" : `about ${p.eta_human.replace(/([a-z])/g, " $1")} left`;
    const tail = failures ? ` ${grouped.format(failures)} ${failures === 1 ? "item" : "items"} failed so far.` : "";
    const state = p.status !== "RUNNING" || p.stuck ? p.sentence : `${speed || "Just started"}${eta ? `, ${eta}` : ""}.`;
    return {
      sentence: state + tail, speed, eta,
      done: grouped.format(p.total_items - p.remaining), total_items: grouped.format(p.total_items),
      done_percent: p.done_percent.toFixed(1), done_percent_text: `${p.done_percent.toFixed(1)} %`,
      succeeded: grouped.format(p.completed), failed: grouped.format(p.failed), skipped: grouped.format(p.skipped),
      quarantined: grouped.format(p.quarantined), to_go: grouped.format(p.remaining), failures: grouped.format(failures),
    };
  }

  function show(root, p) {
    const said = words(p);
    for (const node of root.querySelectorAll("[data-p]")) {
      const text = said[node.dataset.p];
      if (text !== undefined && node.textContent !== text) node.textContent = text;
    }
    const bar = root.querySelector("[data-bar]");
    if (bar && p.total_items) {
      const width = (n) => (1000 * n) / p.total_items;
      const ok = width(p.completed + p.skipped);
      bar.querySelector("[data-part=ok]").setAttribute("width", ok);
      bar.querySelector("[data-part=bad]").setAttribute("x", ok);
      bar.querySelector("[data-part=bad]").setAttribute("width", width(p.failed + p.quarantined));
      bar.setAttribute("aria-label", `${p.done_percent.toFixed(1)} % done`);
    }
    for (const row of p.milestones) {
      const mark = root.querySelector(`[data-mark="${row.milestone}"]`);
      if (mark && !mark.classList.contains("bp-reached")) {
        mark.classList.add("bp-reached");
        mark.textContent = `${row.milestone} % ✓ ${new Date(row.reached_at).toLocaleTimeString()}`;
      }
    }
  }

  function watch(root) {
    let wait = EVERY;
    const offline = root.querySelector("[data-offline]");
    async function ask() {
      if (!document.hidden) {
        try {
          const answer = await fetch(root.dataset.progress, { headers: { Accept: "application/json" } });
          if (!answer.ok) throw new Error(answer.status);
          const progress = await answer.json();
          show(root, progress);
          if (offline) offline.hidden = true;
          wait = EVERY;
          if (progress.status !== root.dataset.status) {
            location.reload();
            return;
          }
        } catch {
          wait = Math.min(SLOWEST, wait * 2);
          if (offline) offline.hidden = false;
        }
      }
      setTimeout(ask, wait * (0.9 + Math.random() / 5));
    }
    setTimeout(ask, EVERY);
  }

  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = "short" in time.dataset ? at.toLocaleTimeString() : at.toLocaleString();
      time.title = at.toISOString();
    }
  }
  const roots = document.querySelectorAll("[data-progress]");
  roots.forEach(watch);
  const live = document.querySelector("[data-live]");
  if (live && roots.length) live.hidden = false;
})();
