// What every page does with what it hears of a batch: numbers, bar, milestones, lanes; and times in local time.
"use strict";
const portal = (() => {
  const grouped = new Intl.NumberFormat("en-US");
  const pace = (n) => (n >= 10 ? grouped.format(Math.round(n)) : n.toFixed(1));
  const clock = (iso) => (iso ? new Date(iso).toLocaleTimeString() : "–");

  function words(p) {
    const failures = p.failed + p.quarantined;
    const speed = p.recent_velocity === null ? "" : `${pace(p.recent_velocity)} items a second`;
    const eta = p.eta_human === null ? "" : `about ${p.eta_human.replace(/([a-z])/g, " $1")} left`;
    const tail = failures ? ` ${grouped.format(failures)} ${failures === 1 ? "item" : "items"} failed so far.` : "";
    const stuck = "It should be running, but no worker has taken it for a while. Is the worker process up?";
    const moving = [speed, eta].filter(Boolean).join(", ");
    const running = p.ad_hoc ? `Driven by a script${moving && `: ${moving}`}.` : `${speed || "Just started"}${eta ? `, ${eta}` : ""}.`;
    const state = p.stuck ? stuck : p.status !== "RUNNING" ? p.sentence : running;
    return {
      sentence: state + tail, speed, eta,
      done: grouped.format(p.total_items - p.remaining), total_items: grouped.format(p.total_items),
      done_percent: p.done_percent.toFixed(1), done_percent_text: `${p.done_percent.toFixed(1)} %`,
      succeeded: grouped.format(p.completed), failed: grouped.format(p.failed), skipped: grouped.format(p.skipped),
      quarantined: grouped.format(p.quarantined), to_go: grouped.format(p.remaining), failures: grouped.format(failures),
      current_item: p.current_item ?? "–",
    };
  }

  function say(node, text) {
    if (node && node.textContent !== text) node.textContent = text;
  }

  function showBar(bar, p) {
    if (!bar || !p.total_items) return;
    const width = (n) => (1000 * n) / p.total_items;
    const ok = width(p.completed + p.skipped);
    bar.querySelector("[data-part=ok]").setAttribute("width", ok);
    bar.querySelector("[data-part=bad]").setAttribute("x", ok);
    bar.querySelector("[data-part=bad]").setAttribute("width", width(p.failed + p.quarantined));
    bar.setAttribute("aria-label", `${p.done_percent.toFixed(1)} % done`);
  }

  function showMilestones(root, milestones) {
    for (const row of milestones) {
      const mark = root.querySelector(`[data-mark="${row.milestone}"]`);
      if (!mark || mark.classList.contains("bp-reached")) continue;
      mark.classList.add("bp-reached");
      say(mark, `${row.milestone} % ✓ ${clock(row.reached_at)}`);
    }
  }

  function laneRow(lane) {
    const row = document.createElement("tr");
    row.dataset.lane = lane;
    for (const name of ["lane", "worker", "position", "saved", "lease"]) {
      const cell = document.createElement("td");
      cell.dataset.cell = name;
      if (name === "lane" || name === "position") cell.className = "bp-num";
      row.append(cell);
    }
    return row;
  }

  function showLanes(table, lanes) {
    if (!table) return;
    for (const lane of lanes) {
      let row = table.querySelector(`[data-lane="${lane.lane}"]`);
      if (!row) table.append((row = laneRow(lane.lane)));
      const texts = {
        lane: String(lane.lane), worker: lane.worker ?? "free",
        position: grouped.format(lane.current_item_index),
        saved: lane.saved_at ? clock(lane.saved_at) : "none yet", lease: clock(lane.lease_expires_at),
      };
      for (const [name, text] of Object.entries(texts)) say(row.querySelector(`[data-cell=${name}]`), text);
    }
  }

  function show(root, p) {
    const said = words(p);
    // At rest the server's sentence says more (who, when, why): it stays until the status changes.
    const kept = p.status === root.dataset.status && p.status !== "RUNNING" && !p.stuck ? root.querySelector("[data-p=sentence]") : null;
    if (kept) said.sentence = kept.textContent;
    for (const node of root.querySelectorAll("[data-p]")) if (said[node.dataset.p] !== undefined) say(node, said[node.dataset.p]);
    for (const link of root.querySelectorAll(".bp-counts a")) link.classList.toggle("bp-none", link.querySelector("[data-p]")?.textContent === "0");
    showBar(root.querySelector("[data-bar]"), p);
    showMilestones(root, p.milestones);
    showLanes(root.querySelector("[data-lanes]"), p.lanes);
    return said;
  }

  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.textContent = "short" in time.dataset ? at.toLocaleTimeString() : at.toLocaleString();
      time.title = at.toISOString();
    }
  }

  localTimes(document);
  return { show, localTimes };
})();
