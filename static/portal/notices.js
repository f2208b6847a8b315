// What is wrong at this moment, at the head of every page: asked for again while the page is looked at.
"use strict";
(() => {
  const EVERY = 2500;
  const place = document.querySelector("[data-notices]");
  if (!place) return;

  function line(notice) {
    const span = document.createElement("span");
    span.append(`${notice.before} `);
    if (notice.at) {
      const time = document.createElement("time");
      time.dateTime = notice.at;
      time.dataset.short = "";
      span.append(time);
    }
    span.append(`${notice.after} `);
    return span;
  }

  async function look() {
    if (document.hidden) return;
    try {
      const answer = await fetch(place.dataset.notices, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const { notices } = await answer.json();
      place.replaceChildren(...notices.map(line), place.querySelector("a"));
      portal.localTimes(place);
      place.hidden = !notices.length;
    } catch {
      return;  // the server is away: that is not for this line to say
    }
  }

  setInterval(look, EVERY);
})();
