// The headline: what one token costs, what of it could be won, as one picture; and how the host spends its time.
A.section = () => A.data.stores.sections[A.index("section", A.data.stores.sections.length)];
A.section_name = (s) => `${s.device} · ${s.device_text}, ${s.mode}${s.commit ? " · " + s.commit : ""} (${s.source.split("/").pop()})`;
A.workload = () => {
  const all = A.section().workloads;
  return all[A.index("workload", all.length)];
};
// Rows of the cases table as objects, once for each section.
A.cases = (section) => {
  if (!section.as_objects) {
    const keys = section.cases.columns.map((c) => c.key);
    section.as_objects = section.cases.rows.map((row) => Object.fromEntries(row.map((value, i) => [keys[i], value])));
  }
  return section.as_objects;
};
A.best = (section, spec) => (spec.best === null ? null : A.cases(section)[spec.best]);
A.is_tie = (c) => /\btie\b/.test(c.tags);
A.is_best = (c) => /\bbest-(dev|gpu)\b/.test(c.tags);

A.draw_token = (body) => {
  const sections = A.data.stores.sections;
  if (!sections.length) return A.none(body, "No store or report of assay probe was named, so no token has a price. Measure one: assay probe, then assay report.");
  const section = A.section(), tools = A.add(body, "div.tools");
  if (sections.length > 1) A.choose(tools, "Results of", sections.map(A.section_name), "section", () => (A.set("workload"), A.set("spec"), A.redraw()));
  const workload = A.workload();
  if (!workload) return A.none(body, "None of the known workloads has a measured spec here, so there is no token to price. Name its file with --specs.");
  A.choose(tools, "Workload", section.workloads.map((w) => w.name + (w.missing.length ? ` (${w.missing.length} of ${w.rows.length} rows missing)` : "")), "workload", () => A.redraw("token"));
  const floor = d3.sum(workload.rows.filter((r) => r.total_ms), (r) => (r.calls_per_token * r.floor_us) / 1e3);
  const title = A.add(body, "h1", `${workload.name}: ${A.ms(workload.total_ms)} per token`, { id: "headline" });
  title.dataset.total = workload.total_ms;
  A.add(body, "p.sub", `${section.device_text}, ${section.device}, ${section.mode}` + (section.commit ? `, measured by commit ${section.commit}` : ""));
  const big = A.add(body, "div.big");
  const fact = (value, says, kind) => {
    const box = A.add(big, "div" + (kind ? "." + kind : ""));
    A.add(box, "b", value);
    A.add(box, "span", says);
  };
  fact(A.ms(workload.total_ms), "best proved kernels");
  fact(A.ms(floor), "floor: memory and arithmetic");
  fact(A.ms(workload.to_win_ms), `still to win, ${A.percent((100 * workload.to_win_ms) / workload.total_ms)}`, "win");
  fact(A.number(1000 / workload.total_ms), "tokens/s at most, of these ops");
  if (workload.exact_ms && Math.abs(workload.exact_ms - workload.total_ms) > 1e-9) fact(A.ms(workload.exact_ms), "with exact kernels alone");
  if (workload.missing.length) A.add(body, "p.warn", `${workload.missing.length} of ${workload.rows.length} rows have no proved kernel here and are in no sum; the table lists them.`);
  const rows = workload.rows.filter((r) => r.total_ms).sort((a, b) => b.total_ms - a.total_ms);
  token_bar(body, workload, rows);
  to_win(body, workload, rows);
  A.table(body, "token", [
    { key: "spec", title: "spec", text: true, name: true }, { key: "variant", title: "winner", text: true, name: true }, { key: "class", title: "class", text: true, show: (v) => (v ? A.class(v).says : "") },
    { key: "calls", title: "calls/token" }, { key: "us", title: "µs" }, { key: "floor_us", title: "floor µs" }, { key: "percent", title: "% of floor" },
    { key: "total_ms", title: "ms/token" }, { key: "to_win_ms", title: "to win ms" },
  ], workload.rows.map((r) => [r.spec, r.best_variant || null, r.best_variant ? r.accuracy : null, r.calls_per_token, r.best_us, r.floor_us, r.best_us ? (100 * r.floor_us) / r.best_us : null, r.total_ms, r.best_variant ? r.to_win_ms : null, r.spec_line]),
  { caption: "What one token costs, op by op", sort: "total_ms.down", go: (row) => A.go_to_spec(row[9]) });

  function token_bar(parent, w, list) {
    const plot = A.svg(parent, 112, `One token of ${w.name}: ${list.length} ops, widest first; the hatched end of each is what lies above its floor`);
    const x = d3.scale.linear().domain([0, w.total_ms]).range([0, plot.width - 2]);
    let at = 0;
    const marks = list.map((row, i) => {
      const left = x(at), width = x(row.total_ms), win = x(Math.min(row.to_win_ms, row.total_ms));
      at += row.total_ms;
      const g = plot.svg.append("g").attr("transform", `translate(${left},6)`);
      g.append("rect").attr({ width: Math.max(0.5, width - 1), height: 62, fill: A.series(i % 5), rx: 2 });
      if (win > 0.4) g.append("rect").attr({ x: Math.max(0, width - 1 - win), width: Math.max(0, win), height: 62, fill: "url(#hatch)", stroke: A.series(i % 5) });
      if (width > 66) {
        const label = g.append("text").attr({ x: 6, y: 82, class: "mono" }).text(A.short(row.spec, Math.floor(width / 7)));
        label.style("pointer-events", "none");
        A.text(g, 6, 98, A.ms(row.total_ms), { class: "soft" });
      }
      return { element: g.node(), click: () => A.go_to_spec(row.spec_line), lines: () => [row.spec, ["winner", row.best_variant], ["a call", A.us(row.best_us)], ["calls per token", A.number(row.calls_per_token)], ["a token", A.ms(row.total_ms)], ["above the floor", A.ms(row.to_win_ms)]] };
    });
    A.marks(plot.svg, marks);
    A.legend(parent, [["time at the floor (colours only part the ops)", (s) => s.append("rect").attr({ width: 14, height: 12, fill: "var(--c0)" })], ["above it: to be won", (s) => s.append("rect").attr({ width: 14, height: 12, fill: "url(#hatch)", stroke: "var(--c0)" })]]);
  }
  function to_win(parent, w, list) {
    const top = list.filter((r) => r.to_win_ms > 0).sort((a, b) => b.to_win_ms - a.to_win_ms).slice(0, 8);
    A.add(parent, "h3", "Where it can be won");
    if (!top.length) return A.none(parent, "Every winner stands at its floor: nothing is left to win in these ops.");
    const narrow = plot_width(parent) < 560, left = narrow ? 8 : 250, line = narrow ? 38 : 24;
    const plot = A.svg(parent, top.length * line + 8, "Milliseconds per token that could be won, by op");
    const x = d3.scale.linear().domain([0, d3.max(top, (r) => r.to_win_ms)]).range([0, plot.width - left - 180]);
    A.marks(plot.svg, top.map((row, i) => {
      const g = plot.svg.append("g").attr("transform", `translate(0,${i * line + 4})`);
      A.text(g, narrow ? left : left - 8, narrow ? 12 : 15, A.short(row.spec, 34), { class: "mono", "text-anchor": narrow ? "start" : "end" });
      g.append("rect").attr({ x: left, y: narrow ? 17 : 3, width: Math.max(1, x(row.to_win_ms)), height: 15, fill: "var(--c5)", rx: 2 });
      A.text(g, left + Math.max(1, x(row.to_win_ms)) + 6, narrow ? 29 : 15, `${A.ms(row.to_win_ms)} · ${A.percent((100 * row.floor_us) / row.best_us)} of floor`, { class: "soft" });
      return { element: g.node(), click: () => A.go_to_spec(row.spec_line), lines: () => [row.spec, ["to win", A.ms(row.to_win_ms)], ["now", A.us(row.best_us)], ["floor", A.us(row.floor_us)]] };
    }));
  }
};
const plot_width = (parent) => parent.getBoundingClientRect().width;
const bars_left = (parent) => (plot_width(parent) < 560 ? 96 : 250);

// Host time taken apart: what a dispatch costs beside the device's own time.
A.draw_host = (body) => {
  if (!A.data.stores.sections.length) return A.none(body, "No store was named; host times come from one.");
  const section = A.section();
  const rows = section.specs.map((s) => [s, A.best(section, s)]).filter(([, c]) => c && c.host_median_us > 0);
  if (!rows.length) return A.none(body, "No winner here has a host time: its device tells none, or nothing is proved.");
  const parts = [["device_us", "device", 0], ["encode_us", "encode", 1], ["submit_us", "submit", 3], ["wait_us", "wait and return", 2], ["rest_us", "not told apart", 7]];
  const data = rows.map(([spec, c]) => {
    // Waiting holds the device's time; what is beyond it is the way back.
    const device = Math.min(c.median_us, c.host_median_us), wait = Math.max(0, (c.wait_us || 0) - device);
    const d = { spec, case: c, host_us: c.host_median_us, device_us: device, encode_us: c.encode_us || 0, submit_us: Math.max(0, (c.submit_us || 0) - (c.wait_us ? 0 : device)), wait_us: wait };
    d.rest_us = Math.max(0, d.host_us - d.device_us - d.encode_us - d.submit_us - d.wait_us);
    d.over = (100 * (d.host_us - d.device_us)) / d.host_us;
    return d;
  }).sort((a, b) => b.over - a.over).slice(0, 24);
  const left = bars_left(body), plot = A.svg(body, data.length * 20 + 34, "Host time of each winner, in parts, as percent of its whole");
  const x = d3.scale.linear().domain([0, 100]).range([left, plot.width - 66]);
  A.axis(plot.svg, d3.svg.axis().scale(x).orient("bottom").ticks(5).tickFormat((v) => v + " %"), 0, data.length * 20 + 6);
  A.marks(plot.svg, data.map((d, i) => {
    const g = plot.svg.append("g").attr("transform", `translate(0,${i * 20 + 4})`);
    A.text(g, left - 8, 13, A.short(d.spec.spec, left > 100 ? 34 : 13), { class: "mono", "text-anchor": "end" });
    let at = 0;
    const sum = d3.sum(parts, (p) => d[p[0]]);
    for (const [key, , color] of parts) {
      const share = (100 * d[key]) / sum;
      g.append("rect").attr({ x: x(at), width: Math.max(0, x(at + share) - x(at)), height: 16, fill: A.series(color) });
      at += share;
    }
    A.text(g, x(100) + 5, 13, A.us(d.host_us), { class: "soft" });
    return { element: g.node(), click: () => A.go_to_spec(d.spec.spec_line), lines: () => [d.spec.spec, ["host", A.us(d.host_us)], ...parts.map(([key, name]) => [name, A.us(d[key])])] };
  }));
  A.legend(body, parts.map(([, name, color]) => [name, (s) => s.append("rect").attr({ width: 13, height: 12, fill: A.series(color) })]));
  A.as_table(body, "host", [{ key: "spec", title: "spec", text: true, name: true }, { key: "variant", title: "winner", text: true, name: true }, { key: "host_us", title: "host µs" }, ...parts.map(([key, name]) => ({ key, title: name + " µs" }))],
    data.map((d) => [d.spec.spec, d.case.variant, d.host_us, ...parts.map(([key]) => d[key])]), { caption: "Host time in parts" });
};
