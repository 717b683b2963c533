// Tables that sort and filter; the link keeps how.
//
// columns: {key, title, text: true where it is no number, show: value → text, wide: long text, name: code}.
A.table = (parent, id, columns, rows, options) => {
  const o = Object.assign({ caption: id, most: 100, filter: rows.length > 8 }, options);
  const box = A.add(parent, "div");
  const tools = A.add(box, "div.tools");
  const filter = o.filter && A.add(A.add(tools, "label", "Filter "), "input", null, { type: "search", id: "filter-" + id, placeholder: "words, or us<50" });
  const count = A.add(tools, "span.sub", "", { role: "status" });
  const scroll = A.add(box, "div.table-box", null, { tabindex: 0, role: "region", "aria-label": o.caption });
  const table = A.add(scroll, "table", null, { id: "table-" + id });
  // Paper has room for so many: what is measured comes before how, and the CSV has them all.
  const printed = 12;
  if (columns.length > printed) A.add(box, "p.sub.paper", `On paper: ${printed} of ${columns.length} columns. The page on a screen, and the CSV, have all.`);
  A.add(table, "caption", o.caption).className = "sr";
  const head = A.add(A.add(table, "thead"), "tr");
  const body = A.add(table, "tbody");
  const more = A.add(box, "button.more", "", { type: "button" });
  let all = matchMedia("print").matches;
  let [sort, direction] = (A.get("sort." + id, o.sort || "") || "").split(".");

  const shown = (column, value) => (column.show ? column.show(value) : column.text ? value ?? "" : A.number(value));
  const texts = rows.map((row) => columns.map((c, i) => shown(c, row[i])).join(" \u0000 ").toLowerCase());
  // A word must be somewhere in the row; key<number and key>number compare a column; -word must not be there.
  const wanted = (text) => {
    const tests = text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
      const compared = /^([a-z_%/ ]+)([<>=])(-?[\d.]+)$/.exec(word);
      const at = compared ? columns.findIndex((c) => c.key.toLowerCase() === compared[1] || c.title.toLowerCase() === compared[1]) : -1;
      if (at >= 0) {
        const limit = Number(compared[3]);
        return (row) => typeof row[at] === "number" && (compared[2] === "<" ? row[at] < limit : compared[2] === ">" ? row[at] > limit : row[at] === limit);
      }
      return word.length > 1 && word[0] === "-" ? (row, i) => !texts[i].includes(word.slice(1)) : (row, i) => texts[i].includes(word);
    });
    return (row, i) => tests.every((test) => test(row, i));
  };

  const fill = () => {
    const text = filter ? filter.value : "";
    const keep = wanted(text);
    let order = rows.map((_, i) => i).filter((i) => keep(rows[i], i));
    const at = columns.findIndex((c) => c.key === sort);
    if (at >= 0) {
      const sign = direction === "down" ? -1 : 1;
      order.sort((a, b) => {
        const x = rows[a][at], y = rows[b][at];
        const none = (v) => v === null || v === undefined || v === "";
        if (none(x) || none(y)) return none(x) - none(y) || a - b;  // what is unknown stands last, either way
        return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true })) || a - b;
      });
    }
    head.querySelectorAll("th").forEach((th, i) => th.setAttribute("aria-sort", i !== at ? "none" : direction === "down" ? "descending" : "ascending"));
    const drawn = all ? order : order.slice(0, o.most);
    body.textContent = "";
    for (const i of drawn) {
      const tr = A.add(body, "tr");
      tr.dataset.row = i;
      columns.forEach((column, c) => {
        const td = A.add(tr, "td", shown(column, rows[i][c]));
        td.className = (c >= printed ? "screen " : "") + (column.text ? "text" : "") + (column.wide ? " long" : "") + (column.name ? " name" : "");
        if (column.mark) column.mark(td, rows[i][c], rows[i]);
      });
      if (o.go) {
        tr.classList.add("go");
        tr.tabIndex = 0;
        if (o.on && o.on(rows[i])) tr.classList.add("on");
        tr.addEventListener("click", () => o.go(rows[i]));
        tr.addEventListener("keydown", (e) => e.key === "Enter" && o.go(rows[i]));
      }
    }
    count.textContent = order.length === rows.length ? `${rows.length} rows` : `${order.length} of ${rows.length} rows`;
    more.hidden = drawn.length === order.length;
    more.textContent = `Show all ${order.length}`;
  };
  columns.forEach((column, c) => {
    const th = A.add(head, "th" + (column.text ? ".text" : "") + (c >= printed ? ".screen" : ""), null, { scope: "col" });
    A.add(th, "button", column.title, { type: "button" }).addEventListener("click", () => {
      const first = column.text ? "up" : "down";
      if (sort !== column.key) [sort, direction] = [column.key, first];
      else if (direction === first) direction = first === "up" ? "down" : "up";
      else [sort, direction] = ["", ""];
      A.set("sort." + id, sort ? sort + "." + direction : "", o.sort);
      fill();
    });
  });
  more.addEventListener("click", () => ((all = true), fill()));
  if (filter) {
    filter.value = A.get("filter." + id, "");
    filter.addEventListener("input", () => (A.set("filter." + id, filter.value, ""), fill()));
  }
  addEventListener("beforeprint", () => !all && ((all = true), fill()));
  fill();
  return { fill, table };
};

// The same as a picture's other form, folded away: what it shows, for eyes and ears that want numbers.
A.as_table = (parent, id, columns, rows, options) => {
  const details = A.add(parent, "details");
  A.add(details, "summary", "The same as a table");
  let made = false;
  const open = () => {
    if (made) return;
    made = true;
    A.table(details, id, columns, rows, options);
  };
  details.addEventListener("toggle", () => details.open && open());
};
