// The review page. Texts of records become text nodes and nothing else: no markup is ever made of them.
const byId = (id) => document.getElementById(id);
const state = { rows: [], at: -1, record: null, filter: {}, end: false, loading: false, said: [], mark: -1, asked: 0, started: false };
const DIMENSIONS = ["verdict", "stage", "rule", "provider", "source"];
const NAMES = { verdict: "Verdict", stage: "Stage", rule: "Rule", provider: "Provider", source: "Source" };
const PAGE = 100;
// Control characters, what turns the direction of writing, what is not seen at all.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udfff]/g;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function codeOf(found) {
  return "U+" + found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

/** A text as nodes; what nobody would see is named. */
function shown(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > at) nodes.push(document.createTextNode(text.slice(at, match.index)));
    nodes.push(element("span", { class: "control" }, codeOf(match[0])));
    at = match.index + match[0].length;
  }
  if (at < text.length) nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}

const stageClass = (stage) => "stage-" + (/^[a-z_]+$/.test(stage) ? stage : "other");
const number = (value) => value.toLocaleString("en");

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json", "x-decontam": "1" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch("/api/" + path, { credentials: "same-origin", ...options });
  } catch {
    throw new Error("decontam quarantine serve has ended; start it again");
  }
  const text = await answer.text();
  let told;
  try { told = JSON.parse(text); } catch { told = { error: text }; }
  if (!answer.ok) throw new Error(told.error || answer.statusText);
  return told;
}

let toasting;
function toast(message) {
  byId("toast").replaceChildren(...shown(message));
  byId("toast").classList.add("shown");
  clearTimeout(toasting);
  toasting = setTimeout(() => byId("toast").classList.remove("shown"), 3500);
}
const guarded = (work) => (...given) => Promise.resolve(work(...given)).catch((error) => toast(error.message));

function query(extra = {}) {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...state.filter, ...extra })) if (value !== "" && value !== null && value !== undefined) given.set(key, value);
  return given.toString();
}

// ---- the list

async function restart() {
  state.rows = []; state.at = -1; state.end = false; state.record = null;
  const asked = ++state.asked;
  byId("rows").replaceChildren();
  await more(asked);
  if (asked !== state.asked) return;
  if (state.rows.length) await open(0); else empty();
  await counts(asked);
}

async function more(asked = state.asked) {
  if (state.end || state.loading === asked) return;
  state.loading = asked;
  try {
    const after = state.rows.length ? state.rows[state.rows.length - 1].n : -1;
    const page = await ask("page?" + query({ after }));
    if (asked !== state.asked) return;
    const start = state.rows.length;
    state.rows.push(...page.rows);
    state.end = page.rows.length < PAGE;
    byId("rows").append(...page.rows.map((row, index) => line(row, start + index)));
    byId("more").hidden = state.end;
  } finally {
    if (state.loading === asked) state.loading = false;
  }
}

function line(row, index) {
  const rules = row.rules || [];
  const button = element("button", { type: "button", on: { click: guarded(() => open(index)) } },
    element("span", { class: "row-top" }, element("span", { class: "row-id" }, ...shown(row.id || "(no id)")), pill(row.verdict)),
    element("div", { class: "row-rules" }, (rules[0] || "no finding") + (rules.length > 1 ? ` +${rules.length - 1}` : "")),
    element("div", { class: "row-where" }, ...shown(`${row.shard}:${row.row}`)));
  return element("li", {}, button);
}

function pill(verdict) {
  return verdict ? element("span", { class: "said said-" + verdict }, verdict) : null;
}

function relabel(n, verdict) {
  const index = state.rows.findIndex((row) => row.n === n);
  if (index < 0) return;
  state.rows[index].verdict = verdict;
  const top = byId("rows").children[index].querySelector(".row-top");
  top.querySelector(".said")?.remove();
  const made = pill(verdict);
  if (made) top.append(made);
}

// ---- counts and filters

let recounting;
/** Count again once the reviewer pauses. */
function recount() {
  clearTimeout(recounting);
  recounting = setTimeout(guarded(() => counts(state.asked, true)), 1200);
}

async function counts(asked = state.asked, quietly = false) {
  if (!quietly) byId("count").textContent = "counting…";
  const told = await ask("counts?" + query());
  if (asked !== state.asked) return;
  byId("count").textContent = `${number(told.fit)} record${told.fit === 1 ? "" : "s"}`;
  progress(told);
  facets(told.facets);
}

function progress(told) {
  if (!told.built) { byId("done").textContent = "reading the quarantine…"; return; }
  const judged = Object.entries(told.judged).filter(([verdict]) => verdict !== "open").reduce((sum, [, many]) => sum + many, 0);
  byId("bar").max = Math.max(told.records, 1);
  byId("bar").value = judged;
  byId("done").textContent = `${number(judged)} of ${number(told.records)} judged`;
}

const searched = {};
function facets(given) {
  byId("facets").replaceChildren(...DIMENSIONS.map((dimension) => facet(dimension, given[dimension] || [])));
  byId("clear").hidden = Object.values(state.filter).every((value) => !value);
}

function facet(dimension, values) {
  const list = element("ul", {});
  const fill = () => {
    const wanted = (searched[dimension] || "").toLowerCase();
    const chosen = state.filter[dimension];
    const fitting = values.filter(([value]) => value === chosen || value.toLowerCase().includes(wanted));
    if (chosen && !fitting.some(([value]) => value === chosen)) fitting.unshift([chosen, 0]);
    list.replaceChildren(...fitting.slice(0, 300).map(([value, many]) => element("li", {},
      element("button", { type: "button", "aria-pressed": String(value === chosen), on: { click: guarded(() => choose(dimension, value)) } },
        element("span", {}, ...shown(value)), element("span", {}, number(many))))));
  };
  const search = values.length > 8
    ? element("input", { type: "search", placeholder: "search", "aria-label": "Search " + NAMES[dimension], value: searched[dimension] || "",
      on: { input: (event) => { searched[dimension] = event.target.value; fill(); } } })
    : null;
  fill();
  return element("section", { class: "facet" }, element("h2", {}, NAMES[dimension]), search, list);
}

async function choose(dimension, value) {
  state.filter[dimension] = state.filter[dimension] === value ? "" : value;
  await restart();
}

// ---- one record

function empty() {
  byId("document").replaceChildren(element("p", { class: "empty" }, Object.values(state.filter).some(Boolean) ? "No record fits these filters." : "The quarantine is empty."));
  pressed(null);
}

async function open(index) {
  if (index < 0 || index >= state.rows.length) return;
  const asked = state.asked;
  state.at = index;
  for (const current of byId("rows").querySelectorAll('[aria-current="true"]')) current.removeAttribute("aria-current");
  const button = byId("rows").children[index].firstChild;
  button.setAttribute("aria-current", "true");
  button.scrollIntoView({ block: "nearest" });
  const record = await ask("document?n=" + state.rows[index].n);
  if (asked !== state.asked || state.at !== index) return;
  show(record);
  if (index > state.rows.length - 20) await more();
}

function show(record) {
  state.record = record;
  state.mark = -1;
  const root = byId("document");
  root.replaceChildren(head(record), ...callouts(record), rules(record), ...record.texts.map((text) => textOf(record, text)), history(record));
  root.scrollTop = 0;
  pressed(verdictOf(record.history));
}

function head(record) {
  const facts = [`${record.shard}:${record.row}`, record.exact ? null : "credentials were taken out before it was held"];
  if (record.probability !== null) facts.push(`sample of ${record.stratum}, drawn with probability ${record.probability.toPrecision(3)}`);
  return element("div", { class: "head" }, element("h2", {}, ...shown(record.id || "(no id)")), ...facts.filter(Boolean).map((fact) => element("span", { class: "quiet" }, ...shown(fact))));
}

function callouts(record) {
  const made = [];
  if (record.problem) made.push(element("div", { class: "callout" }, element("span", {}, ...shown(record.problem))));
  if (record.hidden) {
    made.push(element("div", { class: "callout" },
      element("span", {}, `${number(record.hidden)} credential${record.hidden === 1 ? " is" : "s are"} covered. Showing them is logged with your name.`),
      element("button", { type: "button", "data-do": "reveal", on: { click: guarded(reveal) } }, element("kbd", {}, "S"), " Show")));
  }
  if (record.revealed) made.push(element("div", { class: "callout" }, element("span", {}, "Credentials are shown; that was logged."), element("button", { type: "button", on: { click: guarded(() => open(state.at)) } }, "Cover")));
  return made;
}

function rules(record) {
  const cards = record.rules.map((rule) => element("section", { class: "rule " + stageClass(rule.stage) },
    element("h3", {}, element("button", { type: "button", title: "Next place (F)", on: { click: () => jump(rule.name) } }, rule.name)),
    element("p", { class: "facts" }, [rule.kind, rule.provider, rule.strength, rule.score < 1 ? "score " + rule.score.toFixed(3) : null, rule.times > 1 ? `${number(rule.times)} times` : null].filter(Boolean).join(" · ")),
    element("p", {}, ...shown(rule.why || "This rule is not in the packs that are installed now.")),
    ...rule.settled.map((why) => element("p", { class: "facts" }, ...shown("settled: " + why))),
    rule.source ? element("details", { class: "source" }, element("summary", {}, "Source"), ...shown(rule.source)) : null,
    rule.changed ? element("p", { class: "facts" }, "The rule has changed since that run.") : null));
  const rest = cards.splice(window.matchMedia("(max-width: 820px)").matches ? 1 : 4);
  if (rest.length) cards.push(element("details", { class: "rest" }, element("summary", {}, `${rest.length} more rule${rest.length === 1 ? "" : "s"}`), element("div", { class: "rules" }, ...rest)));
  return element("div", { class: "rules" }, ...cards);
}

function textOf(record, text) {
  const title = text.path + (text.role ? ` · ${text.role}` : "") + (text.screened ? "" : " · not screened");
  const section = element("section", { class: "text" + (text.screened ? "" : " unscreened") }, element("h3", {}, ...shown(title)));
  section.append(element("pre", {}, ...text.segments.map(([piece, found]) => marked(record, piece, found))));
  if (text.from > 0 || text.to < text.length) {
    const go = (from) => guarded(async () => {
      const given = { n: record.n, path: text.path, from: Math.max(0, from) };
      const piece = record.revealed ? await ask("reveal/text", given) : await ask("text?" + new URLSearchParams(given));
      section.replaceWith(textOf(record, piece));
    });
    section.append(element("div", { class: "pieces" },
      `characters ${number(text.from)} to ${number(text.to)} of ${number(text.length)}`,
      element("button", { type: "button", disabled: text.from === 0, on: { click: go(text.from - (text.to - text.from)) } }, "Earlier"),
      element("button", { type: "button", disabled: text.to >= text.length, on: { click: go(text.to) } }, "Later")));
  }
  return section;
}

function marked(record, piece, found) {
  let node = document.createDocumentFragment();
  node.append(...shown(piece));
  for (const index of [...found].reverse()) {
    const finding = record.findings[index];
    const mark = element("mark", { class: stageClass(finding.stage), title: finding.name, "data-rule": finding.name });
    mark.append(node);
    node = mark;
  }
  return node;
}

function jump(rule = null) {
  const marks = [...byId("document").querySelectorAll("mark")].filter((mark) => rule === null || mark.dataset.rule === rule);
  if (!marks.length) return;
  const before = marks.findIndex((mark) => mark.classList.contains("here"));
  for (const mark of byId("document").querySelectorAll("mark.here")) mark.classList.remove("here");
  const next = marks[(before + 1) % marks.length];
  next.classList.add("here");
  next.scrollIntoView({ block: "center" });
}

function history(record) {
  if (!record.history.length) return element("div", {});
  return element("ul", { class: "history", "aria-label": "History" }, ...record.history.map((event) => element("li", {},
    element("strong", {}, event.verdict), " by ", ...shown(event.reviewer), element("span", { class: "quiet" }, " " + event.at.replace("T", " ").replace("+00:00", " UTC")),
    event.why ? element("div", {}, ...shown(event.why)) : null)));
}

function verdictOf(events) {
  const left = [];
  for (const event of events) {
    if (event.verdict !== "undo") left.push(event.verdict);
    else if (left.length && !["released", "expired"].includes(left[left.length - 1])) left.pop();
  }
  return left.filter((verdict) => verdict !== "note").pop() || null;
}

function pressed(verdict) {
  for (const button of document.querySelectorAll("[data-say]")) button.setAttribute("aria-pressed", String(button.dataset.say === verdict));
}

// ---- what a reviewer does

async function say(verdict, why = "", n = state.record?.n) {
  if (n === undefined) return;
  const told = await ask("verdict", { n, verdict, why });
  relabel(n, told.verdict);
  progress(told);
  recount();
  if (state.record?.n === n) {
    state.record.history = told.history;
    byId("document").lastChild.replaceWith(history(state.record));
    pressed(told.verdict);
  }
}

let judging = false;
async function judge(verdict) {
  const n = state.record?.n;
  // One verdict at a time, and only on what is on the screen: a key that is held down judges nothing unseen.
  if (n === undefined || judging || n !== state.rows[state.at]?.n) return;
  judging = true;
  try { await say(verdict, "", n); } finally { judging = false; }
  state.said.push(n);
  if (state.at + 1 < state.rows.length) await open(state.at + 1);
  else toast("That was the last one.");
}

async function undo() {
  const n = state.said.length ? state.said.pop() : state.record?.n;
  if (n === undefined) return;
  await say("undo", "", n);
  const index = state.rows.findIndex((row) => row.n === n);
  if (index >= 0 && index !== state.at) await open(index);
  toast("Taken back.");
}

async function reveal() {
  if (state.record?.hidden) show(await ask("reveal", { n: state.record.n }));
}

function note() {
  if (!state.record) return;
  byId("note-text").value = "";
  byId("note").returnValue = "";
  byId("note").showModal();
  byId("note-text").focus();
}

const actions = {
  note, undo, reveal,
  next: () => open(state.at + 1),
  previous: () => open(state.at - 1),
  jump: () => jump(),
  help: () => byId("help").showModal(),
  search: () => document.querySelector("#facets input")?.focus(),
};
const KEYS = { c: () => judge("confirm"), r: () => judge("release"), u: () => judge("unsure"), n: actions.note, z: actions.undo, j: actions.next, k: actions.previous, f: actions.jump, s: actions.reveal, "?": actions.help, "/": actions.search, ArrowDown: actions.next, ArrowUp: actions.previous };

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea");
  if (event.ctrlKey && event.key === "Enter" && byId("note").open) { byId("note").close("save"); return; }
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const act = KEYS[event.key] || KEYS[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  guarded(act)();
});

byId("actions").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  guarded(button.dataset.say ? () => judge(button.dataset.say) : actions[button.dataset.do])();
});
byId("note").addEventListener("close", guarded(async () => {
  const why = byId("note-text").value.trim();
  if (byId("note").returnValue === "save" && why) { const n = state.record.n; await say("note", why, n); state.said.push(n); }
}));
byId("help-toggle").addEventListener("click", actions.help);
byId("filters-toggle").addEventListener("click", () => {
  const opened = byId("filters").classList.toggle("open");
  byId("filters-toggle").setAttribute("aria-expanded", String(opened));
});
byId("clear").addEventListener("click", guarded(async () => { state.filter = {}; byId("scores").reset(); for (const key of Object.keys(searched)) delete searched[key]; await restart(); }));
byId("scores").addEventListener("change", guarded(async () => { state.filter.least = byId("least").value; state.filter.most = byId("most").value; await restart(); }));
byId("scores").addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", guarded(() => more()));
byId("list").addEventListener("scroll", guarded(async () => {
  const list = byId("list");
  if (list.scrollTop + list.clientHeight > list.scrollHeight - 600) await more();
}));

(guarded(async () => {
  forgetToken();
  const about = await ask("about");
  byId("out").textContent = about.out;
  document.title = `Quarantine · ${about.out}`;
  progress(about);
  await restart();
}))();

/** The token has done its work: it leaves the address, and so the history. */
function forgetToken() {
  window.history.replaceState(null, "", "/");
}
