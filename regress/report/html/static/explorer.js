"use strict";
// The item explorer. Texts of models reach the page as text nodes only: nothing here makes markup out of a string.
(() => {
  const HEIGHT = 52; // of a row, as in the style sheet
  const SPARE = 8; // rows drawn above and below what is seen
  const MOST_CELLS = 1e6; // of a comparison word by word; beyond it everything between like ends counts as changed
  const RESTING = 150; // ms on an item before the address names it: browsers refuse hundreds of changes a second
  const LEAST_COMMON = 0.25; // of a reply's words
  const OUTCOMES = { p: "pass", f: "fail", n: "no answer", e: "error", "-": "not asked" };
  const FILTERS = ["lost", "gained", "changed", "errors", "all"];
  const $ = (id) => document.getElementById(id);
  const state = { filter: "all", variant: 1, suite: -1, slice: -1, kind: -1, order: "", query: "", item: -1, marks: true };
  let data, naming, shown = [], haystack = null, places = null;

  // --- the packed items ---

  async function unpack() {
    const bytes = Uint8Array.from(atob($("island").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).json();
  }

  const count = () => data.id.length;
  const base = () => data.against[state.variant];
  const origin = (v, i) => (typeof data.text[v][i] === "number" ? data.text[v][i] : v);
  const reply = (v, i) => data.text[origin(v, i)][i];
  const parts = (text) => (text === null ? [] : Array.isArray(text) ? text : [text]);
  const plain = (text) => parts(text).filter((part) => typeof part === "string").join(" … ");

  function movement(i) {
    const before = data.outcome[base()][i], now = data.outcome[state.variant][i];
    if (before === "-" || now === "-") return "unasked";
    if (before === "p" && now !== "p") return "lost";
    if (before !== "p" && now === "p") return "gained";
    return origin(state.variant, i) !== origin(base(), i) || data.kind[base()][i] !== data.kind[state.variant][i] ? "changed" : "same";
  }

  function failed(i) {
    return [base(), state.variant].some((v) => data.outcome[v][i] === "n" || data.outcome[v][i] === "e");
  }

  function drift(i) {
    const before = data.right[base()][i], now = data.right[state.variant][i];
    return before === null || now === null ? null : now - before;
  }

  function fits(filter, i) {
    const moved = movement(i);
    if (filter === "all") return true;
    if (filter === "errors") return failed(i);
    if (filter === "changed") return moved === "lost" || moved === "gained" || moved === "changed";
    return moved === filter;
  }

  // --- choosing ---

  function matches(i) {
    if (state.suite >= 0 && data.suite[i] !== state.suite) return false;
    if (state.slice >= 0 && data.slice[i] !== state.slice) return false;
    if (state.kind >= 0 && data.kind[base()][i] !== state.kind && data.kind[state.variant][i] !== state.kind) return false;
    return !state.query || hay(i).includes(state.query);
  }

  function hay(i) {
    haystack ??= new Array(count());
    return (haystack[i] ??= [data.id[i], plain(data.prompt[i]), ...data.variants.map((_, v) => plain(reply(v, i)))].join("\n").toLowerCase());
  }

  function choose() {
    const counts = Object.fromEntries(FILTERS.map((name) => [name, 0]));
    shown = [];
    for (let i = 0; i < count(); i++) {
      if (!matches(i)) continue;
      for (const name of FILTERS) if (fits(name, i)) counts[name]++;
      if (fits(state.filter, i)) shown.push(i);
    }
    if (state.order) {
      const way = state.order === "down" ? 1 : -1;
      const key = new Map(shown.map((i) => [i, drift(i)]));
      shown.sort((a, b) => (key.get(a) === null) - (key.get(b) === null) || way * (key.get(a) - key.get(b)) || a - b);
    }
    for (const button of document.querySelectorAll("[data-filter]")) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === state.filter));
      button.querySelector("b").textContent = counts[button.dataset.filter].toLocaleString("en");
    }
    $("count").textContent = `${shown.length.toLocaleString("en")} of ${count().toLocaleString("en")} items`;
    $("rows").style.height = `${Math.max(1, shown.length) * HEIGHT}px`;
    draw();
  }

  // --- the list: only the rows that are seen exist ---

  function draw() {
    const list = $("list");
    const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + SPARE);
    const rows = [];
    for (let place = first; place < last; place++) rows.push(row(place));
    if (!shown.length) rows.push(made("div", "item dim", "nothing fits"));
    $("rows").replaceChildren(...rows);
    if (state.item >= 0 && $(`item-${state.item}`)) list.setAttribute("aria-activedescendant", `item-${state.item}`);
    else list.removeAttribute("aria-activedescendant");
  }

  function row(place) {
    const i = shown[place], moved = movement(i), change = drift(i);
    const node = made("div", "item");
    node.id = `item-${i}`;
    node.dataset.item = String(i);
    node.style.top = `${place * HEIGHT}px`;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", String(i === state.item));
    node.setAttribute("aria-posinset", String(place + 1));
    node.setAttribute("aria-setsize", String(shown.length));
    const word = { lost: "− lost", gained: "+ gained", changed: "≠", unasked: "not asked", same: "" }[moved];
    node.append(made("span", `sign ${moved}`, word), ltr("div", "", plain(data.prompt[i]).slice(0, 160) || data.id[i]));
    const kind = data.kind[state.variant][i];
    const about = [data.suites[data.suite[i]], data.slices[data.slice[i]], data.kinds[kind], change === null ? "" : signed(change)];
    node.append(made("div", "dim", about.filter(Boolean).join(" · ")));
    return node;
  }

  const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(2);

  function made(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function ltr(tag, className, text) {
    const node = made(tag, className, text);
    node.dir = "auto";
    return node;
  }

  // --- one item ---

  function select(i, name = true) {
    state.item = i;
    clearTimeout(naming);
    if (name && i >= 0) naming = setTimeout(() => history.replaceState(null, "", address(i)), RESTING);
    const place = shown.indexOf(i), list = $("list");
    if (place >= 0) {
      const top = place * HEIGHT;
      if (top < list.scrollTop) list.scrollTop = top;
      if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
    }
    draw();
    detail(i);
  }

  function detail(i) {
    if (i < 0) return $("detail").replaceChildren(made("p", "dim", "Choose an item."));
    const heading = made("h3", "", data.id[i]);
    const about = [data.suites[data.suite[i]], data.slices[data.slice[i]]].filter(Boolean).join(" · ");
    const prompt = ltr("p", "text prompt");
    fill(prompt, tokens(data.prompt[i]), null, "");
    const nodes = [heading, made("div", "dim", about), prompt];
    if (data.expected[i] !== null) {
      const expected = ltr("p", "text");
      expected.append(made("span", "dim", "expected  "));
      fill(expected, tokens(data.expected[i]), null, "");
      nodes.push(expected);
    }
    const replies = made("div", "replies");
    replies.append(...data.variants.map((_, v) => column(v, i)));
    $("detail").replaceChildren(...nodes, replies);
    $("detail").scrollTop = 0;
  }

  function column(v, i) {
    const outcome = data.outcome[v][i], isBase = data.against[v] === v;
    const node = made("article", `reply ${outcome === "-" ? "" : outcome}`);
    node.append(made("span", "word", OUTCOMES[outcome]), made("h4", "", data.variants[v]));
    const text = ltr("p", "text");
    const other = isBase ? state.variant : data.against[v];
    if (reply(v, i) === "") text.append(made("i", "dim", outcome === "-" ? "" : "empty"));
    const mine = tokens(reply(v, i));
    const marks = state.marks && reply(other, i) !== null && origin(other, i) !== origin(v, i) ? compared(mine, tokens(reply(other, i))) : null;
    fill(text, mine, marks, isBase ? "gone" : "new");
    node.append(text);
    const notes = [data.kinds[data.kind[v][i]], plain(data.detail[v][i] || null)].filter(Boolean);
    if (data.right[v][i] !== null) notes.push(`log-prob of the right choice ${data.right[v][i].toFixed(3).replace("-", "−")}`);
    for (const note of notes) node.append(ltr("div", "dim small", note));
    return node;
  }

  // --- the difference, word by word ---

  function tokens(text) {
    return parts(text).flatMap((part) =>
      typeof part === "number" ? [{ left: part }] : part.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? []);
  }

  // Which of a's tokens b has, too, with changed runs in one piece; null where so little is common that marks say nothing.
  function compared(a, b) {
    const kept = common(a, b), words = a.filter((word) => typeof word === "string" && word.trim()).length;
    const same = a.filter((word, place) => kept[place] && typeof word === "string" && word.trim()).length;
    if (same < words * LEAST_COMMON) return null;
    return kept.map((is, place) => is && (typeof a[place] !== "string" || a[place].trim() !== "" || kept[place - 1] !== false || kept[place + 1] !== false));
  }

  // For each of a's tokens whether it is part of a longest common subsequence with b.
  function common(a, b) {
    const kept = new Array(a.length).fill(false);
    let start = 0, endA = a.length, endB = b.length;
    while (start < endA && start < endB && a[start] === b[start]) kept[start++] = true;
    while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) { kept[--endA] = true; endB--; }
    const n = endA - start, m = endB - start, width = m + 1;
    if (n * m > MOST_CELLS) return kept;
    const best = new Uint32Array((n + 1) * width);
    for (let x = n - 1; x >= 0; x--)
      for (let y = m - 1; y >= 0; y--)
        best[x * width + y] = a[start + x] === b[start + y]
          ? best[(x + 1) * width + y + 1] + 1 : Math.max(best[(x + 1) * width + y], best[x * width + y + 1]);
    for (let x = 0, y = 0; x < n && y < m; )
      if (a[start + x] === b[start + y]) { kept[start + x] = true; x++; y++; }
      else if (best[(x + 1) * width + y] >= best[x * width + y + 1]) x++;
      else y++;
    return kept;
  }

  // Like neighbours share a node; what was left out is said.
  function fill(node, words, kept, mark) {
    let run = "", marked = false;
    const flush = () => {
      if (run) node.append(marked ? made("span", mark, run) : document.createTextNode(run));
      run = "";
    };
    words.forEach((word, place) => {
      if (typeof word !== "string") {
        flush();
        node.append(made("span", "left", ` … ${word.left.toLocaleString("en")} characters cut … `));
        return;
      }
      const changed = kept !== null && !kept[place];
      if (changed !== marked) flush();
      marked = changed;
      run += word;
    });
    flush();
  }

  // --- addresses ---

  const address = (i) => `#item=${encodeURIComponent(data.suites[data.suite[i]])}/${encodeURIComponent(data.id[i])}`;

  function fromAddress() {
    if (!location.hash.startsWith("#item=")) return false;
    places ??= new Map(data.id.map((_, i) => [address(i), i]));
    const [suite, id] = location.hash.slice(6).split("/", 2).map(decoded);
    const i = places.get(`#item=${encodeURIComponent(suite ?? "")}/${encodeURIComponent(id ?? "")}`);
    if (i === undefined) return false;
    Object.assign(state, { suite: -1, slice: -1, kind: -1, query: "" });
    if (!fits(state.filter, i)) state.filter = "all";
    refresh();
    select(i, false);
    $("items").scrollIntoView();
    return true;
  }

  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  // --- controls ---

  function options(id, names, all, chosen) {
    const first = new Option(all, "-1");
    $(id).replaceChildren(...(all ? [first] : []), ...names.map(([value, name]) => new Option(name, String(value))));
    $(id).value = String(chosen);
  }

  function refresh() {
    const inSuite = state.suite < 0 ? data.slices.map((_, s) => s) : [...new Set(data.slice.filter((s, i) => s >= 0 && data.suite[i] === state.suite))];
    if (!inSuite.includes(state.slice)) state.slice = -1;
    options("slice", inSuite.map((s) => [s, data.slices[s]]), "all slices", state.slice);
    $("suite").value = String(state.suite);
    $("kind").value = String(state.kind);
    $("search").value = state.query;
    choose();
  }

  function again() {
    $("list").scrollTop = 0;
    refresh();
    select(shown.includes(state.item) ? state.item : shown[0] ?? -1, false);
  }

  function step(by) {
    const place = shown.indexOf(state.item);
    if (shown.length) select(shown[Math.min(shown.length - 1, Math.max(0, place + by))]);
  }

  function filter(name) {
    state.filter = name;
    again();
  }

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select")) {
      if (event.key !== "Escape") return;
      if (event.target.matches("input")) { event.target.value = ""; event.target.dispatchEvent(new Event("input")); }
      event.target.blur();
      return;
    }
    const inList = event.target === $("list");
    const page = Math.floor($("list").clientHeight / HEIGHT) - 1;
    const steps = { j: 1, k: -1, ...(inList ? { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -shown.length, End: shown.length } : {}) };
    if (event.key in steps) step(steps[event.key]);
    else if (event.key === "/") $("search").focus();
    else if (event.key === "d") { state.marks = !state.marks; detail(state.item); }
    else if (FILTERS[Number(event.key) - 1]) filter(FILTERS[Number(event.key) - 1]);
    else return;
    event.preventDefault();
  }

  function listen() {
    for (const button of document.querySelectorAll("[data-filter]")) button.addEventListener("click", () => filter(button.dataset.filter));
    for (const id of ["variant", "suite", "slice", "kind"]) $(id).addEventListener("input", () => { state[id] = Number($(id).value); again(); });
    $("order").addEventListener("input", () => { state.order = $("order").value; again(); });
    let timer;
    $("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => { state.query = $("search").value.toLowerCase(); again(); }, 80);
    });
    $("list").addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
    $("list").addEventListener("click", (event) => {
      const node = event.target.closest("[data-item]");
      if (!node) return;
      select(Number(node.dataset.item));
      if (matchMedia("(max-width: 760px)").matches) $("detail").scrollIntoView({ block: "nearest" });
    });
    document.addEventListener("keydown", key);
    addEventListener("hashchange", fromAddress);
    addEventListener("resize", draw);
  }

  async function start() {
    data = await unpack();
    const candidates = data.variants.map((name, v) => [v, name]).filter(([v]) => data.against[v] !== v);
    if (!candidates.length) return;
    state.variant = candidates[0][0];
    options("variant", candidates, "", state.variant);
    options("suite", data.suites.map((name, s) => [s, name]), "all suites", -1);
    options("kind", data.kinds.map((name, k) => [k, name]), "any or none", -1);
    if (!data.right.some((column) => column.some((value) => value !== null))) $("order").parentNode.hidden = true;
    $("explorer").hidden = false;
    state.filter = FILTERS.find((name) => data.id.some((_, i) => fits(name, i))) ?? "all";
    listen();
    if (!fromAddress()) again();
    document.documentElement.dataset.ready = "true";
  }

  start().catch((reason) => {
    $("items").append(made("p", "note", `This browser cannot unpack the items (${reason.name}): it needs DecompressionStream, of 2023.`));
  });
})();
