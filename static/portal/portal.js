// What every page does with what it hears of a batch: numbers, bar, milestones, lanes; and times in local time.
"use strict";
const portal = (() => {
  const grouped = new Intl.NumberFormat("en-US");
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const pace = (n) => (n >= 10 ? grouped.format(Math.round(n)) : n >= 1 ? n.toFixed(1) : String(Number(n.toPrecision(2))));
  const clock = (iso) => (iso ? moment(iso) : "–");
  const meta = document.querySelector("meta[name=portal-zone]");
  const zone = meta?.content || Intl.DateTimeFormat().resolvedOptions().timeZone;
  const shown = meta?.dataset.shown;

  // As `batches.moments.moment` writes it: in the reader's zone, which is named, with its day unless that is today.
  function moment(iso, form) {
    const at = new Date(iso);
    const part = (options, type) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }).formatToParts(at).find((p) => p.type === type)?.value ?? "";
    const day = (date) => new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(date);
    const timeStyle = form === "minute" ? "short" : "medium";
    const clockTime = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeStyle, hourCycle: "h23" }).format(at);
    const name = zone === shown && meta?.dataset.name ? meta.dataset.name : part({ timeZoneName: "short" }, "timeZoneName").replace("GMT", "UTC");
    const time = form === "zoneless" ? clockTime : `${clockTime} ${name}`;
    if (day(at) === day(new Date())) return time;
    const year = day(at).slice(0, 4) === day(new Date()).slice(0, 4) ? "" : ` ${day(at).slice(0, 4)}`;
    return `${part({ day: "numeric" }, "day")} ${part({ month: "short" }, "month").slice(0, 3)}${year} ${time}`;
  }

  // As `batches.progress_text.waits_of` and `done_but_for` say it.
  function waiting(p) {
    if (!p.waiting || !p.waits || p.status === "CANCELLING") return { waits: "", butFor: "", only: false };
    const n = grouped.format(p.waiting), single = p.waiting === 1;
    const why = [...p.waits.codes.slice(0, 3), p.waits.attempt ? `attempt ${grouped.format(p.waits.attempt)}` : ""].filter(Boolean).join(", ");
    const first = moment(p.waits.first_at), last = moment(p.waits.last_at);
    const stopped = ["PAUSING", "PAUSED", "HALTED"].includes(p.status);
    const times = first === last ? `not before ${first}` : `the first not before ${first}, the last not before ${last}`;
    const when = stopped ? `, which ${single ? "it has" : "they have"} after resume` : `: ${times}`;
    return {
      waits: `${n} ${single ? "item waits for its" : "items wait for their"} next try${why && ` (${why})`}${when}.`,
      butFor: `${n} that ${single ? "waits" : "wait"} until ${stopped ? "it is resumed" : last}`,
      only: p.status === "RUNNING" && p.remaining <= p.waiting,
    };
  }

  function words(p) {
    const failures = p.failed + p.quarantined;
    const { waits, butFor, only } = waiting(p);
    const speed = p.recent_velocity === null || only ? "" : p.recent_velocity ? `${pace(p.recent_velocity)} items a second` : p.waits_because || p.stuck ? "" : "no item done in 30 s";
    const left = p.eta_human === null ? "" : `about ${p.eta_human.replace(/([a-z])/g, " $1")} left`;
    const eta = p.waits_because ? "" : p.stuck ? "no worker has it" : only ? `done but for ${butFor}` : left && butFor ? `${left}, with ${butFor}` : left || butFor;
    const tail = failures ? ` ${grouped.format(failures)} ${failures === 1 ? "item" : "items"} failed so far.` : "";
    const done = p.total_items - p.remaining;
    const untold = p.ad_hoc && done && !p.remaining ? `${grouped.format(done)} ${done === 1 ? "item" : "items"} so far, of a number it has not told` : "";
    const moving = [untold, speed, eta].filter(Boolean).join(", ");
    const running = only ? `Done but for ${butFor}.` : p.ad_hoc ? `Driven by a script${moving && `: ${moving}`}.` : `${capital(speed || "just started")}${eta ? `, ${eta}` : ""}.`;
    const state = p.waits_because || (p.stuck || p.status !== "RUNNING" ? p.sentence : running);
    return {
      sentence: state + tail, because: p.waits_because ?? "", speed, eta, waits, waiting: grouped.format(p.waiting),
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
    const kept = p.status === root.dataset.status && p.status !== "RUNNING" && !p.stuck && !p.waits_because ? root.querySelector("[data-p=sentence]") : null;
    if (kept) said.sentence = kept.textContent;
    for (const node of root.querySelectorAll("[data-p]")) if (said[node.dataset.p] !== undefined) say(node, said[node.dataset.p]);
    const waits = root.querySelector("[data-p=waits]");
    if (waits) waits.hidden = !said.waits;
    for (const link of root.querySelectorAll(".bp-counts a")) link.classList.toggle("bp-none", link.querySelector("[data-p]")?.textContent === "0");
    showBar(root.querySelector("[data-bar]"), p);
    showMilestones(root, p.milestones);
    showLanes(root.querySelector("[data-lanes]"), p.lanes);
    return said;
  }

  // The server writes them in the reader's zone as soon as it knows that: from the second page on.
  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      if (zone !== shown || !time.textContent) time.textContent = moment(time.dateTime, time.dataset.form);
      time.title = at.toISOString();
    }
  }

  if (zone && !meta?.content) document.cookie = `zone=${zone};path=/;max-age=31536000;samesite=lax`;
  if (zone && zone !== shown) for (const note of document.querySelectorAll("[data-zone-shown]")) note.textContent = zone;
  localTimes(document);
  return { show, localTimes, moment, zone };
})();
