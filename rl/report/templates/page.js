"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const PAGE = 40;

  /* Texts are only ever set as text: what was stored is data. */
  const make = (tag, options = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === "text") node.textContent = value;
      else if (name === "class") node.className = value;
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };

  /* Base64 of gzipped JSON, as the page holds it. */
  const opened = new Map();
  const unpack = (id) => {
    if (!opened.has(id)) {
      const node = byId(id);
      opened.set(id, node === null ? Promise.resolve(null) : inflate(node.textContent));
    }
    return opened.get(id);
  };
  const inflate = async (text) => {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  /* The main table: which measures, which columns. */
  const table = byId("table");
  const tools = byId("table-tools");
  const arrange = () => {
    const wanted = new Set([...tools.elements.measure].filter((box) => box.checked).map((box) => box.value));
    const group = tools.elements.group.value;
    const shown = new Map();
    for (const cell of table.querySelectorAll("[data-m]")) {
      const apart = cell.dataset.g === "apart" && cell.dataset.m === "lf1";
      const show = (wanted.has(cell.dataset.m) || apart) && (!group || cell.dataset.g === group);
      cell.hidden = !show;
      if (show && cell.tagName === "TH") shown.set(cell.dataset.g, (shown.get(cell.dataset.g) || 0) + 1);
    }
    for (const head of table.querySelectorAll("[data-head]")) {
      const count = shown.get(head.dataset.head) || 0;
      head.hidden = count === 0;
      if (count) head.colSpan = count;
    }
    const total = [...shown.values()].reduce((sum, count) => sum + count, 0);
    for (const cell of table.querySelectorAll("[data-span]")) {
      cell.colSpan = Math.max(1, total + (cell.tagName === "TH" ? 1 : 0));
    }
    table.classList.toggle("no-intervals", !tools.elements.interval.checked);
  };
  tools.addEventListener("change", arrange);
  tools.addEventListener("submit", (event) => event.preventDefault());
  if (matchMedia("(max-width: 44rem)").matches) tools.elements.group.value = "overall";
  arrange();

  const base = byId("base-tools");
  if (base) {
    base.addEventListener("change", () => {
      for (const body of byId("differences-table").tBodies) body.hidden = body.dataset.base !== base.elements.base.value;
    });
    base.addEventListener("submit", (event) => event.preventDefault());
  }

  /* The questions. */
  const filters = byId("filters");
  const list = byId("list");
  const more = byId("more");
  const LABELS = { C: "CORRECT", W: "WRONG", U: "UNUSABLE" };
  let index = null;
  let found = [];

  const option = (value, text) => make("option", { value, text });
  const fill = () => {
    const fields = filters.elements;
    index.categories.forEach(([name, paper], at) =>
      fields.category.append(option(at, name === paper ? name : `${paper} (${name})`)));
    index.conversations.forEach((name, at) => fields.conversation.append(option(at, name)));
    index.systems.forEach((name, at) => fields.system.append(option(at, name)));
    index.judges.forEach((name, at) => fields.right.append(option(`j${at}`, `CORRECT by ${name}`)));
    fields.right.append(option("f1", "F1 of 0.5 or more"), option("em", "exact match"));
  };

  /* true, false, or null where the question has no answer or no verdict; LoCoMo's own score where it is the only one. */
  const right = (answer, rule) => {
    if (!answer) return null;
    if (rule[0] === "j") {
      const label = answer[2][Number(rule.slice(1))];
      return label === "C" ? true : label === "W" ? false : null;
    }
    const keys = index.measures.map((measure) => measure[0]);
    const value = answer[1][keys.indexOf(rule)] ?? answer[1][keys.indexOf("l" + rule)];
    return value === null || value === undefined ? null : rule === "f1" ? value >= 0.5 : value === 1;
  };

  const matches = (question, at, want) => {
    if (want.category !== "" && question[4] !== Number(want.category)) return false;
    if (want.conversation !== "" && question[0] !== Number(want.conversation)) return false;
    const answers = index.answers.map((row) => row[at]);
    if (want.text) {
      const texts = [question[1], question[2], question[3], ...answers.map((answer) => (answer ? answer[0] : ""))];
      if (!texts.some((text) => text.toLowerCase().includes(want.text))) return false;
    }
    if (!want.show) return true;
    const asked = want.system === "" || want.show === "disagree" ? answers : [answers[Number(want.system)]];
    const told = asked.map((answer) => right(answer, want.right)).filter((one) => one !== null);
    if (!told.length) return false;
    const good = told.filter(Boolean).length;
    if (want.show === "disagree") {
      if (want.system === "") return good > 0 && good < told.length;
      const own = right(answers[Number(want.system)], want.right);
      return own !== null && told.some((one) => one !== own);
    }
    return want.show === "right" ? good === told.length : good === 0;
  };

  const apply = () => {
    const want = Object.fromEntries(new FormData(filters));
    want.text = want.text.trim().toLowerCase();
    found = [];
    index.questions.forEach((question, at) => { if (matches(question, at, want)) found.push(at); });
    byId("count").textContent = `${found.length.toLocaleString("en")} of ${index.questions.length.toLocaleString("en")} ` +
      "questions. A dot for each system, in the order of the table: filled is right, hollow is wrong, dotted unknown.";
    list.replaceChildren();
    extend();
  };
  const extend = () => {
    const start = list.childElementCount;
    list.append(...found.slice(start, start + PAGE).map(line));
    more.hidden = list.childElementCount >= found.length;
  };

  const line = (at) => {
    const [, id, text, gold, category] = index.questions[at];
    const rule = filters.elements.right.value;
    const dots = index.answers.map((row, system) => {
      const one = right(row[at], rule);
      const word = one === null ? "unknown" : one ? "right" : "wrong";
      return make("i", { class: one === null ? "none" : word, title: `${index.systems[system]}: ${word}` });
    });
    const under = make("span", { class: "under" }, make("b", { text: gold }), ` · ${index.categories[category][1]} · ${id}`);
    const button = make("button", { type: "button", class: "q", "aria-expanded": "false" },
      make("span", { class: "text", text }), under,
      make("span", { class: "dots", role: "img", "aria-label": dots.map((dot) => dot.title).join(", ") }, ...dots));
    const item = make("li", { "data-at": at }, button);
    button.addEventListener("click", () => toggle(item, at, true));
    return item;
  };

  const toggle = async (item, at, say) => {
    const button = item.firstElementChild;
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) { item.lastElementChild.remove(); return; }
    const box = make("div", { class: "trace" });
    item.append(box);
    if (say) history.replaceState(null, "", "#q=" + encodeURIComponent(index.questions[at][1]));
    box.append(...(await trace(at)));
  };

  const trace = async (at) => {
    const [conversation, , , , category, evidence, unanswerable] = index.questions[at];
    const told = evidence.length ? `evidence ${evidence.join(", ")}` : "no evidence is named";
    const paper = index.categories[category];
    const about = (paper[1] === paper[0] ? paper[0] : `${paper[1]} (${paper[0]})`) + ` · ${told}` + (unanswerable ? " · can't be answered" : "");
    const blocks = await Promise.all(index.systems.map((_, system) => unpack(`t-${system}-${conversation}`)));
    const cards = index.systems.map((name, system) => card(name, index.answers[system][at], blocks[system], at));
    return [make("p", { class: "note", text: about }), make("div", { class: "answers" }, ...cards.filter(Boolean))];
  };

  const number = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(1));
  const card = (name, answer, block, at) => {
    if (!answer || !block) return null;
    const [, id, , , , evidence] = index.questions[at];
    const [said, values, labels, recall] = answer;
    const trace = block.questions[id];
    const scores = index.measures.map((measure, place) => `${measure[1]} ${number(values[place])}`);
    const cuts = Object.entries(recall).map(([cut, value]) => `recall@${cut} ${number(value)}`);
    const parts = [
      make("h4", {}, make("span", { text: name }), make("span", { class: "scores", text: [...scores, ...cuts].join(" · ") })),
      make("p", { class: said ? "said" : "said empty", text: said || "empty answer" }),
    ];
    labels.forEach((label, judge) => {
      if (!label) return;
      const verdict = make("b", { class: label === "C" ? "right" : "wrong", text: LABELS[label] });
      parts.push(make("p", { class: "verdict" }, verdict, ` ${index.judges[judge]}: ${trace.reasons[judge]}`));
    });
    for (const [role, kind, detail] of trace.failures) {
      parts.push(make("p", { class: "verdict" }, make("b", { class: "wrong", text: `${role} ${kind}` }), ` ${detail}`));
    }
    parts.push(memories(block, trace, evidence));
    return make("article", { class: "answer" }, ...parts);
  };

  const memories = (block, trace, evidence) => {
    const wanted = new Set(evidence);
    const selected = new Set(trace.selected);
    const ranked = (rank) => (rank < index.shown ? rank + 1 : trace.ranks[rank - index.shown]);
    const hits = [...trace.found.keys()].filter((rank) => block.memories[trace.found[rank]][4].some((turn) => wanted.has(turn)));
    const place = hits.length ? `, evidence at rank ${hits.map(ranked).join(", ")}` : evidence.length ? ", no evidence among them" : "";
    const cut = trace.total > trace.found.length ? `, the best ${index.shown} and the selected ones shown` : "";
    const text = `${trace.total} found${cut}, ${selected.size} selected${place}`;
    const details = make("details", {}, make("summary", { text }));
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      const rows = trace.found.map((place, rank) => memory(block.memories[place], ranked(rank), selected.has(rank), wanted));
      details.append(make("ol", { class: "memories" }, ...rows));
    });
    return details;
  };

  const memory = ([id, text, speaker, time, turns], rank, selected, wanted) => {
    const evidence = turns.some((turn) => wanted.has(turn));
    const what = make("span", { class: "what" });
    if (evidence) what.append(make("span", { class: "tag", text: "evidence" }));
    if (selected) what.append(make("span", { class: "tag", text: "selected" }));
    what.append(text);
    const where = [speaker, time, turns.join(", "), id].filter(Boolean).join(" · ");
    const kind = [evidence ? "evidence" : "", selected ? "selected" : ""].join(" ").trim();
    return make("li", { class: kind }, make("span", { class: "rank", text: rank }), what,
      make("span", { class: "where", text: where }));
  };

  /* "#q=ID" opens one question. */
  const visit = async () => {
    const name = /^#q=(.+)$/.exec(location.hash);
    if (!name) return;
    const at = index.questions.findIndex((question) => question[1] === decodeURIComponent(name[1]));
    if (at < 0) return;
    if (!found.includes(at)) { filters.reset(); apply(); }
    while (!more.hidden && !list.querySelector(`[data-at="${at}"]`)) extend();
    const item = list.querySelector(`[data-at="${at}"]`);
    if (item.firstElementChild.getAttribute("aria-expanded") !== "true") await toggle(item, at, false);
    item.scrollIntoView({ block: "start", behavior: "instant" });
  };

  const start = async () => {
    if (typeof DecompressionStream === "undefined") return;
    index = await unpack("index");
    fill();
    let wait = 0;
    filters.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(apply, 120); });
    filters.addEventListener("submit", (event) => event.preventDefault());
    more.addEventListener("click", extend);
    addEventListener("hashchange", visit);
    apply();
    await visit();
  };
  start();
})();
