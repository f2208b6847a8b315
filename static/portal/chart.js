// The velocity chart: items a second over time, pauses and gaps shaded; asks for new points while its batch moves.
"use strict";
(() => {
  const EVERY = 5000, HEIGHT = 140;
  const frame = document.querySelector("[data-velocity]");
  if (!frame || typeof uPlot === "undefined") return;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const seconds = (moment) => Date.parse(moment) / 1000;  // since 1970, as the chart wants them
  // Like every other moment of the page: in the reader's zone, on a 24 h clock. Least seconds apart, and what is written then.
  const CLOCK = [
    [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
    [0.001, "{HH}:{mm}:{ss}.{fff}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  ];
  let chart = null, pauses = [], loadedAt = 0, loading = false;

  function shade(plot) {
    plot.ctx.save();
    plot.ctx.fillStyle = color("--bp-track");
    plot.ctx.globalAlpha = 0.6;
    for (const [from, to] of pauses) {
      const left = Math.max(plot.bbox.left, plot.valToPos(from, "x", true));
      const right = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(to ?? Date.now() / 1000, "x", true));
      if (right > left) plot.ctx.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
    }
    plot.ctx.restore();
  }

  function options() {
    const axis = { stroke: () => color("--body-quiet-color"), grid: { stroke: () => color("--hairline-color") }, ticks: { show: false } };
    return {
      width: frame.clientWidth, height: HEIGHT, padding: [null, 24, null, null], legend: { show: false }, cursor: { y: false },
      scales: { y: { range: (plot, low, high) => [0, Math.max(1, high * 1.1)] } },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), portal.zone),
      axes: [{ ...axis, space: 70, values: CLOCK }, { ...axis, size: 56 }],
      series: [{}, { stroke: () => color("--bp-running"), width: 2, points: { show: false } }],
      hooks: { drawClear: [shade] },
    };
  }

  // A pause that lasts is shaded up to now, but never takes more than a fifth of the chart.
  function extend(times, speeds) {
    const last = times[times.length - 1], open = pauses[pauses.length - 1];
    if (!open || open[1] !== null) return;
    const most = Math.max(10, (last - times[0]) / 4);
    const from = Math.max(open[0], last) + 0.001;
    times.push(from, Math.max(from + 1, Math.min(Date.now() / 1000, from + most)));
    speeds.push(null, null);
  }

  function draw(found) {
    const breaks = [...found.pauses, ...found.gaps].map(([from, to]) => [seconds(from), to && seconds(to)]);
    pauses = breaks.sort((one, other) => one[0] - other[0]);
    const times = [], speeds = [];
    for (const [moment, speed] of found.points) {
      const at = seconds(moment);
      const last = times[times.length - 1];
      const pause = pauses.find(([from]) => last !== undefined && from >= last && from < at);
      if (pause) { times.push(pause[0] + 0.001); speeds.push(null); }
      times.push(at);
      speeds.push(speed);
    }
    if (times.length < 2) return;
    extend(times, speeds);
    if (chart) chart.setData([times, speeds]);
    else {
      frame.replaceChildren();
      chart = new uPlot(options(), [times, speeds], frame);
    }
    frame.setAttribute("aria-label", found.words);
  }

  async function load() {
    if (loading || document.hidden) return;
    loading = true;
    loadedAt = Date.now();
    try {
      const answer = await fetch(frame.dataset.velocity, { headers: { Accept: "application/json" } });
      if (answer.ok) draw(await answer.json());
    } catch {
      // the next frame tries again
    }
    loading = false;
  }

  addEventListener("resize", () => { if (chart) chart.setSize({ width: frame.clientWidth, height: HEIGHT }); });
  document.addEventListener("progress", (event) => {
    const nothing = frame.querySelector("[data-running]");
    if (nothing && event.detail.status === "RUNNING") nothing.textContent = nothing.dataset.running;
    if (Date.now() - loadedAt >= EVERY) load();
  });
  document.addEventListener("refreshed", load);
  load();
})();
