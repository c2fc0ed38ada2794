"use strict";
// Asks every two seconds how far the running checks are; everything it gets is set as text.
(() => {
  const section = document.getElementById("live");
  const list = document.getElementById("live-runs");
  let running = !section.hidden;

  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const percent = (share) => (100 * share).toFixed(1);

  const shown = (run) => {
    const article = element("article", undefined, "live");
    const state = run.writing ? "being written" : "interrupted; the same command goes on from here";
    const line = element("p");
    line.append(element("strong", run.variant), " ", element("span", `${run.done} of ${run.planned} items · ${state}`, "dim"));
    const bar = element("progress");
    bar.max = run.planned;
    bar.value = run.done;
    article.append(line, bar);
    for (const suite of run.suites.filter((one) => one.asked)) {
      const [low, high] = suite.ci90;
      const text = `${suite.suite}: ${suite.right} of ${suite.asked} right (${percent(low)} to ${percent(high)} %), ${suite.planned} planned`;
      article.append(element("p", text, "small dim"));
    }
    return article;
  };

  const look = async () => {
    try {
      const answer = await fetch("/live.json", { cache: "no-store" });
      const runs = await answer.json();
      section.hidden = runs.length === 0;
      list.replaceChildren(...runs.map(shown));
      if (running && runs.length === 0) location.reload(); // a run was sealed: the page has more to tell
      running = runs.length > 0;
    } catch {
      /* the server is gone, or busy; ask again */
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
})();
