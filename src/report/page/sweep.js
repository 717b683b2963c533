// The whole sweep: a heat map, families over their length, what failed and why, every case.
const family_of = (variant) => variant.split("/")[0];

// From dark blue to yellow by way of grey: told apart by all eyes, and in print.
const heat = d3.scale.linear().domain([0, 25, 50, 75, 100]).range(["#00224e", "#434e6c", "#7d7c78", "#bcae6c", "#fee838"]).clamp(true);
const outcome_look = { pass: ["var(--c2)", ""], noisy: ["var(--c4)", "~"], wrong: ["var(--c5)", "×"], impossible: ["var(--c3)", "!"], unsupported: ["var(--faint)", ""], device_limit: ["var(--line)", "▪"], build_failed: ["var(--c1)", "b"], launch_failed: ["var(--c1)", "l"], crashed: ["var(--c5)", "c"], timed_out: ["var(--c7)", "t"] };

A.draw_heat = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named; there is no sweep to map.");
  const section = A.section(), tools = A.add(body, "div.tools"), by = ["families", "variants"][A.index("heat.rows", 2)], shows = ["% of floor", "outcome"][A.index("heat.shows", 2)];
  A.choose(tools, "A row is", ["a family (its best variant)", "a variant"], "heat.rows", () => A.redraw("heat"));
  A.choose(tools, "Colour says", ["% of floor", "outcome"], "heat.shows", () => A.redraw("heat"));
  const rows = new Map();
  // Specs of one op stand together; where columns are too narrow for names, the op's stands above them.
  const op_of = (spec) => spec.spec.split(" ")[0], type_of = (spec) => (/dtB=(\w+)/.exec(spec.math_line) || ["", ""])[1];
  const order = section.specs.map((_, i) => i).sort((a, b) => d3.ascending(op_of(section.specs[a]), op_of(section.specs[b])) || d3.ascending(type_of(section.specs[a]), type_of(section.specs[b])) || a - b);
  const specs = order.map((i) => section.specs[i]);
  specs.forEach((spec, column) => A.cases(section).slice(spec.first, spec.first + spec.cases).forEach((c) => {
    const name = by === "families" ? family_of(c.variant) : c.variant;
    if (!rows.has(name)) rows.set(name, new Map());
    const row = rows.get(name), old = row.get(column), rank = (k) => (k.outcome === "pass" ? 1e9 + (k.percent_of_floor || 0) : 0);
    if (!old || rank(c) > rank(old)) row.set(column, c);
  }));
  if (!rows.size) return A.none(body, "The store holds no case.");
  const names = [...rows.keys()].sort(), narrow = plot_width(body) < 560, left = narrow ? 110 : 236, cell_h = by === "families" ? 22 : 15;
  const cell_w = Math.max(9, Math.min(44, Math.floor((plot_width(body) - left - 70) / specs.length))), named = cell_w >= 17, top = 112;
  const plot = A.svg(body, names.length * cell_h + top + 8, `${names.length} ${by} by ${section.specs.length} specs, coloured by ${shows}`, left + specs.length * cell_w + 66);
  let group = "";
  specs.forEach((spec, i) => {
    const name = `${op_of(spec)} ${type_of(spec)}`, at = left + i * cell_w;
    if (named) return A.text(plot.svg, 0, 0, A.short(spec.spec.replace(/ M:1 /, " "), 22), { class: "mono soft", transform: `translate(${at + cell_w / 2 + 4},${top - 6}) rotate(-55)` });
    if (name === group) return;
    group = name;
    plot.svg.append("line").attr({ x1: at - 0.5, x2: at - 0.5, y1: top - 4, y2: top + names.length * cell_h, stroke: "var(--line)" });
    A.text(plot.svg, 0, 0, A.short(name, 22), { class: "mono soft", transform: `translate(${at + 6},${top - 6}) rotate(-58)` });
  });
  const marks = [];
  names.forEach((name, r) => {
    A.text(plot.svg, left - 6, top + r * cell_h + cell_h / 2 + 4, A.short(name, narrow ? 15 : 33), { class: "mono", "text-anchor": "end" });
    rows.get(name).forEach((c, column) => {
      const spec = specs[column], g = plot.svg.append("g").attr("transform", `translate(${left + column * cell_w},${top + r * cell_h})`);
      const passed = c.outcome === "pass", look = outcome_look[c.outcome] || ["var(--c7)", "?"];
      g.append("rect").attr({ width: cell_w - 1, height: cell_h - 1, rx: 1.5, fill: shows === "% of floor" && passed ? heat(c.percent_of_floor || 0) : look[0] });
      if (!passed) A.text(g, cell_w / 2, cell_h / 2 + 4, look[1], { "text-anchor": "middle" });
      if (passed && (A.is_best(c) || A.is_tie(c))) g.append("circle").attr({ cx: cell_w / 2, cy: cell_h / 2, r: A.is_best(c) ? 3.2 : 2.2, fill: A.is_best(c) ? "#fff" : "none", stroke: A.is_best(c) ? "#000" : "#fff", "stroke-width": 1 });
      marks.push({ element: g.node(), click: () => A.go_to_spec(spec.spec_line), lines: () => [c.variant, spec.spec, ["outcome", c.outcome + (A.is_best(c) ? ", best" : A.is_tie(c) ? ", tie" : "")], ...(passed ? [["of the floor", A.percent(c.percent_of_floor)], ["a call", A.us(c.median_us)]] : []), ...(c.detail ? [A.short(c.detail, 240)] : [])] });
    });
  });
  A.marks(plot.svg, marks);
  const seen = [...new Set(A.cases(section).map((c) => c.outcome))].filter((o) => shows === "outcome" || o !== "pass");
  A.legend(body, [...(shows === "% of floor" ? [10, 40, 70, 95].map((v) => [`${v} % of floor`, (s) => s.append("rect").attr({ width: 14, height: 12, fill: heat(v) })]) : []),
    ...seen.map((o) => [o.replace("_", " "), (s) => (s.append("rect").attr({ width: 14, height: 12, fill: (outcome_look[o] || ["var(--c7)"])[0] }), A.text(s, 7, 10, (outcome_look[o] || ["", "?"])[1], { "text-anchor": "middle" }))]),
    ["best", (s) => s.append("circle").attr({ cx: 7, cy: 7, r: 3.4, fill: "#fff", stroke: "#000" })], ["tie", (s) => s.append("circle").attr({ cx: 7, cy: 7, r: 2.4, fill: "none", stroke: "var(--soft)" })], ["empty: not planned", (s) => s.append("rect").attr({ width: 14, height: 12, fill: "none", stroke: "var(--line)" })]]);
};

// Specs that differ in one size alone, four lengths or more.
const length_families = (section) => {
  const groups = new Map();
  section.specs.forEach((spec) => {
    const fields = spec.math_line.split(" | ").map((f) => f.split("="));
    fields.forEach(([name, value], i) => {
      if (!/^\d+$/.test(value)) return;
      const key = fields.map(([n, v], k) => (k === i ? n + "=…" : n + "=" + v)).join(" | ");
      if (!groups.has(key)) groups.set(key, { key, varied: name, members: [] });
      groups.get(key).members.push([Number(value), spec]);
    });
  });
  return [...groups.values()].filter((g) => g.members.length >= 4).map((g) => (g.members.sort((a, b) => a[0] - b[0]), g)).sort((a, b) => b.members.length - a.members.length);
};

A.draw_lengths = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named.");
  const section = A.section(), families = length_families(section);
  if (!families.length) return A.none(body, "No spec here was measured at four lengths or more. Attention is, at every context of a workload; assay probe with no options measures some.");
  const tools = A.add(body, "div.tools");
  const texts = families.map((f) => `${f.members[0][1].spec.split(" ")[0]}: ${f.varied} = ${f.members[0][0]} … ${f.members[f.members.length - 1][0]} (${f.members.length} lengths)`);
  A.choose(tools, "Specs that differ in one size", texts, "lengths", () => A.redraw("lengths"));
  const family = families[A.index("lengths", families.length)], lines = new Map();
  family.members.forEach(([length, spec]) => A.cases(section).slice(spec.first, spec.first + spec.cases).forEach((c) => {
    if (c.outcome !== "pass" || !(c.median_us > 0)) return;
    const name = family_of(c.variant);
    if (!lines.has(name)) lines.set(name, new Map());
    const at = lines.get(name), old = at.get(length);
    if (!old || c.median_us < old.median_us) at.set(length, c);
  }));
  if (!lines.size) return A.none(body, "None of these lengths has a proved variant.");
  const drawn = [...lines.entries()].sort((a, b) => d3.median([...a[1].values()], (c) => c.median_us) - d3.median([...b[1].values()], (c) => c.median_us)).slice(0, 8);
  const floor = family.members.filter(([, s]) => s.floor_us > 0).map(([n, s]) => [n, s.floor_us]);
  const all = drawn.flatMap(([, at]) => [...at.values()].map((c) => c.median_us)).concat(floor.map((f) => f[1]));
  const plot = A.svg(body, 360, `Time over ${family.varied} by family`), left = 56, right = plot.width - 16, low = 318;
  const x = d3.scale.log().domain(d3.extent(family.members, (m) => m[0]).map((v, i) => (i ? v * 1.1 : v / 1.1))).range([left, right]);
  const y = d3.scale.log().domain([d3.min(all) / 1.2, d3.max(all) * 1.2]).range([low, 12]);
  A.axis(plot.svg, A.log_axis(y, "left", low).innerTickSize(left - right).outerTickSize(0), left, 0, "grid");
  A.axis(plot.svg, A.log_axis(x, "bottom", right - left), 0, low);
  A.axis(plot.svg, A.log_axis(y, "left", low), left, 0);
  A.text(plot.svg, right, low + 32, family.varied, { "text-anchor": "end", class: "soft" });
  A.text(plot.svg, left + 4, 10, "µs a call", { class: "soft" });
  const line = d3.svg.line().x((d) => x(d[0])).y((d) => y(d[1]));
  const shapes = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"], marks = [];
  if (floor.length > 1) plot.svg.append("path").attr({ d: line(floor), stroke: "var(--c5)", "stroke-dasharray": "5 4", fill: "none", "stroke-width": 1.4 });
  drawn.forEach(([name, at], i) => {
    const points = [...at.entries()].sort((a, b) => a[0] - b[0]);
    plot.svg.append("path").attr({ d: line(points.map(([n, c]) => [n, c.median_us])), stroke: A.series(i), fill: "none", "stroke-width": 1.6 });
    points.forEach(([n, c]) => {
      const dot = plot.svg.append("path").attr({ d: d3.svg.symbol().type(shapes[i % 6]).size(44)(), transform: `translate(${x(n)},${y(c.median_us)})`, fill: A.series(i) });
      marks.push({ element: dot.node(), lines: () => [c.variant, [family.varied, String(n)], ["a call", A.us(c.median_us)], ["of the floor", A.percent(c.percent_of_floor)]] });
    });
  });
  A.marks(plot.svg, marks);
  A.legend(body, [...drawn.map(([name], i) => [name, (s) => s.append("path").attr({ d: d3.svg.symbol().type(shapes[i % 6]).size(44)(), transform: "translate(7,7)", fill: A.series(i) })]), ["floor", (s) => s.append("line").attr({ x2: 16, y1: 7, y2: 7, stroke: "var(--c5)", "stroke-dasharray": "5 4" })]]);
  A.as_table(body, "lengths", [{ key: "n", title: family.varied }, { key: "family", title: "family", text: true }, { key: "variant", title: "best variant", text: true, name: true }, { key: "us", title: "µs" }, { key: "percent", title: "% of floor" }],
    drawn.flatMap(([name, at]) => [...at.entries()].map(([n, c]) => [n, name, c.variant, c.median_us, c.percent_of_floor])), { caption: "Time over length", sort: "n.up" });
};

A.draw_failures = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named.");
  const section = A.section(), rows = A.cases(section).filter((c) => c.outcome !== "pass");
  section.specs.filter((s) => s.quarantine).forEach((s) => A.add(body, "p.warn", `${s.spec}: ${s.quarantine}`));
  if (!rows.length) return A.none(body, `All ${A.cases(section).length} cases passed: none is wrong, none was accused of beating physics, none crashed.`);
  const counts = d3.nest().key((c) => c.outcome).rollup((l) => l.length).entries(rows);
  A.add(body, "p", counts.map((c) => `${c.values} ${c.key.replace("_", " ")}`).join(", ") + ` of ${A.cases(section).length} cases.` + (rows.some((c) => c.outcome === "impossible") ? " Impossible is an accusation: faster than this device was measured to read or compute." : ""));
  A.table(body, "failures", [{ key: "outcome", title: "outcome", text: true, mark: (td) => td.classList.add("outcome", "bad") }, { key: "variant", title: "variant", text: true, name: true }, { key: "spec", title: "spec", text: true, name: true }, { key: "detail", title: "why", text: true, wide: true }],
    rows.map((c) => [c.outcome, c.variant, c.spec, c.detail || "no reason given", c.spec_line]), { caption: "What did not pass, and why", sort: "outcome.up", go: (row) => A.go_to_spec(row[4]) });
};

A.draw_cases = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named.");
  const section = A.section(), names = new Set(["spec", "variant"]), wide = new Set(["detail"]), hidden = new Set(["spec_line", "device", "mode", "environment", "key", "original_device", "all_samples"]);
  // What nobody asked for first stands at the end; the row's own spec line stays, for the way to its samples.
  const first = ["spec", "variant", "outcome", "median_us", "percent_of_floor", "gbps", "accuracy", "bound_used", "tags", "spread_percent", "host_median_us", "samples"];
  const keys = section.cases.columns.map((c) => c.key), known = first.filter((k) => keys.includes(k));
  const order = [...known, ...keys.filter((k) => !known.includes(k) && !hidden.has(k))];
  const kept = order.filter((k) => k === "outcome" || section.cases.rows.some((row) => ![null, "", 0].includes(row[keys.indexOf(k)])));
  const columns = kept.map((k) => {
    const c = section.cases.columns[keys.indexOf(k)];
    return { key: k, title: c.title, text: c.text, name: names.has(k), wide: wide.has(k), show: k === "measured_at" ? A.date : undefined };
  });
  const line = keys.indexOf("spec_line");
  A.table(body, "cases", columns, section.cases.rows.map((row) => [...kept.map((k) => row[keys.indexOf(k)]), row[line]]), { caption: "Every case", sort: "", go: (row) => A.go_to_spec(row[kept.length]) });
};
