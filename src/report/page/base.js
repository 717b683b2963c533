// What all parts share: the data, the state that the link keeps, numbers as people read them, the tip, figures.
"use strict";
const A = { data: JSON.parse(document.getElementById("data").textContent), parts: [], failed: [] };

// The state: what stands in the link. Keys of one part begin with its name.
A.state = new URLSearchParams(location.hash.slice(1));
A.get = (key, fallback) => (A.state.has(key) ? A.state.get(key) : fallback);
A.index = (key, count) => {
  const value = Number(A.get(key, 0));
  return Number.isInteger(value) && value >= 0 && value < count ? value : 0;
};
A.set = (key, value, unset) => {
  if (value === unset || value === undefined || value === "") A.state.delete(key);
  else A.state.set(key, value);
  history.replaceState(null, "", "#" + A.state.toString());
};

// Numbers: three or four digits that count.
A.number = (x) => {
  if (x === null || x === undefined || x === "" || Number.isNaN(x)) return "–";
  if (typeof x !== "number") return String(x);
  if (Number.isInteger(x)) return x.toLocaleString("en");
  const size = Math.abs(x);
  if (size >= 1e5) return Math.round(x).toLocaleString("en");
  if (size < 1) return size < 0.001 ? x.toExponential(2) : x.toPrecision(3);
  return x.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : 2);
};
A.us = (x) => (x === null || x === undefined ? "–" : x >= 1e4 ? A.number(x / 1e3) + " ms" : A.number(x) + " µs");
A.ms = (x) => (x === null || x === undefined ? "–" : A.number(x) + " ms");
A.percent = (x) => (x === null || x === undefined ? "–" : x.toFixed(1) + " %");
A.date = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
A.bytes = (x) => (x >= 1 << 20 ? A.number(x / (1 << 20)) + " MB" : x >= 1024 ? A.number(x / 1024) + " KB" : x + " B");
A.short = (text, most) => (text.length <= most ? text : text.slice(0, Math.ceil(most / 2) - 1) + "…" + text.slice(-Math.floor(most / 2)));

// Elements: A.add(parent, "p.lead", "text", {attribute: value}).
A.add = (parent, what, text, attributes) => {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  parent.appendChild(element);
  return element;
};

// The tip: lines of [label, value], or one text; the same for pointer and keyboard, unless at(x, y) has others for a pointer.
A.tip = (element, lines, at) => {
  const tip = document.getElementById("tip");
  const show = (x, y, shown = lines()) => {
    tip.textContent = "";
    shown.forEach((line, i) => {
      const row = A.add(tip, "div");
      if (typeof line === "string") A.add(row, i === 0 ? "b" : "span", line);
      else row.append(line[0] + ": "), A.add(row, "b", line[1]);
    });
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 6)) + "px";
    tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 16) + "px";
  };
  const hide = () => (tip.hidden = true);
  const point = (e) => show(e.clientX, e.clientY, at ? at(e.clientX, e.clientY) : lines());
  element.addEventListener("mouseenter", point);
  element.addEventListener("mousemove", point);
  element.addEventListener("mouseleave", hide);
  element.addEventListener("focus", () => {
    const box = element.getBoundingClientRect();
    show(box.x + box.width / 2, box.y + box.height / 2);
  });
  element.addEventListener("blur", hide);
};

// Marks of a picture: one stop of the tab key for all; arrows go from one to the next, Enter does what a click does.
A.marks = (svg, list) => {
  const mark_of = new Map(list.map((mark) => [mark.element, mark]));
  // Marks may lie on each other: a pointer means the one whose middle is nearest, and the tip names the others.
  const under = (x, y) => {
    const off = (mark) => {
      const box = mark.element.getBoundingClientRect();
      return Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y);
    };
    const marks = [...new Set(document.elementsFromPoint(x, y).map((e) => mark_of.get(e.closest(".mark"))))].filter(Boolean);
    return marks.map((mark) => [off(mark), mark]).sort((a, b) => a[0] - b[0]).map(([, mark]) => mark);
  };
  const lines_at = (top) => (x, y) => {
    const [nearest = top, ...others] = under(x, y), named = others.slice(0, 3).map((m) => ["also here", [m.lines()[0]].flat().join(" ")]);
    return nearest.lines().concat(named, others.length > 3 ? [`and ${others.length - 3} more`] : []);
  };
  list.forEach((mark, i) => {
    const element = mark.element;
    element.classList.add("mark");
    element.setAttribute("tabindex", i === 0 ? 0 : -1);
    element.setAttribute("role", mark.click ? "button" : "img");
    element.setAttribute("aria-label", mark.lines().map((l) => (typeof l === "string" ? l : l.join(" "))).join(", "));
    A.tip(element, mark.lines, lines_at(mark));
    if (mark.click) element.addEventListener("click", (e) => (under(e.clientX, e.clientY).find((m) => m.click) || mark).click());
    element.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (e.key === "Enter" && mark.click) mark.click();
      if (!step) return;
      e.preventDefault();
      const next = list[(i + step + list.length) % list.length].element;
      element.setAttribute("tabindex", -1);
      next.setAttribute("tabindex", 0);
      next.focus();
    });
  });
};

// A part of the page: a heading, what it shows, and what draws it. Drawn again when its width or state changes.
A.part = (id, title, lead, draw) => {
  const section = A.add(document.getElementById("main"), "section.part", null, { id: "part-" + id, "aria-labelledby": "h-" + id });
  A.add(section, "h2", title, { id: "h-" + id });
  if (lead) A.add(section, "p.lead", lead);
  const body = A.add(section, "div");
  const part = { id, title, section, body, draw: () => {
    body.textContent = "";
    try {
      draw(body);
    } catch (error) {
      A.failed.push(id + ": " + error.message);
      A.none(body, "This picture could not be drawn: " + error.message);
      console.error(error);
    }
  } };
  A.parts.push(part);
  return part;
};
A.redraw = (...ids) => A.parts.forEach((part) => (ids.length === 0 || ids.includes(part.id)) && part.draw());
A.none = (parent, why) => A.add(parent, "p.none", why);

// An svg as wide as its place, with a text for those who do not see it.
A.svg = (parent, height, label, least) => {
  const box = A.add(parent, "div.plot");
  const width = Math.max(least || 300, Math.floor(box.getBoundingClientRect().width) || 300);
  const svg = d3.select(box).append("svg").attr({ width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
  return { svg, width, height, node: svg.node() };
};
// A grid is an axis without its words.
A.axis = (svg, axis, x, y, kind) => svg.append("g").attr("class", "axis " + (kind || "")).attr("transform", `translate(${x},${y})`).call(kind ? axis.tickFormat("") : axis);
A.text = (svg, x, y, text, attributes) => svg.append("text").attr({ x, y }).attr(attributes || {}).text(text);

// A choice: label, texts, the state's key, and what to draw again.
A.choose = (parent, label, texts, key, then) => {
  const box = A.add(parent, "label", label + " ");
  const select = A.add(box, "select", null, { id: "choose-" + key });
  texts.forEach((text, i) => A.add(select, "option", text, { value: i }));
  select.value = A.index(key, texts.length);
  select.addEventListener("change", () => (A.set(key, select.value, "0"), then()));
  return select;
};
A.legend = (parent, entries) => {
  const list = A.add(parent, "ul.legend");
  for (const [text, draw] of entries) {
    const item = A.add(list, "li");
    draw(d3.select(item).append("svg").attr({ width: 16, height: 14, "aria-hidden": true }));
    item.append(text);
  }
};

// What the classes of accuracy look like, everywhere.
A.classes = {
  exact: { color: "var(--c0)", symbol: "circle", says: "exact" },
  f16_activation: { color: "var(--c2)", symbol: "triangle-up", says: "f16 activations" },
  bf16_activation: { color: "var(--c3)", symbol: "square", says: "bf16 activations" },
  int8_activation: { color: "var(--c1)", symbol: "diamond", says: "int8 activations" },
};
A.class = (name) => A.classes[name] || { color: "var(--c7)", symbol: "cross", says: name || "unknown" };
A.symbol = (svg, name, size) => svg.append("path").attr({ d: d3.svg.symbol().type(A.class(name).symbol).size(size || 64)(), fill: A.class(name).color });
A.series = (i) => `var(--c${i % 8})`;
