// Dispatch tables: their entries, and the step that they foretold beside the one that came; opbench: frameworks beside each other.

A.draw_tables = (body) => {
  if (!A.data.tables.length) return A.none(body, "No dispatch table was named. assay tune writes one for a device; tables/cpu.json is the shipped one.");
  A.data.tables.forEach(({ file, table }, i) => {
    A.add(body, "h3", file);
    A.add(body, "p.sub", `made by ${table.made_by || "somebody who did not say"}`);
    const steps = table.devices.flatMap((device) => device.steps || []).filter((s) => s.predicted_ms > 0).map((s) => ({
      name: `${s.model}, ${s.depth} tokens`, predicted: s.predicted_ms, achieved: s.achieved_ms ?? null, low: s.low_ms ?? null, high: s.high_ms ?? null, floor: s.floor_ms ?? null, before: s.default_achieved_ms ?? null, unit: "ms" }));
    if (steps.length) draw_steps(body, steps);
    else A.none(body, "The table does not say what step it foretells: no predicted time is in it, so there is no achieved one to set beside it. assay tune writes both.");
    const rows = table.devices.flatMap((device) => (device.entries || []).map((e) => {
      const evidence = e.evidence || {};
      return [device.backend + (device.isa ? " " + device.isa : "") + (device.properties && device.properties.model ? ", " + device.properties.model : ""), e.bucket, e.variant, e.accuracy || "exact", e.storage || "", evidence.us ?? null, evidence.margin_percent ?? null, (evidence.ties || []).join(", "), (e.fallback || []).join(", "), evidence.result || ""];
    }));
    A.table(body, "table" + i, [{ key: "device", title: "device", text: true }, { key: "bucket", title: "specs", text: true, name: true, wide: true }, { key: "variant", title: "variant", text: true, name: true }, { key: "class", title: "class", text: true, show: (v) => A.class(v).says }, { key: "storage", title: "storage", text: true }, { key: "us", title: "µs" }, { key: "margin", title: "margin %" }, { key: "ties", title: "ties", text: true, wide: true }, { key: "fallback", title: "fallback", text: true, wide: true }, { key: "result", title: "evidence", text: true, name: true }], rows, { caption: "Entries of " + file });
  });
  function draw_steps(parent, steps) {
    const narrow = plot_width(parent) < 560, left = narrow ? 110 : 220, plot = A.svg(parent, steps.length * 46 + 8, "Predicted and achieved step");
    const most = d3.max(steps, (s) => Math.max(s.predicted, s.achieved || 0)), x = d3.scale.linear().domain([0, most]).range([0, plot.width - left - 100]);
    A.marks(plot.svg, steps.map((s, i) => {
      const g = plot.svg.append("g").attr("transform", `translate(0,${i * 46 + 4})`);
      A.text(g, left - 8, 24, A.short(String(s.name), narrow ? 15 : 32), { class: "mono", "text-anchor": "end" });
      [[s.predicted, "predicted", "var(--c4)"], [s.achieved, "achieved", "var(--c0)"]].forEach(([v, says, color], k) => {
        if (v === null) return A.text(g, left, 14 + k * 18, says + ": not said", { class: "soft" });
        g.append("rect").attr({ x: left, y: k * 18, width: Math.max(1, x(v)), height: 15, fill: color, rx: 2 });
        A.text(g, left + x(v) + 6, 12 + k * 18, `${says} ${A.number(v)} ${s.unit}`, { class: "soft" });
      });
      if (s.floor) g.append("line").attr({ x1: left + x(s.floor), x2: left + x(s.floor), y1: -2, y2: 36, stroke: "var(--c5)", "stroke-width": 1.5 });
      const apart = s.achieved ? (100 * (s.achieved - s.predicted)) / s.predicted : null;
      return { element: g.node(), lines: () => [String(s.name), ["predicted", `${A.number(s.predicted)} ${s.unit}`], ["achieved", s.achieved === null ? "not said" : `${A.number(s.achieved)} ${s.unit}`], ...(s.low ? [["interval", `${A.number(s.low)} to ${A.number(s.high)} ${s.unit}`]] : []), ...(apart === null ? [] : [["apart", A.percent(apart)]]), ...(s.before ? [["with the defaults", `${A.number(s.before)} ${s.unit}`]] : []), ...(s.floor ? [["floor", `${A.number(s.floor)} ${s.unit}`]] : [])] };
    }));
  }
};

// Cells of a run of opbench (its --format json) or of a store.
const opbench_rows = (results) => (results.cells || []).filter((c) => c.outcome !== "not here").map((c) => ({
  op: c.row, framework: c.framework, us: c.outcome === "pass" ? c.median_us : null,
  outcome: c.outcome, ceiling: c.ceiling_percent ?? null, detail: c.detail || "" }));
A.draw_opbench = (body) => {
  if (!A.data.opbench.length) return A.none(body, "No results of opbench were named, so no framework stands beside another here.");
  A.data.opbench.forEach(({ file, results }, i) => {
    A.add(body, "h3", file);
    const rows = opbench_rows(results);
    if (!rows.length) return A.none(body, "These results have no cell: no row was run by any framework.");
    const ops = d3.nest().key((r) => r.op).entries(rows), frameworks = [...new Set(rows.map((r) => r.framework))], left = bars_left(body);
    const height = d3.sum(ops, (o) => o.values.length * 15 + 10), plot = A.svg(body, height + 6, "Each framework's time on each op, as a multiple of the fastest");
    let top = 4;
    const marks = [];
    ops.forEach((o) => {
      const best = d3.min(o.values.filter((r) => r.us > 0 && r.outcome === "pass"), (r) => r.us), most = Math.max(2, d3.max(o.values, (r) => (r.us > 0 && best ? r.us / best : 1)));
      const x = d3.scale.linear().domain([0, Math.min(most, 10)]).range([0, plot.width - left - 180]).clamp(true);  // the number says how far a cut bar would go
      A.text(plot.svg, left - 8, top + 12, A.short(o.key, left > 100 ? 34 : 13), { class: "mono", "text-anchor": "end" });
      o.values.forEach((r) => {
        const g = plot.svg.append("g").attr("transform", `translate(0,${top})`), passed = r.us > 0 && r.outcome === "pass";
        g.append("rect").attr({ x: left, width: passed && best ? Math.max(1, x(r.us / best)) : 1, height: 13, fill: A.series(frameworks.indexOf(r.framework)) });
        A.text(g, left + (passed && best ? x(r.us / best) : 1) + 6, 11, passed ? `${r.framework} ${A.us(r.us)}${r.us === best ? "" : ", ×" + A.number(r.us / best)}` : `${r.framework}: ${r.outcome}`, { class: "soft" });
        marks.push({ element: g.node(), lines: () => [o.key, [r.framework, passed ? A.us(r.us) : r.outcome], ...(passed && best ? [["the fastest", A.us(best)]] : []), ...(passed && r.ceiling ? [["of the ceiling", A.percent(r.ceiling)]] : []), ...(r.detail ? [r.detail] : [])] });
        top += 15;
      });
      top += 10;
    });
    A.marks(plot.svg, marks);
    A.as_table(body, "opbench" + i, [{ key: "op", title: "op", text: true, name: true }, { key: "framework", title: "framework", text: true }, { key: "us", title: "µs" }, { key: "ceiling", title: "% of ceiling" }, { key: "outcome", title: "outcome", text: true }], rows.map((r) => [r.op, r.framework, r.us, r.ceiling, r.outcome]), { caption: "Frameworks by op" });
  });
};
