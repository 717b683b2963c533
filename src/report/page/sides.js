// The same spec at other times and on other devices; two sections side by side.
A.draw_history = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named.");
  const h = A.data.stores.history, spec = A.spec();
  A.add(body, "p.code", spec.spec);
  const points = h.points.map((p) => Object.fromEntries(p.map((v, i) => [h.columns[i], v]))).filter((p) => p.math_line === spec.math_line);
  if (!points.length) return A.none(body, "This source keeps no history of the spec (a JSON report has none; a store keeps every measurement).");
  const lines = d3.nest().key((p) => `${p.device}, ${p.mode}`).entries(points);
  if (points.length === 1) {
    const p = points[0];
    A.none(body, `One commit measured this spec so far: ${p.commit || "unknown"} on ${A.date(p.measured_at)}, ${A.us(p.median_us)} by ${p.variant}. A curve begins with the second.`);
    return;
  }
  const plot = A.svg(body, 250, `Fastest proved kernel of ${spec.spec} over time, ${lines.length} lines`), left = 60, right = plot.width - 20, low = 212;
  const time = d3.extent(points, (p) => p.measured_at * 1000), pad = Math.max(60e3, (time[1] - time[0]) * 0.05);
  const x = d3.time.scale().domain([time[0] - pad, time[1] + pad]).range([left, right]), y = d3.scale.linear().domain([0, d3.max(points, (p) => p.median_us) * 1.12]).range([low, 10]);
  A.axis(plot.svg, d3.svg.axis().scale(y).orient("left").ticks(5).innerTickSize(left - right).outerTickSize(0), left, 0, "grid");
  A.axis(plot.svg, d3.svg.axis().scale(y).orient("left").ticks(5), left, 0);
  A.axis(plot.svg, d3.svg.axis().scale(x).orient("bottom").ticks(Math.floor(plot.width / 160)), 0, low);
  A.text(plot.svg, left + 4, 9, "µs a call", { class: "soft" });
  const shapes = ["circle", "square", "triangle-up", "diamond"], marks = [];
  lines.forEach((line, i) => {
    plot.svg.append("path").attr({ d: d3.svg.line().x((p) => x(p.measured_at * 1000)).y((p) => y(p.median_us))(line.values), stroke: A.series(i), fill: "none", "stroke-width": 1.6 });
    line.values.forEach((p) => {
      const dot = plot.svg.append("path").attr({ d: d3.svg.symbol().type(shapes[i % 4]).size(64)(), transform: `translate(${x(p.measured_at * 1000)},${y(p.median_us)})`, fill: A.series(i) });
      marks.push({ element: dot.node(), lines: () => [p.commit || "no commit known", [p.device, p.mode], ["fastest", p.variant], ["a call", A.us(p.median_us)], ["on", A.date(p.measured_at)]] });
    });
  });
  A.marks(plot.svg, marks);
  A.legend(body, lines.map((line, i) => [line.key, (s) => s.append("path").attr({ d: d3.svg.symbol().type(shapes[i % 4]).size(50)(), transform: "translate(7,7)", fill: A.series(i) })]));
  A.as_table(body, "history", [{ key: "when", title: "when", text: true }, { key: "commit", title: "commit", text: true, name: true }, { key: "device", title: "device", text: true }, { key: "variant", title: "fastest", text: true, name: true }, { key: "us", title: "µs" }],
    points.map((p) => [A.date(p.measured_at), p.commit, `${p.device}, ${p.mode}`, p.variant, p.median_us]), { caption: "History of the spec" });
};

A.draw_sides = (body) => {
  const sections = A.data.stores.sections;
  if (sections.length < 2) return A.none(body, sections.length ? "Results of one device in one mode are here. Name a second store, or one that holds two devices, to see them side by side." : "No store was named.");
  const tools = A.add(body, "div.tools"), names = sections.map(A.section_name);
  const a = sections[A.index("left", sections.length)], b_at = A.state.has("right") ? A.index("right", sections.length) : 1, b = sections[b_at];
  A.choose(tools, "Left", names, "left", () => A.redraw("sides"));
  const right = A.choose(tools, "right", names, "right", () => A.redraw("sides"));
  right.value = b_at;
  right.addEventListener("change", () => (A.state.set("right", right.value), A.set("right", right.value), A.redraw("sides")));
  const of_b = new Map(b.specs.map((s) => [s.math_line, s])), rows = [];
  a.specs.forEach((s) => {
    const other = of_b.get(s.math_line), x = A.best(a, s), y = other && A.best(b, other);
    if (x && y) rows.push({ spec: s, a: x, b: y, ratio: y.median_us / x.median_us });
  });
  if (!rows.length) A.none(body, "These two have no proved spec in common.");
  else side_by_side(rows.sort((x, y) => y.ratio - x.ratio));
  const source = A.data.stores.comparisons.find((c) => c.before === a.source && c.after === b.source);
  if (source && source.rows.rows.length) {
    A.add(body, "h3", "Case by case, as assay compare judges it");
    A.add(body, "p.sub", source.counts);
    A.table(body, "comparison", source.rows.columns.map((c) => ({ key: c.key, title: c.title || c.key, text: c.text, name: c.key === "variant" || c.key === "spec", wide: c.key === "detail" })), source.rows.rows, { caption: "Case by case" });
  } else if (a.source !== b.source) A.add(body, "p.sub", "No case is in both: same spec, variant, device and mode. Winners are compared above all the same.");

  function side_by_side(list) {
    const shown = list.length > 40 ? [...list.slice(0, 20), ...list.slice(-20)] : list, left = bars_left(body);
    const plot = A.svg(body, shown.length * 20 + 40, "Winner of each spec: time on the right over time on the left"), low = shown.length * 20 + 8;
    const most = Math.max(1.05, d3.max(list, (r) => Math.max(r.ratio, 1 / r.ratio))) * 1.05;
    const x = d3.scale.log().domain([1 / most, most]).range([left, plot.width - 60]);
    A.axis(plot.svg, A.log_axis(x, "bottom", plot.width - left - 60).innerTickSize(-low).outerTickSize(0), 0, low, "grid");
    A.axis(plot.svg, A.log_axis(x, "bottom", plot.width - left - 60), 0, low);
    A.text(plot.svg, plot.width - 60, low + 30, "right / left: below 1 the right one is faster", { "text-anchor": "end", class: "soft" });
    A.marks(plot.svg, shown.map((r, i) => {
      const g = plot.svg.append("g").attr("transform", `translate(0,${i * 20 + 4})`), from = x(Math.min(1, r.ratio)), to = x(Math.max(1, r.ratio));
      A.text(g, left - 8, 13, A.short(r.spec.spec, left > 100 ? 34 : 13), { class: "mono", "text-anchor": "end" });
      g.append("rect").attr({ x: from, width: Math.max(1, to - from), y: 3, height: 13, fill: r.ratio > 1 ? "var(--c5)" : "var(--c0)" });
      A.text(g, plot.width - 54, 13, "×" + A.number(r.ratio), { class: "soft" });
      return { element: g.node(), lines: () => [r.spec.spec, ["left", `${A.us(r.a.median_us)}, ${r.a.variant}`], ["right", `${A.us(r.b.median_us)}, ${r.b.variant}`], ["right / left", "×" + A.number(r.ratio)]] };
    }));
    A.as_table(body, "sides", [{ key: "spec", title: "spec", text: true, name: true }, { key: "left", title: "left µs" }, { key: "right", title: "right µs" }, { key: "ratio", title: "right / left" }, { key: "a", title: "left winner", text: true, name: true }, { key: "b", title: "right winner", text: true, name: true }],
      list.map((r) => [r.spec.spec, r.a.median_us, r.b.median_us, r.ratio, r.a.variant, r.b.variant]), { caption: "Winners side by side" });
  }
};
