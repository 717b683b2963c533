// The page put together: its parts in order, the way to each, light and dark.
(() => {
  const d = A.data, stores = d.stores.sections.length > 0, traces = d.traces.length > 0;
  const cases = stores ? A.section().specs.length : 0;
  document.title = `assay: ${stores ? `${A.section().device_text}, ${cases} specs` : traces ? d.traces[0].trace : d.tables.length ? d.tables[0].file : "report"}`;
  const part = (id, nav, title, lead, draw, wanted) => wanted && (A.part(id, title, lead, draw).nav = nav);
  const any = !traces && !d.tables.length && !d.opbench.length;  // nothing at all still says why
  const sweep = stores || any;
  part("token", "Token", "One token", "", A.draw_token, sweep);
  part("roofline", "Roofline", "Below the roof", "Each mark is a spec's fastest proved kernel. The sloping line is what memory was measured to give, its band how much that varied; level lines are what arithmetic was measured to do. A mark on the roof has nothing left to win.", A.draw_roofline, sweep);
  part("spec", "Samples", "One spec, sample by sample", "Every launch of every variant is a tick. Variants whose intervals overlap the best one's, at most 5 % apart, tie with it: choose among them as you like.", A.draw_spec, sweep);
  part("heat", "Heat map", "The sweep as a map", "", A.draw_heat, sweep);
  part("lengths", "Lengths", "Families over length", "How the best variant of each family grows with one size. Attention grows with the context.", A.draw_lengths, sweep);
  part("host", "Host time", "Host time taken apart", "What a single dispatch costs the caller, beside the device's own time.", A.draw_host, sweep);
  part("failures", "Failures", "Failures and accusations", "", A.draw_failures, sweep);
  part("history", "History", "History over commits and devices", "The fastest proved kernel of the chosen spec, by the commit and the device that found it.", A.draw_history, sweep);
  part("sides", "Side by side", "Side by side", "", A.draw_sides, sweep);
  part("cases", "All cases", "Every case", "The rows that the CSV and the JSON report have. Filter by words, by -word, or by a column: gbps>40.", A.draw_cases, sweep);
  part("account", "Account", "Where a run's time went", "The wall of each stretch is the sum of four parts; what no rule can place is unattributed.", A.draw_account, traces || any);
  part("positions", "Positions", "Tokens over position", "", A.draw_positions, traces);
  part("shapes", "Shapes", "The dearest shapes", "", A.draw_shapes, traces);
  part("order", "One token's kernels", "The kernels of one token, in order", "", A.draw_order, traces);
  part("tables", "Tables", "Dispatch tables", "Which kernel the engine takes, why, and whether the step came out as foretold.", A.draw_tables, d.tables.length > 0 || any);
  part("opbench", "Frameworks", "Frameworks beside each other", "", A.draw_opbench, d.opbench.length > 0 || any);

  const nav = document.getElementById("nav"), calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  A.parts.forEach((p) => A.add(nav, "button", p.nav, { type: "button" }).addEventListener("click", () => {
    p.section.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    p.section.setAttribute("tabindex", -1);
    p.section.focus({ preventScroll: true });
    A.set("at", p.id);
  }));
  document.getElementById("skip").addEventListener("click", () => document.getElementById("main").focus());
  const theme = document.getElementById("theme"), themes = ["", "light", "dark"];
  const wear = () => {
    const worn = A.get("theme", "");
    if (worn) document.documentElement.dataset.theme = worn;
    else delete document.documentElement.dataset.theme;
    theme.textContent = { "": "Light or dark: as the system", light: "Light", dark: "Dark" }[worn] || "Light";
    if (!worn) theme.textContent = "Theme: system";
    theme.setAttribute("aria-label", `Colours: ${worn || "as the system has them"}; press to change`);
  };
  theme.addEventListener("click", () => (A.set("theme", themes[(themes.indexOf(A.get("theme", "")) + 1) % 3], ""), wear()));
  wear();
  A.redraw();
  const made = document.getElementById("made");
  A.add(made, "p", `Made by ${d.made.program} on ${A.date(d.made.at)} UTC: `).append(Object.assign(document.createElement("code"), { textContent: d.made.command }));
  A.add(made, "p", "Drawn with D3, © Michael Bostock, BSD 3-clause; its licence stands in this file. The data stands in it as JSON.");
  const at = A.parts.find((p) => p.id === A.get("at", ""));
  if (at) at.section.scrollIntoView();
  addEventListener("hashchange", () => {
    A.state = new URLSearchParams(location.hash.slice(1));
    wear();
    A.redraw();
  });
  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(() => A.redraw(), 150);
  });
  addEventListener("keydown", (e) => e.key === "Escape" && (document.getElementById("tip").hidden = true));
  document.documentElement.dataset.ready = Math.round(performance.now());
})();
