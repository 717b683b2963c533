// Specs beside what memory and arithmetic allow, and one spec's samples variant by variant.
A.go_to_spec = (spec_line) => {
  const section = A.section(), at = section.specs.findIndex((s) => s.spec_line === spec_line || s.math_line === spec_line);
  if (at < 0) return;
  A.set("spec", String(at), "0");
  A.redraw("spec", "history");
  document.getElementById("part-spec").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
};
A.spec = () => A.section().specs[A.index("spec", A.section().specs.length)];

// Round values of a log scale, as many as there is room for.
const few_ticks = (scale, width) => {
  const [low, high] = scale.domain(), first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  for (const steps of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]]) {
    const all = d3.range(first, last + 1).flatMap((d) => steps.map((s) => s * 10 ** d)).filter((v) => v >= low && v <= high);
    if (all.length * 52 <= width || steps.length === 1) return all.length > 1 ? all : [low, high].map((v) => +v.toPrecision(2));
  }
};
A.log_axis = (scale, orient, width) => d3.svg.axis().scale(scale).orient(orient).tickValues(few_ticks(scale, width)).tickFormat((v) => (v >= 1 ? String(+v.toFixed(2)) : String(+v.toPrecision(2))));

A.draw_roofline = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named; a roofline needs measured cases.");
  const section = A.section(), c = section.ceilings;
  const points = section.specs.map((s) => [s, A.best(section, s)]).filter(([, b]) => b && b.flops > 0 && b.bytes > 0 && b.median_us > 0)
    .map(([spec, b]) => ({ spec, b, x: b.flops / b.bytes, y: b.flops / b.median_us / 1e3 }));
  if (!points.length) return A.none(body, "No winner here has both bytes and flops to be placed by.");
  if (!c) A.none(body, "This source keeps no ceilings of the device (a JSON report has none): points stand alone. A store has them.");
  const read = c ? c.read[c.read.length - 1] : null, cached = c ? d3.max(c.read, (p) => p.gbps) : 0;
  const peaks = c ? c.peaks : [], top = d3.max([d3.max(points, (p) => p.y), ...peaks.map((p) => p.gflops)]);
  const narrow = plot_width(body) < 560, height = narrow ? 320 : 430, plot = A.svg(body, height, "Roofline: GFLOP/s of each spec's winner over its flops per byte, below what memory and arithmetic were measured to reach");
  const left = 52, right = plot.width - 14, low = height - 40;
  const x = d3.scale.log().domain([d3.min(points, (p) => p.x) / 2.5, Math.max(d3.max(points, (p) => p.x) * 4, read && peaks.length ? (1.5 * d3.max(peaks, (p) => p.gflops)) / read.gbps : 0)]).range([left, right]);
  const y = d3.scale.log().domain([d3.min(points, (p) => p.y) / 3, top * 1.8]).range([low, 12]);
  A.axis(plot.svg, A.log_axis(x, "bottom", right - left).innerTickSize(12 - low).outerTickSize(0), 0, low, "grid");
  A.axis(plot.svg, A.log_axis(y, "left", low).innerTickSize(left - right).outerTickSize(0), left, 0, "grid");
  A.axis(plot.svg, A.log_axis(x, "bottom", right - left), 0, low);
  A.axis(plot.svg, A.log_axis(y, "left", low), left, 0);
  A.text(plot.svg, right, low + 34, "flops per byte moved", { "text-anchor": "end", class: "soft" });
  A.text(plot.svg, left + 4, 10, "GFLOP/s", { class: "soft" });
  const clip = (gx, gbps, most) => Math.min(gx * gbps, most || Infinity);
  const slope = (gbps, most) => {
    const [x0, x1] = x.domain(), from = Math.max(x0, y.domain()[0] / gbps), to = Math.min(x1, (most || y.domain()[1]) / gbps);
    return to > from ? `M${x(from)},${y(clip(from, gbps))}L${x(to)},${y(clip(to, gbps))}` : "";
  };
  if (read) {
    const spread = Math.min(read.spread, 0.9), above = read.gbps * (1 + spread / 2), below = read.gbps * (1 - spread / 2), peak = d3.max(peaks, (p) => p.gflops) || y.domain()[1];
    const at = (gbps, gx) => [x(gx), y(Math.max(y.domain()[0], gx * gbps))];
    const x0 = Math.max(x.domain()[0], y.domain()[0] / read.gbps), x1 = Math.min(x.domain()[1], peak / read.gbps);
    plot.svg.append("path").attr({ d: "M" + [at(above, x0), at(above, x1), at(below, x1), at(below, x0)].join("L") + "Z", fill: "var(--c0)", opacity: 0.16 });
    plot.svg.append("path").attr({ d: slope(read.gbps, peak), stroke: "var(--c0)", "stroke-width": 2, fill: "none" });
    plot.svg.append("path").attr({ d: slope(c.copied.gbps, peak), stroke: "var(--c0)", "stroke-width": 1.2, "stroke-dasharray": "2 4", fill: "none" });
    plot.svg.append("path").attr({ d: slope(cached, peak), stroke: "var(--soft)", "stroke-width": 1.2, "stroke-dasharray": "7 4", fill: "none" });
    peaks.forEach((p) => {
      const from = Math.max(x.domain()[0], p.gflops / cached);
      plot.svg.append("path").attr({ d: `M${x(from)},${y(p.gflops)}H${right}`, stroke: "var(--c7)", "stroke-width": 1.4, fill: "none" });
      A.text(plot.svg, right - 2, y(p.gflops) - 4, `${p.name} ${A.number(p.gflops)}`, { "text-anchor": "end", class: "soft" });
    });
    plot.svg.node().dataset.read = read.gbps;
  }
  A.marks(plot.svg, points.map((p) => {
    const g = plot.svg.append("g").attr("transform", `translate(${x(p.x)},${y(p.y)})`);
    g.append("circle").attr({ r: 11, fill: "transparent" });
    A.symbol(g, p.b.accuracy, 74).attr({ stroke: "var(--panel)", "stroke-width": 1 });
    return { element: g.node(), click: () => A.go_to_spec(p.spec.spec_line), lines: () => [p.spec.spec, ["winner", p.b.variant], ["class", A.class(p.b.accuracy).says], ["a call", A.us(p.b.median_us)], ["GB/s", A.number(p.b.gbps)], ["GFLOP/s", A.number(p.y)], ["flops per byte", A.number(p.x)], ["of the floor", A.percent(p.b.percent_of_floor)]] };
  }));
  const seen = [...new Set(points.map((p) => p.b.accuracy))];
  A.legend(body, [...seen.map((name) => [A.class(name).says, (s) => A.symbol(s.append("g").attr("transform", "translate(7,7)"), name, 60)]),
    ...(read ? [[`memory read ${A.number(read.gbps)} GB/s, band: its spread (${A.percent(100 * read.spread)})`, (s) => s.append("line").attr({ x1: 0, x2: 16, y1: 7, y2: 7, stroke: "var(--c0)", "stroke-width": 2 })],
      [`copy ${A.number(c.copied.gbps)} GB/s`, (s) => s.append("line").attr({ x1: 0, x2: 16, y1: 7, y2: 7, stroke: "var(--c0)", "stroke-dasharray": "2 4" })],
      [`best cache ${A.number(cached)} GB/s`, (s) => s.append("line").attr({ x1: 0, x2: 16, y1: 7, y2: 7, stroke: "var(--soft)", "stroke-dasharray": "7 4" })]] : [])]);
  const without = section.specs.length - points.length;
  if (without) A.add(body, "p.sub", `${without} specs are not placed: no proved winner, or one that computes nothing to count.`);
  A.as_table(body, "roofline", [{ key: "spec", title: "spec", text: true, name: true }, { key: "variant", title: "winner", text: true, name: true }, { key: "x", title: "flops/byte" }, { key: "y", title: "GFLOP/s" }, { key: "gbps", title: "GB/s" }, { key: "percent", title: "% of floor" }],
    points.map((p) => [p.spec.spec, p.b.variant, p.x, p.y, p.b.gbps, p.b.percent_of_floor]), { caption: "The roofline's points" });
};

A.draw_spec = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named; samples come from one.");
  const section = A.section(), spec = A.spec(), at = section.specs.indexOf(spec), tools = A.add(body, "div.tools");
  A.choose(tools, "Spec", section.specs.map((s) => s.spec), "spec", () => A.redraw("spec", "history"));
  [["‹", -1, "Previous spec"], ["›", 1, "Next spec"]].forEach(([sign, step, says]) => {
    const button = A.add(tools, "button", sign, { type: "button", "aria-label": says });
    button.addEventListener("click", () => (A.set("spec", String((at + step + section.specs.length) % section.specs.length), "0"), A.redraw("spec", "history")));
  });
  A.add(body, "p.code", spec.spec_line);
  if (spec.quarantine) A.add(body, "p.warn", `Quarantined: ${spec.quarantine}`);
  if (spec.original_ms) A.add(body, "p.sub", `${spec.original_device} was seen to take ${A.ms(spec.original_ms)} for it.`);
  const cases = A.cases(section).slice(spec.first, spec.first + spec.cases).map((c, i) => ({ c, samples: section.samples[spec.first + i] }));
  const timed = cases.filter((d) => d.samples && d.c.median_us > 0).sort((a, b) => (a.c.outcome !== "pass") - (b.c.outcome !== "pass") || a.c.median_us - b.c.median_us);
  if (timed.length) strips(timed);
  else A.none(body, "Nothing of this spec was timed: each variant failed before. The reasons stand below.");
  const failed = cases.filter((d) => d.c.outcome !== "pass");
  if (failed.length) {
    A.add(body, "h3", `Not proved here: ${failed.length}`);
    const list = A.add(body, "ul");
    failed.slice(0, 12).forEach((d) => A.add(list, "li", `${d.c.variant}: ${d.c.outcome}${d.c.detail ? " – " + d.c.detail : ""}`));
    if (failed.length > 12) A.add(body, "p.sub", `and ${failed.length - 12} more, in the table of failures.`);
  }

  function strips(list) {
    const narrow = plot_width(body) < 560, left = narrow ? 122 : 250, line = 19;
    const values = list.map((d) => expand(d.samples));
    const low = Math.min(spec.floor_us || Infinity, spec.reachable_us || Infinity, d3.min(values, (v) => d3.quantile(v.map((s) => s[0]).sort(d3.ascending), 0.005))) * 0.96;
    const high = d3.max(list, (d, i) => Math.min(d3.max(values[i], (s) => s[0]), 4 * d.c.median_us)) * 1.04;
    const plot = A.svg(body, list.length * line + 52, `${spec.spec}: samples of ${list.length} variants, fastest first`);
    const x = d3.scale.log().domain([low, high]).range([left, plot.width - 58]).clamp(true), bottom = list.length * line + 18;
    A.axis(plot.svg, A.log_axis(x, "bottom", plot.width - left - 58).innerTickSize(18 - bottom).outerTickSize(0), 0, bottom, "grid");
    A.axis(plot.svg, A.log_axis(x, "bottom", plot.width - left - 58), 0, bottom);
    A.text(plot.svg, plot.width - 58, bottom + 30, "µs a call (log)", { "text-anchor": "end", class: "soft" });
    const best = list.find((d) => A.is_best(d.c)), marks = [];
    list.forEach((d, i) => {
      const g = plot.svg.append("g").attr("transform", `translate(0,${i * line + 18})`), tie = A.is_tie(d.c), first = d === best, passed = d.c.outcome === "pass";
      g.append("rect").attr({ width: plot.width, height: line, fill: tie || first ? "var(--warm)" : "transparent" });
      A.text(g, left - 20, 13, A.short(d.c.variant, narrow ? 15 : 34), { class: "mono", "text-anchor": "end", "font-weight": first ? 700 : 400 }).style("font-weight", first ? 700 : 400);
      A.symbol(g.append("g").attr("transform", `translate(${left - 10},9.5)`), d.c.accuracy, 42);
      const normal = [], marked = [];
      values[i].forEach(([us, weight, bad]) => (bad ? marked : normal).push([x(us), weight]));
      // Two levels of height say how often a bin was met; raw samples all have one.
      const tick = ([at, weight]) => `M${at.toFixed(1)},${(9.5 - Math.min(8, 2.5 + 1.4 * Math.log2(1 + weight))).toFixed(1)}V${(9.5 + Math.min(8, 2.5 + 1.4 * Math.log2(1 + weight))).toFixed(1)}`;
      const color = passed ? A.class(d.c.accuracy).color : "var(--bad)";
      g.append("path").attr({ d: normal.map(tick).join(""), stroke: color, "stroke-width": 1, opacity: section.binned ? 0.75 : Math.max(0.3, Math.min(0.9, 60 / normal.length)) });
      if (marked.length) g.append("path").attr({ d: marked.map(tick).join(""), stroke: "var(--c7)", "stroke-width": 1, opacity: 0.4 });
      g.append("rect").attr({ x: x(d.c.ci_low_us), width: Math.max(1, x(d.c.ci_high_us) - x(d.c.ci_low_us)), y: 7.5, height: 4, fill: "var(--ink)" });
      g.append("rect").attr({ x: x(d.c.median_us) - 1, width: 2, y: 2, height: 15, fill: "var(--ink)" });
      A.text(g, plot.width - 54, 13, first ? "best" : tie ? "tie" : passed ? "" : d.c.outcome, { class: "soft" });
      marks.push({ element: g.node(), lines: () => [d.c.variant, ["outcome", d.c.outcome + (first ? ", best" : tie ? ", tie" : "")], ["median", `${A.us(d.c.median_us)} [${A.number(d.c.ci_low_us)}, ${A.number(d.c.ci_high_us)}]`],
        ["least, 95th percentile", `${A.number(d.c.min_us)}, ${A.number(d.c.p95_us)}`], ["samples drawn", String(d3.sum(values[i], (v) => v[1])) + (marked.length ? ` (${marked.length} disturbed, grey)` : "")], ["of the floor", A.percent(d.c.percent_of_floor)], ["GB/s", A.number(d.c.gbps)], ["class", A.class(d.c.accuracy).says], ["error, of its bound", A.number(d.c.bound_used)], ...(d.c.tags ? [["tags", d.c.tags]] : []), ...(d.c.detail ? [d.c.detail] : [])] });
    });
    [[spec.floor_us, "floor", ""], [spec.reachable_us, "reachable", "4 3"]].forEach(([us, says, dash], i) => {
      if (!us) return;
      plot.svg.append("line").attr({ x1: x(us), x2: x(us), y1: 14, y2: bottom, stroke: "var(--c5)", "stroke-width": 1.4, "stroke-dasharray": dash });
      A.text(plot.svg, x(us) + (i ? 4 : -4), 10, says, { class: "soft", "text-anchor": i ? "start" : "end" });
    });
    A.marks(plot.svg, marks);
    const seen = [...new Set(list.map((d) => d.c.accuracy))];
    A.legend(body, [...seen.map((name) => [A.class(name).says, (s) => A.symbol(s.append("g").attr("transform", "translate(7,7)"), name, 50)]), ["median with its 95 % interval", (s) => (s.append("rect").attr({ x: 2, width: 12, y: 5, height: 4, fill: "var(--ink)" }), s.append("rect").attr({ x: 7, width: 2, height: 14, fill: "var(--ink)" }))], ["best and its ties", (s) => s.append("rect").attr({ width: 15, height: 13, fill: "var(--warm)", stroke: "var(--line)" })]]);
    if (section.binned) A.add(body, "p.sub", "There are so many samples that they are binned: a tick's height says how many fell there.");
  }
};
// Samples as [µs, how many, disturbed].
const expand = (s) => {
  const scale = 10 ** -s.e;
  if (s.bins) return s.bins.map(([v, n]) => [v * scale, n, false]);
  const marked = new Set(s.marked || []);
  return s.v.map((v, i) => [v * scale, 1, marked.has(i)]).filter((v) => v[0] > 0);
};
