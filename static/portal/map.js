// The strips of a batch: its map on a canvas, its errors over time. A column says what it holds and opens it, by mouse, touch or arrow keys.
"use strict";
(() => {
  const EVERY = 2000, COLUMN = 3, LEAST = 2;
  const ORDER = ["failed", "quarantined", "waiting", "skipped", "done"];
  const grouped = new Intl.NumberFormat("en-US");
  const say = (node, text) => { if (node && node.textContent !== text) node.textContent = text; };
  const one = (n, word) => `${grouped.format(n)} ${word}${n === 1 ? "" : "s"}`;

  // -- what both strips do: a cursor over columns, and a link that says and opens the one under it

  function follow(figure, strip) {
    const box = figure.querySelector("[data-strip]"), here = figure.querySelector("[data-here]"), said = figure.querySelector("[data-said]");
    const resting = () => ({ text: here.dataset.resting || here.textContent, url: here.dataset.all });
    let at = -1;
    here.dataset.all ??= here.getAttribute("href");
    const cursor = document.createElement("i");
    cursor.className = "bp-cursor";
    cursor.hidden = true;
    box.append(cursor);

    function show(place) {
      at = Math.max(0, Math.min(strip.size() - 1, place));
      const cell = strip.cell(at);
      say(here, cell.text);
      here.href = cell.url;
      cursor.hidden = false;
      cursor.style.left = `${(100 * at) / strip.size()}%`;
      cursor.style.width = `${100 / strip.size()}%`;
    }

    function rest() {
      if (document.activeElement === here) return;
      at = -1;
      cursor.hidden = true;
      const { text, url } = resting();
      say(here, text);
      here.href = url;
    }

    const placeOf = (event) => Math.floor(((event.clientX - box.getBoundingClientRect().left) / box.clientWidth) * strip.size());
    box.addEventListener("pointermove", (event) => { if (strip.size()) show(placeOf(event)); });
    box.addEventListener("pointerleave", rest);
    box.addEventListener("click", (event) => {
      if (!strip.size() || event.target.closest("a")) return;
      show(placeOf(event));
      if (event.pointerType === "touch") here.focus();
      else location.href = here.href;
    });
    here.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
      const step = steps[event.key];
      if (step === undefined || !strip.size()) return;
      event.preventDefault();
      show(Math.abs(step) === Infinity ? (step < 0 ? 0 : strip.size() - 1) : event.shiftKey ? strip.next(at, step) : at + step);
      say(said, here.textContent);
    });
    here.addEventListener("blur", rest);
    here.title = "Arrow keys move over the columns, with Shift to the next one that has failures; Enter opens it.";
  }

  // -- the map

  function map(figure) {
    const box = figure.querySelector("[data-strip]"), canvas = document.createElement("canvas"), here = figure.querySelector("[data-here]");
    const stored = document.getElementById("map-data");
    let found = null, columns = [], loadedAt = 0, loading = false;
    const bad = (column) => column.failed + column.quarantined;

    function gather() {
      const together = Math.max(1, Math.ceil(found.bins.length / Math.max(1, Math.floor(box.clientWidth / COLUMN))));
      columns = [];
      for (let first = 0; first < found.bins.length; first += together) {
        const column = { first: first * found.stretch, last: Math.min((first + together) * found.stretch, found.total_items) - 1, size: 0 };
        found.outcomes.forEach((name, place) => {
          column[name] = 0;
          for (const bin of found.bins.slice(first, first + together)) column[name] += bin[place];
          column.size += column[name];
        });
        columns.push(column);
      }
      here.dataset.resting = `${one(together * found.stretch, "item")} a column`;
    }

    function draw() {
      if (!found || !box.clientWidth) return;
      gather();
      const scale = window.devicePixelRatio || 1, width = box.clientWidth, height = box.clientHeight;
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      const pen = canvas.getContext("2d"), style = getComputedStyle(figure);
      pen.scale(scale, scale);
      const colors = Object.fromEntries(ORDER.map((name) => [name, style.getPropertyValue(`--bp-o-${name}`).trim()]));
      columns.forEach((column, place) => {
        const left = Math.round((place * width) / columns.length), right = Math.round(((place + 1) * width) / columns.length);
        const names = ORDER.filter((name) => column[name]);
        let bottom = height;
        names.forEach((name, nth) => {
          const share = nth === names.length - 1 ? bottom : Math.max(LEAST, (height * column[name]) / column.size);
          const tall = Math.min(bottom, share);
          pen.fillStyle = colors[name];
          pen.fillRect(left, bottom - tall, Math.max(1, right - left), tall);
          bottom -= tall;
        });
      });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", found.words);
      if (!canvas.isConnected) {
        box.querySelector("svg")?.remove();
        box.prepend(canvas);
      }
    }

    function legend() {
      const place = figure.querySelector(".bp-legend"), labels = { quarantined: "set aside", waiting: "no outcome" };
      const present = found.outcomes.filter((name, nth) => found.bins.some((bin) => bin[nth]));
      if (place.dataset.shown === present.join()) return;
      place.dataset.shown = present.join();
      place.replaceChildren(...present.map((name) => {
        const entry = document.createElement("span"), swatch = document.createElement("i");
        swatch.className = `bp-o-${name}`;
        entry.append(swatch, labels[name] ?? name);
        return entry;
      }));
    }

    function take(fresh) {
      found = fresh;
      draw();
      legend();
      if (here !== document.activeElement && box.querySelector(".bp-cursor")?.hidden !== false) say(here, here.dataset.resting);
    }

    async function load() {
      if (loading || document.hidden || !figure.isConnected) return;
      loading = true;
      try {
        const answer = await fetch(figure.dataset.door, { headers: { Accept: "application/json" } });
        if (answer.ok) take(await answer.json());
        else say(here, "The map cannot be drawn now.");
      } catch {
        if (!found) say(here, "The map cannot be drawn now.");
      }
      loadedAt = Date.now();
      loading = false;
    }

    if (stored) take(JSON.parse(stored.textContent));
    follow(figure, {
      size: () => columns.length,
      next: (at, step) => {
        for (let place = at + step; place >= 0 && place < columns.length; place += step) if (bad(columns[place])) return place;
        return at;
      },
      cell: (place) => {
        const column = columns[place], failures = bad(column);
        const where = column.first === column.last ? `Item ${grouped.format(column.first)}` : `Items ${grouped.format(column.first)} to ${grouped.format(column.last)}`;
        const done = column.size - column.waiting;
        const what = failures ? `${grouped.format(failures)} of ${grouped.format(done)} failed` : column.waiting === column.size ? "to go" : column.waiting ? `${grouped.format(done)} done, none failed` : "none failed";
        const range = `&position__gte=${column.first}&position__lte=${column.last}`;
        return { text: `${where}: ${what}`, url: figure.dataset.items + range + (failures ? "&failed_at__isnull=False" : "") };
      },
    });
    new ResizeObserver(draw).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    let drawn = "";
    document.addEventListener("progress", ({ detail: p }) => {
      const stands = [p.status, p.remaining, p.failed, p.skipped, p.quarantined].join();
      if ("fixed" in figure.dataset || stands === drawn || Date.now() - loadedAt < EVERY) return;
      drawn = stands;
      load();
    });
    document.addEventListener("refreshed", () => { if (!("fixed" in figure.dataset)) load(); });
    if ("stale" in figure.dataset) load();
  }

  // -- errors over time: columns are links that the server drew

  function timeline(figure) {
    const links = [...figure.querySelectorAll("[data-bin]")];
    const size = Number(figure.dataset.columns || 0), byPlace = new Map(links.map((link) => [Number(link.dataset.bin), link]));
    const clock = (at) => portal.moment(at);
    const begin = Date.parse(figure.dataset.begin), width = Number(figure.dataset.width) * 1000;
    follow(figure, {
      size: () => size,
      next: (at, step) => {
        for (let place = at + step; place >= 0 && place < size; place += step) if (byPlace.has(place)) return place;
        return at;
      },
      cell: (place) => {
        const link = byPlace.get(place), when = clock(begin + place * width);
        return link
          ? { text: `${when}: ${one(Number(link.dataset.n), "error")}`, url: link.getAttribute("href") }
          : { text: `${when}: no errors`, url: figure.querySelector("[data-here]").dataset.all };
      },
    });
  }

  function start() {
    for (const figure of document.querySelectorAll("[data-picture]:not([data-begun])")) {
      figure.dataset.begun = "";
      (figure.dataset.picture === "map" ? map : timeline)(figure);
    }
  }

  document.addEventListener("refreshed", start);
  start();
})();
