// A run, from its trace: where time went, tokens over position, the dearest shapes, the kernels of one token.
const time_parts = [["gpu_busy_us", "device busy", 0], ["host_cost_us", "host cost of buffers", 1], ["cpu_us", "host: own work", 2], ["unattributed_us", "unattributed", 7]];
A.trace = () => A.data.traces[A.index("trace", A.data.traces.length)];
const no_trace = (body) => A.data.traces.length ? false : (A.none(body, "No trace was named. assay run MODEL --trace run.jsonl writes one; then: assay report run.jsonl --out …"), true);

A.draw_account = (body) => {
  if (no_trace(body)) return;
  const tools = A.add(body, "div.tools");
  if (A.data.traces.length > 1) A.choose(tools, "Trace", A.data.traces.map((t) => t.trace), "trace", () => A.redraw("account", "positions", "shapes", "order"));
  const trace = A.trace(), s = trace.accounting.stretches;
  A.add(body, "p.sub", `${trace.trace}: ${trace.totals.events.toLocaleString("en")} events`);
  const rows = [];
  const add = (name, parts, tokens) => parts.wall_us > 0 && rows.push({ name, parts, tokens, per: tokens || 1 });
  add("load, all", s.load, 0);
  add("prompt, a token", s.prompt, s.prompt.tokens);
  add("decode, a token", s.decode, s.decode.tokens);
  add("outside, all", s.outside, 0);
  if (!rows.length) return A.none(body, "Nothing in this trace has a duration that the account could book.");
  if (s.decode.tokens) {
    const big = A.add(body, "div.big"), fact = (v, says) => { const d = A.add(big, "div"); A.add(d, "b", v); A.add(d, "span", says); };
    fact(A.us(s.decode.wall_us_per_token), `a decoded token, mean of ${s.decode.tokens}`);
    fact(A.us(s.decode.median_wall_us), "median");
    fact(A.us(s.decode.p95_wall_us), "95th percentile");
    fact(A.number(1e6 / s.decode.wall_us_per_token), "tokens/s");
  }
  const left = bars_left(body) > 100 ? 150 : 104, plot = A.svg(body, rows.length * 34 + 34, "Account of time: each stretch in its four parts, as percent of its wall"), low = rows.length * 34 + 6;
  const x = d3.scale.linear().domain([0, 100]).range([left, plot.width - 84]);
  A.axis(plot.svg, d3.svg.axis().scale(x).orient("bottom").ticks(5).tickFormat((v) => v + " %"), 0, low);
  A.marks(plot.svg, rows.map((r, i) => {
    const g = plot.svg.append("g").attr("transform", `translate(0,${i * 34 + 4})`);
    A.text(g, left - 8, 19, r.name, { "text-anchor": "end" });
    let at = 0;
    for (const [key, , color] of time_parts) {
      const share = (100 * Math.max(0, r.parts[key])) / r.parts.wall_us;
      g.append("rect").attr({ x: x(at), width: Math.max(0, x(Math.min(100, at + share)) - x(at)), height: 26, fill: A.series(color) });
      if (x(share) - x(0) > 44) A.text(g, x(at + share / 2), 18, A.percent(share), { "text-anchor": "middle", class: "on-bar" });
      at += share;
    }
    A.text(g, x(100) + 6, 18, A.us(r.parts.wall_us / r.per), { class: "soft" });
    return { element: g.node(), lines: () => [r.name, ["wall", A.us(r.parts.wall_us / r.per)], ...time_parts.map(([key, name]) => [name, `${A.us(r.parts[key] / r.per)} (${A.percent((100 * r.parts[key]) / r.parts.wall_us)})`]), ["buffers", A.number(r.parts.buffers / r.per)]] };
  }));
  A.legend(body, time_parts.map(([, name, color]) => [name, (g) => g.append("rect").attr({ width: 13, height: 12, fill: A.series(color) })]));
  A.as_table(body, "account", [{ key: "stretch", title: "stretch", text: true }, { key: "tokens", title: "tokens" }, { key: "wall", title: "wall µs" }, ...time_parts.map(([key, name]) => ({ key, title: name + " µs" }))],
    rows.map((r) => [r.name, r.tokens || null, r.parts.wall_us / r.per, ...time_parts.map(([key]) => r.parts[key] / r.per)]), { caption: "Account of time" });
  if (trace.kernel_types.length) {
    A.add(body, "h3", "Kernel types");
    A.table(body, "types", [{ key: "type", title: "type", text: true, name: true }, { key: "calls", title: "calls" }, { key: "total", title: "total ms" }, { key: "mean", title: "mean µs" }, { key: "share", title: "% of these" }],
      (() => { const sum = d3.sum(trace.kernel_types, (k) => +k.total_us); return trace.kernel_types.map((k) => [k.kernel_type, k.count, +k.total_us / 1e3, +k.total_us / k.count, sum ? (100 * k.total_us) / sum : null]); })(), { caption: "Kernel types", sort: "total.down", most: 12 });
  }
};

A.draw_positions = (body) => {
  if (no_trace(body)) return;
  const s = A.trace().accounting.stretches, lines = [["prompt", s.prompt, 1, "square"], ["decode", s.decode, 0, "circle"]].filter(([, p]) => p.positions && p.positions.length);
  const points = lines.flatMap(([name, phase, color, shape]) => phase.positions.map((p) => ({ name, color, shape, x: p.first + (p.width - 1) / 2, y: p.wall_us / p.tokens, p })));
  if (points.length < 2) return A.none(body, "Fewer than two positions have a token with a wall time, so there is no course to draw.");
  const plot = A.svg(body, 280, "Wall time of a token over its position"), left = 64, right = plot.width - 16, low = 240;
  const x = d3.scale.linear().domain(d3.extent(points, (p) => p.x)).range([left + 6, right]), y = d3.scale.linear().domain([0, d3.max(points, (p) => p.y) * 1.1]).range([low, 10]);
  A.axis(plot.svg, d3.svg.axis().scale(y).orient("left").ticks(5).innerTickSize(left - right).outerTickSize(0), left, 0, "grid");
  A.axis(plot.svg, d3.svg.axis().scale(y).orient("left").ticks(5), left, 0);
  A.axis(plot.svg, d3.svg.axis().scale(x).orient("bottom").ticks(8), 0, low);
  A.text(plot.svg, left + 4, 9, "µs a token", { class: "soft" });
  A.text(plot.svg, right, low + 32, "position in the sequence", { "text-anchor": "end", class: "soft" });
  lines.forEach(([name, phase, color]) => {
    const fit = phase.wall_by_position;
    if (fit) plot.svg.append("line").attr({ x1: x(fit.first), x2: x(fit.last), y1: y(fit.us_at_first), y2: y(fit.us_at_last), stroke: A.series(color), "stroke-dasharray": "5 4", "stroke-width": 1.5 });
    if (fit) A.add(body, "p.sub", `${name}: ${A.number(fit.us_per_token_of_context)} µs more for each position [${A.number(fit.low)}, ${A.number(fit.high)}]`);
  });
  A.marks(plot.svg, points.map((p) => {
    const dot = plot.svg.append("path").attr({ d: d3.svg.symbol().type(p.shape).size(42)(), transform: `translate(${x(p.x)},${y(p.y)})`, fill: A.series(p.color) });
    return { element: dot.node(), lines: () => [`${p.name}, position ${p.p.first}${p.p.width > 1 ? " to " + (p.p.first + p.p.width - 1) : ""}`, ["wall", A.us(p.y)], ["tokens", String(p.p.tokens)], ...time_parts.map(([key, name]) => [name, A.us(p.p[key] / p.p.tokens)])] };
  }));
  A.legend(body, lines.map(([name, , color, shape]) => [name, (g) => g.append("path").attr({ d: d3.svg.symbol().type(shape).size(42)(), transform: "translate(7,7)", fill: A.series(color) })]));
};

// What tells shapes apart: no types of activations, no flags.
const short_shape = (line) => line.split(" | ").filter((f) => !/^(batch=1|tA|tB|dtA|dtD|bias|n=\?)/.test(f)).map((f) => f.replace(/^(op|dtB)=/, "")).join(" ");
A.draw_shapes = (body) => {
  if (no_trace(body)) return;
  const r = A.trace().shapes;
  if (!r.shapes.length) return A.none(body, "This trace describes no product, so there are no shapes.");
  if (r.ceiling_gbps) A.add(body, "p.sub", `Held against ${A.number(r.ceiling_gbps)} GB/s; ${A.ms(r.to_win_ms)} a ${r.to_win_per} could be won.`);
  else A.add(body, "p.sub", "A trace names no device: with --ceiling GB/s the page says how far each shape is from it.");
  const rows = r.shapes.flatMap((s) => s.backends.map((b) => [s.shape, b.backend, s.calls, b.time_us, s.total_us / 1e3, r.total_us ? (100 * s.total_us) / r.total_us : null, b.gbps, b.percent_of_ceiling, b.to_win_ms ?? null, s.text]));
  const top = r.shapes.slice(0, 10), left = bars_left(body), plot = A.svg(body, top.length * 22 + 8, "The dearest shapes by their total time");
  const x = d3.scale.linear().domain([0, top[0].total_us || 1]).range([0, plot.width - left - 124]);
  A.marks(plot.svg, top.map((s, i) => {
    const g = plot.svg.append("g").attr("transform", `translate(0,${i * 22 + 3})`), share = r.total_us ? (100 * s.total_us) / r.total_us : 0;
    A.text(g, left - 8, 14, A.short(short_shape(s.shape), left > 100 ? 36 : 13), { class: "mono", "text-anchor": "end" });
    g.append("rect").attr({ x: left, width: Math.max(1, x(s.total_us)), height: 17, fill: "var(--c0)", rx: 2 });
    A.text(g, left + Math.max(1, x(s.total_us)) + 6, 14, `${A.us(s.total_us)} · ${share.toFixed(0)} %`, { class: "soft" });
    return { element: g.node(), lines: () => [s.shape, ["calls", s.calls.toLocaleString("en")], ["all calls", A.us(s.total_us)], ...s.backends.slice(0, 4).map((b) => [b.backend, `${A.us(b.time_us)}${b.gbps ? ", " + A.number(b.gbps) + " GB/s" : ""}`])] };
  }));
  A.table(body, "shapes", [{ key: "shape", title: "shape", text: true, name: true, show: short_shape }, { key: "backend", title: "backend", text: true, name: true }, { key: "calls", title: "calls" }, { key: "us", title: "µs" }, { key: "total", title: "total ms" }, { key: "share", title: "% of products" }, { key: "gbps", title: "GB/s" }, { key: "percent", title: "% ceiling" }, { key: "to_win_ms", title: "to win ms" }],
    rows, { caption: "Shapes of the trace", sort: "total.down", most: 30 });
};

A.draw_order = (body) => {
  if (no_trace(body)) return;
  const one = A.trace().one_token;
  if (!one) return A.none(body, "No decoded token of this trace has both its begin and its end on the clock, so none can be drawn. --token N chooses one.");
  const slices = one.slices.map((s) => Object.fromEntries(s.map((v, i) => [one.columns[i], v])));
  A.add(body, "p.sub", `Token ${one.token} (${one.phase}, position ${one.position}): ${A.us(one.wall_us)}, ${slices.length} events${one.left_out ? `; ${one.left_out} more are left out` : ""}. Drag over the picture, or press + and −, to look closer.`);
  const kinds = [["op", "ops and waits", 0], ["buffer", "device", 2], ["host", "host", 1]], lanes = [];
  kinds.forEach(([kind, says, color]) => {
    const own = slices.filter((s) => s.kind === kind || (kind === "op" && s.kind === "wait"));
    const open = [];  // of one lane: ends of what is open, for the depth
    let lane = -1;
    own.forEach((s) => {
      if (s.lane !== lane) (open.length = 0), (lane = s.lane);
      while (open.length && open[open.length - 1] <= s.begin_us + 1e-9) open.pop();
      s.depth = Math.min(open.length, 5) + s.lane * 6;
      s.color = s.kind === "wait" ? 7 : color;
      open.push(s.begin_us + s.us);
    });
    if (own.length) lanes.push({ says, own, depths: [...new Set(own.map((s) => s.depth))].sort((a, b) => a - b) });
  });
  let range = (A.get("order.range", "") || "").split("-").map(Number);
  if (range.length !== 2 || !(range[1] > range[0])) range = [0, one.wall_us];
  const tools = A.add(body, "div.tools"), place = A.add(body, "div");
  const zoom = (factor) => {
    const middle = (range[0] + range[1]) / 2, half = Math.min(one.wall_us / 2, ((range[1] - range[0]) / 2) * factor);
    go([Math.max(0, middle - half), Math.min(one.wall_us, middle + half)]);
  };
  const go = (to) => {
    range = to;
    A.set("order.range", to[1] - to[0] >= one.wall_us * 0.999 ? "" : to.map((v) => v.toFixed(2)).join("-"), "");
    draw();
  };
  const shift = (by) => {
    const width = range[1] - range[0], from = Math.max(0, Math.min(one.wall_us - width, range[0] + by * width));
    go([from, from + width]);
  };
  [["+", "Closer", () => zoom(0.5)], ["−", "Wider", () => zoom(2)], ["‹", "Earlier", () => shift(-0.5)], ["›", "Later", () => shift(0.5)], ["All", "The whole token", () => go([0, one.wall_us])]].forEach(([sign, says, act]) =>
    A.add(tools, "button", sign, { type: "button", "aria-label": says }).addEventListener("click", act));
  const draw = () => {
    place.textContent = "";
    const rows = d3.sum(lanes, (l) => l.depths.length), left = plot_width(body) < 560 ? 56 : 110, plot = A.svg(place, rows * 20 + lanes.length * 8 + 30, "What ran during the token, on tracks"), low = rows * 20 + lanes.length * 8 + 2;
    const x = d3.scale.linear().domain(range).range([left, plot.width - 8]), marks = [];
    A.axis(plot.svg, d3.svg.axis().scale(x).orient("bottom").ticks(Math.max(2, Math.floor(plot.width / 130))).tickFormat((v) => A.us(v)).innerTickSize(-low).outerTickSize(0), 0, low);
    plot.svg.selectAll(".axis .tick line").style("stroke", "var(--faint)");
    let top = 2;
    lanes.forEach((lane) => {
      A.text(plot.svg, left - 8, top + 14, lane.says.split(" ")[0], { "text-anchor": "end", class: "soft" });
      lane.own.forEach((s) => {
        const from = Math.max(range[0], s.begin_us), to = Math.min(range[1], s.begin_us + s.us);
        if (to < from || s.begin_us > range[1] || s.begin_us + s.us < range[0]) return;
        const width = Math.max(0.8, x(to) - x(from) - 0.6), g = plot.svg.append("g").attr("transform", `translate(${x(from)},${top + lane.depths.indexOf(s.depth) * 20})`);
        g.append("rect").attr({ width, height: 18, fill: A.series(s.color), rx: Math.min(2, width / 3) });
        if (width > 46) A.text(g, 4, 13, A.short(s.name, Math.floor(width / 6.6))).attr("class", "on-bar").style("pointer-events", "none");
        if (marks.length < 3000) marks.push({ element: g.node(), lines: () => [s.name, s.path === s.name ? s.kind : s.path, ["took", A.us(s.us)], ["began at", A.us(s.begin_us)], ...(s.backend ? [["by", s.backend]] : []), ["line", String(s.line)]] });
      });
      top += lane.depths.length * 20 + 8;
    });
    A.marks(plot.svg, marks);
    const brush = plot.svg.insert("rect", ":first-child").attr({ x: left, width: plot.width - left, height: low, fill: "transparent" });
    let from = null;
    plot.node.addEventListener("mousedown", (e) => (from = x.invert(e.offsetX)));
    plot.node.addEventListener("mouseup", (e) => {
      const to = x.invert(e.offsetX);
      if (from !== null && Math.abs(x(to) - x(from)) > 8) go([Math.max(0, Math.min(from, to)), Math.min(one.wall_us, Math.max(from, to))]);
      from = null;
    });
    brush.style("cursor", "crosshair");
  };
  draw();
  A.add(body, "h3", "In order");
  A.table(body, "order", [{ key: "at", title: "begins µs", show: (v) => v.toFixed(1) }, { key: "us", title: "µs" }, { key: "kind", title: "kind", text: true }, { key: "name", title: "what", text: true, name: true }, { key: "backend", title: "by", text: true, name: true }, { key: "path", title: "path", text: true, wide: true, name: true }],
    slices.filter((s) => s.kind !== "buffer").map((s) => [s.begin_us, s.us, s.kind, s.name, s.backend, s.path]), { caption: "Kernels of one token in order", sort: "at.up", most: 40 });
};
