(() => {
  "use strict";
  const { now, before } = JSON.parse(document.getElementById("figures").textContent);
  const OUTCOMES = ["kept", "tagged", "redacted", "quarantined", "dropped", "errored"];
  const tally = now.tally;
  const total = tally.records || 1;
  const format = new Intl.NumberFormat("en");
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const number = (value) => format.format(value);
  const share = (part, of) => (of ? (part / of < 0.0001 && part ? "<0.01%" : (100 * part / of).toFixed(part / of < 0.1 ? 2 : 1) + "%") : "–");
  const size = (bytes) => { let unit = 0; while (bytes >= 1000 && unit < 5) { bytes /= 1000; unit += 1; } return `${bytes >= 100 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${["B", "kB", "MB", "GB", "TB", "PB"][unit]}`; };
  const seconds = (value, of = value) => (of >= 7200 ? (value / 3600).toFixed(1) + " h" : of >= 120 ? (value / 60).toFixed(1) + " min" : value.toFixed(of < 10 ? 2 : 1) + " s");
  const stageColor = (stage) => (["signatures", "secrets", "pii", "known", "synthetic"].includes(stage) ? stage : "other");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const stagesOf = Object.keys(tally.stages).sort((a, b) => tally.stages[b] - tally.stages[a]);

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === "class") made.className = value;
      else if (key === "color") made.style.background = `var(--${value})`;
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }
  const at = (id) => document.getElementById(id);

  // ---- head

  at("about").append(now.runs.map((run) => `${run.out} · ${(run.began || "").replace("T", " ").slice(0, 16)} UTC · ${number(run.shards)} shard${run.shards === 1 ? "" : "s"}`).join("   +   "));
  if (before) at("about").append(element("br"), `compared with ${before.runs.map((run) => run.out).join(" + ")}`);
  const badge = (good, yes, no) => element("span", { class: "badge " + (good ? "good" : "bad") }, good ? yes : no);
  at("badges").append(
    badge(now.balanced, "books balance", "books do not balance"),
    badge(now.runs.every((run) => run.state === "done"), "done", now.runs.map((run) => run.state).find((state) => state !== "done")),
    badge(!Object.keys(now.problems).length, "every shard screened", `${number(Object.keys(now.problems).length)} shards failed`));

  const change = (value, old) => (before ? ` (${value - old >= 0 ? "+" : "−"}${short.format(Math.abs(value - old))})` : "");
  const tile = (label, value, said, swatch) => element("div", { class: "tile" }, element("b", {}, value), element("span", {}, swatch ? element("i", { class: "swatch", color: swatch }) : null, label), element("span", {}, said));
  at("tiles").append(
    tile("records read", short.format(tally.records), size(tally.bytes) + change(tally.records, before?.tally.records)),
    ...OUTCOMES.filter((name) => tally.outcomes[name] || before?.tally.outcomes[name]).map((name) => tile(name, short.format(tally.outcomes[name] || 0), share(tally.outcomes[name] || 0, total) + change(tally.outcomes[name] || 0, before?.tally.outcomes[name] || 0), name)),
    tile("tokens lost", short.format(sum(now.tokens.map((row) => row.tokens))), "estimated" + change(sum(now.tokens.map((row) => row.tokens)), before ? sum(before.tokens.map((row) => row.tokens)) : 0)));
  const bar = element("div", { class: "bar", role: "img", "aria-label": OUTCOMES.map((name) => `${name} ${share(tally.outcomes[name] || 0, total)}`).join(", ") });
  for (const name of OUTCOMES) if (tally.outcomes[name]) { const piece = element("i", { color: name, title: `${name} ${number(tally.outcomes[name])}` }); piece.style.flexGrow = tally.outcomes[name]; bar.append(piece); }
  at("whole").append(bar);

  // ---- charts

  const drawn = [];
  function card(section, title, said, height, label, config, wide) {
    const canvas = element("canvas", { role: "img", "aria-label": `${title}. ${label}` });
    const box = element("div", { class: "canvas" }, canvas);
    box.style.height = `${height}px`;
    at(section).querySelector(".grid").append(element("figure", { class: "card" + (wide ? " wide" : "") }, element("h3", {}, title), element("p", {}, said), box));
    drawn.push({ canvas, config });
  }
  const told = (labels, values) => labels.slice(0, 12).map((label, index) => `${label}: ${number(values[index])}`).join("; ");
  const clipped = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
  const narrow = () => window.innerWidth < 560;

  function bars(labels, sets, options = {}) {
    return () => ({
      type: "bar",
      data: { labels, datasets: sets.map((set) => ({ label: set.label, data: set.data, backgroundColor: Array.isArray(set.color) ? set.color.map(color) : color(set.color), borderRadius: 3, maxBarThickness: 22, categoryPercentage: 0.82, barPercentage: 0.9, stack: set.stack || "all" })) },
      options: {
        indexAxis: options.upright ? "x" : "y", maintainAspectRatio: false, animation: false, responsive: true,
        scales: {
          [options.upright ? "x" : "y"]: { stacked: true, grid: { display: false }, border: { color: color("line") }, ticks: { color: color("ink"), autoSkip: Boolean(options.upright), maxRotation: options.upright ? 60 : 0, callback(value) { const label = this.getLabelForValue(value); return narrow() ? clipped(label.replace(/^[a-z]+\//, ""), 22) : clipped(label, 38); } } },
          [options.upright ? "y" : "x"]: { stacked: true, type: options.log ? "logarithmic" : "linear", beginAtZero: true, grid: { color: color("grid") }, border: { display: false }, ticks: { color: color("quiet"), maxTicksLimit: 6, callback: options.tick || ((value) => short.format(value)) }, title: options.axis ? { display: true, text: options.axis, color: color("quiet") } : undefined },
        },
        plugins: {
          legend: { display: sets.length > 1, position: "bottom", labels: { color: color("ink"), boxWidth: 10, boxHeight: 10, usePointStyle: true, pointStyle: "rectRounded" } },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${(options.value || number)(item.parsed[options.upright ? "y" : "x"])}` } },
        },
      },
      plugins: options.lines ? [{ id: "thresholds", afterDatasetsDraw: (chart) => options.lines.forEach((value) => {
        const { ctx, chartArea: area } = chart;
        const x = area.left + value * (area.right - area.left);
        ctx.save(); ctx.strokeStyle = color("bad"); ctx.fillStyle = color("bad"); ctx.setLineDash([5, 4]); ctx.lineWidth = 1.5;
        ctx.beginPath(); ctx.moveTo(x, area.top); ctx.lineTo(x, area.bottom); ctx.stroke(); ctx.font = "11px system-ui"; ctx.textAlign = value > 0.8 ? "right" : "left"; ctx.fillText(` ${value} `, x, area.top + 9); ctx.restore();
      }) }] : [],
    });
  }
  const tall = (many) => 64 + many * 25;
  const old = (label, data) => (before ? [{ label, data, color: "before", stack: "before" }] : []);
  const byOutcome = (entries, from = 1) => OUTCOMES.slice(from).filter((name) => entries.some((entry) => entry.outcomes[name])).map((name) => ({ label: name, data: entries.map((entry) => entry.outcomes[name] || 0), color: name }));
  const byStage = (entries) => stagesOf.map((stage) => ({ label: stage, data: entries.map((entry) => entry.stages[stage] || 0), color: stageColor(stage) }));

  if (stagesOf.length) {
    card("found", "By stage", "Records with at least one finding of the stage.", tall(stagesOf.length + (before ? 2 : 0)), told(stagesOf, stagesOf.map((s) => tally.stages[s])),
      bars(stagesOf, [{ label: "records", data: stagesOf.map((s) => tally.stages[s]), color: stagesOf.map(stageColor) }, ...old("before", stagesOf.map((s) => before?.tally.stages[s] || 0))]));
    const providers = Object.entries(tally.providers).sort((a, b) => b[1] - a[1]).slice(0, 14);
    if (providers.length) card("found", "By provider", "Records with traces of the provider; any-llm is what several leave.", tall(providers.length), told(providers.map((p) => p[0]), providers.map((p) => p[1])),
      bars(providers.map((p) => p[0]), [{ label: "records", data: providers.map((p) => p[1]), color: "signatures" }, ...old("before", providers.map((p) => before?.tally.providers[p[0]] || 0))]));
    const top = now.rules.slice(0, 25);
    const beforeRules = Object.fromEntries((before?.rules || []).map((rule) => [rule.name, rule.records]));
    card("found", "By rule", `Records by what became of them; kept are those where it was a mention, or allowed${now.rules.length > 25 ? `; the 25 most frequent of ${number(now.rules.length)} rules` : ""}.`, tall(top.length), told(top.map((r) => r.name), top.map((r) => r.records)),
      bars(top.map((rule) => rule.name), [...byOutcome(top, 0), ...old("before", top.map((rule) => beforeRules[rule.name] || 0))]), true);

    const sources = now.sources.slice(0, 20);
    card("where", "By source", "Records with findings, by stage. A source is the folder of a shard, or its name without numbers.", tall(sources.length), told(sources.map((s) => s.source), sources.map((s) => sum(Object.values(s.stages)))),
      bars(sources.map((entry) => entry.source), byStage(sources)));
    card("where", "By share of each source", "Records taken out or changed, of all that the source had.", tall(sources.length), sources.slice(0, 12).map((s) => `${s.source}: ${share(sum(OUTCOMES.slice(1).map((name) => s.outcomes[name] || 0)), s.records)}`).join("; "),
      bars(sources.map((entry) => entry.source), byOutcome(sources).map((set) => ({ ...set, data: set.data.map((value, index) => 100 * value / (sources[index].records || 1)) })), { tick: (value) => value + "%", value: (value) => value.toFixed(2) + "%" }));
    const languages = now.languages.slice(0, 14);
    card("where", "By language", "Records with findings. Told by script: und-Latn is any language in Latin letters.", tall(languages.length), told(languages.map((l) => l.value), languages.map((l) => l.records)),
      bars(languages.map((entry) => entry.value), byStage(languages)));
    const lengths = now.lengths.filter((entry) => entry.records);
    if (lengths.length) card("where", "By length", "Share of records with findings, by the bytes of the record.", Math.max(tall(languages.length), 260), lengths.map((l) => `from ${size(l.from)}: ${share(l.found, l.records)}`).join("; "),
      bars(lengths.map((entry) => size(entry.from)), [{ label: "with findings", data: lengths.map((entry) => 100 * entry.found / entry.records), color: "accent" }], { upright: true, tick: (value) => value + "%", value: (value) => value.toFixed(2) + "%" }));

    const LOST = ["redacted", "quarantined", "dropped"];
    const lostStages = [...new Set(now.tokens.map((row) => row.stage))].sort((a, b) => sum(now.tokens.filter((r) => r.stage === b).map((r) => r.tokens)) - sum(now.tokens.filter((r) => r.stage === a).map((r) => r.tokens)));
    const of = (stage, outcome) => now.tokens.filter((row) => row.stage === stage && row.outcome === outcome).reduce((a, row) => a + row.tokens, 0);
    if (lostStages.length) card("lost", "Tokens lost by stage", "By the stage of the weightiest finding.", tall(lostStages.length + 1), told(lostStages, lostStages.map((s) => sum(LOST.map((o) => of(s, o))))),
      bars(lostStages, LOST.filter((o) => lostStages.some((s) => of(s, o))).map((o) => ({ label: o, data: lostStages.map((s) => of(s, o)), color: o }))));
    const rows = [...new Set(now.policy.filter((row) => row.tokens).map((row) => row.row))].slice(0, 12);
    const cost = (row, outcome) => now.policy.filter((each) => each.row === row && each.outcome === outcome).reduce((a, each) => a + each.tokens, 0);
    if (rows.length) card("lost", "Tokens lost by policy", "By the row of policy.actions that fits the weightiest finding.", tall(rows.length + 1), told(rows, rows.map((r) => sum(LOST.map((o) => cost(r, o))))),
      bars(rows, LOST.filter((o) => rows.some((r) => cost(r, o))).map((o) => ({ label: o, data: rows.map((r) => cost(r, o)), color: o }))));
    const losing = now.sources.filter((entry) => entry.lost_bytes).slice(0, 14);
    if (losing.length) card("lost", "Bytes lost by source", "Bytes of the records taken out.", tall(losing.length), losing.map((s) => `${s.source}: ${size(s.lost_bytes)}`).join("; "),
      bars(losing.map((entry) => entry.source), [{ label: "lost", data: losing.map((entry) => entry.lost_bytes), color: "quarantined" }], { tick: size, value: size }));
  } else for (const id of ["found", "where", "lost"]) at(id).querySelector(".grid").append(element("p", { class: "quiet" }, "Nothing was found."));

  const sure = now.scores.filter((entry) => entry.thresholds.length || entry.bins.slice(0, -1).some((many) => many));
  for (const entry of sure) card("scores", entry.stage, `Scores of findings${entry.thresholds.length ? "; dashed: thresholds" : ""}. Logarithmic.`, 230, `${number(sum(entry.bins))} findings, ${number(entry.bins.at(-1))} of them at 0.95 or above`,
    bars(entry.bins.map((_, index) => (index / entry.bins.length).toFixed(2)), [{ label: "findings", data: entry.bins.map((many) => many || null), color: stageColor(entry.stage) }], { upright: true, log: true, lines: entry.thresholds, axis: "findings" }));
  if (!sure.length) at("scores").querySelector(".grid").append(element("p", { class: "quiet" }, "Every finding of these runs has the score 1: rules that match, match."));

  const spent = now.seconds;
  const parts = Object.entries(spent).filter(([name]) => name !== "wall" && name !== "total");
  const rest = Math.max(0, (spent.total || 0) - sum(parts.map(([, value]) => value)));
  const times = [...parts.sort((a, b) => b[1] - a[1]), ["reading, deciding, writing", rest]].filter(([, value]) => value > 0);
  if (times.length) card("time", "By stage", `Time of all workers: ${seconds(spent.total || 0)}; by the clock ${seconds(spent.wall)}${spent.wall ? `, ${size(tally.bytes / spent.wall)}/s` : ""}. The scan that stages share counts for the first.`, tall(times.length), times.map(([name, value]) => `${name}: ${seconds(value)}`).join("; "),
    bars(times.map(([name]) => name), [{ label: "seconds", data: times.map(([, value]) => value), color: times.map(([name]) => stageColor(name)) }], { tick: (value) => seconds(value, spent.total), value: (value) => seconds(value) }), true);

  function draw() {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 12;
    for (const each of drawn) { each.chart?.destroy(); each.chart = new Chart(each.canvas, each.config()); }
  }
  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.addEventListener("beforeprint", () => drawn.forEach((each) => each.chart.resize()));

  // ---- tables

  function table(id, columns, rows, options = {}) {
    let shownRows = options.most || rows.length, wanted = "", by = null, up = false;
    const body = element("tbody"), more = element("button", { class: "more", type: "button" });
    const fill = () => {
      let fitting = rows.filter((row) => !wanted || columns.some((column) => column.text && String(column.of(row)).toLowerCase().includes(wanted)));
      if (by !== null) fitting = [...fitting].sort((a, b) => { const [x, y] = [columns[by].of(a), columns[by].of(b)]; return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1); });
      body.replaceChildren(...fitting.slice(0, shownRows).map((row) => element("tr", {}, ...columns.map((column) => element("td", { class: column.text ? "text" : null }, ...[].concat(column.show ? column.show(row) : String(column.of(row))))))));
      more.hidden = fitting.length <= shownRows;
      more.textContent = `Show all ${number(fitting.length)}`;
    };
    more.addEventListener("click", () => { shownRows = Infinity; fill(); });
    const heads = columns.map((column, index) => {
      const button = element("button", { type: "button" }, column.name);
      const head = element("th", { scope: "col", class: column.text ? "text" : null, "aria-sort": "none" }, button);
      button.addEventListener("click", () => { up = by === index ? !up : Boolean(column.text); by = index; heads.forEach((each) => each.setAttribute("aria-sort", "none")); head.setAttribute("aria-sort", up ? "ascending" : "descending"); fill(); });
      return head;
    });
    if (options.search) {
      const search = element("input", { type: "search", placeholder: options.search, "aria-label": options.search });
      search.addEventListener("input", () => { wanted = search.value.toLowerCase(); fill(); });
      at(id).append(element("div", { class: "tools" }, search));
    }
    at(id).append(element("div", { class: "scroll", tabindex: 0 }, element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body)), more);
    fill();
  }
  const count = (name, of) => ({ name, of, show: (row) => number(of(row)) });
  const said = (name, of) => ({ name, of, text: true });
  const lookup = Object.fromEntries((before?.rules || []).map((rule) => [rule.name, rule.records]));
  const gone = (before?.rules || []).filter((rule) => !now.rules.some((each) => each.name === rule.name)).map((rule) => ({ ...rule, records: 0, findings: 0, mentions: 0, outcomes: {}, lost_tokens: 0 }));
  const example = (found) => element("div", { class: "find", title: `${found.shard}:${found.row}` }, found.before, element("mark", {}, found.find), found.after);
  if (now.rules.length || gone.length) table("rules", [
    { name: "rule", text: true, of: (row) => row.name, show: (row) => [element("i", { class: "dot", color: stageColor(row.stage) }), row.name, ...(now.examples[row.name] || []).slice(0, 1).map(example)] },
    said("kind", (row) => row.kind), { name: "provider", text: true, of: (row) => row.providers.join(", "), show: (row) => row.providers.slice(0, 3).join(", ") + (row.providers.length > 3 ? ` and ${row.providers.length - 3} more` : "") },
    count("records", (row) => row.records), ...(before ? [{ name: "change", of: (row) => row.records - (lookup[row.name] || 0), show: (row) => { const by = row.records - (lookup[row.name] || 0); return (by > 0 ? "+" : by < 0 ? "−" : "") + number(Math.abs(by)); } }] : []),
    { name: "share", of: (row) => row.records, show: (row) => share(row.records, total) }, count("findings", (row) => row.findings), count("mentions", (row) => row.mentions),
    count("redacted", (row) => row.outcomes.redacted || 0), count("taken out", (row) => (row.outcomes.quarantined || 0) + (row.outcomes.dropped || 0)), count("tokens lost", (row) => row.lost_tokens),
  ], [...now.rules, ...gone], { most: 25, search: "Search rules, kinds, providers" });
  else at("rules").append(element("p", { class: "quiet" }, "No rule found anything."));
  table("sources", [
    said("source", (row) => row.source), count("shards", (row) => row.shards), count("records", (row) => row.records), { name: "bytes", of: (row) => row.bytes, show: (row) => size(row.bytes) },
    ...OUTCOMES.slice(1).map((name) => count(name, (row) => row.outcomes[name] || 0)), { name: "bytes lost", of: (row) => row.lost_bytes, show: (row) => size(row.lost_bytes) }, { name: "lost", of: (row) => row.lost_bytes / (row.bytes || 1), show: (row) => share(row.lost_bytes, row.bytes) }, count("tokens lost", (row) => row.lost_tokens),
  ], now.sources, { most: 25, search: now.sources.length > 10 ? "Search sources" : null });
  if (now.worst.length) table("worst", [said("shard", (row) => row.shard), count("records", (row) => row.records), ...["quarantined", "dropped", "errored"].map((name) => count(name, (row) => row.outcomes[name] || 0)), { name: "lost", of: (row) => row.lost / row.records, show: (row) => share(row.lost, row.records) }], now.worst, { most: 10 });
  else at("worst").append(element("p", { class: "quiet" }, "No shard lost a record."));

  const list = (title, entries, none) => at("unscreened").append(element("h3", {}, title), entries.length ? element("ul", {}, ...entries.slice(0, 200).map((entry) => element("li", {}, entry)), entries.length > 200 ? element("li", {}, `and ${number(entries.length - 200)} more`) : null) : element("p", { class: "quiet" }, none));
  list("Columns that were not looked at", now.unscreened, "Every column with text was looked at, as far as the first rows of each shard tell.");
  list("Shards that failed", Object.entries(now.problems).map(([shard, why]) => `${shard}: ${why}`), "None.");
  list("Files that were skipped", now.skipped.map((skip) => `${skip.path}: ${skip.why}`), "None.");
  list("Records that could not be read", Object.entries(tally.errors).map(([why, many]) => `${why}: ${number(many)}`), "None.");
})();
