# The report page in a real browser: its numbers are those of its JSON, sorting, filtering and hovering work, nothing is
# said on the console, and nothing is wider than the screen. Usage: checks.py PAGE [STEP ...]; exit code 1 names what is wrong.
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
import browser

wrong = []


def expect(holds, what):
    if not holds:
        wrong.append(what)


def number_of(text):
    """What a cell shows, as a number; None where it shows none."""
    found = re.fullmatch(r"(-?[\d,]*\.?\d+(?:e[+-]?\d+)?)", text.strip())
    return float(found[1].replace(",", "")) if found else None


def near(shown, value):
    return shown is not None and abs(shown - value) <= 0.006 * max(abs(value), 0.01)


def rows_of(page, table):
    return page.ask(f"""[...document.querySelectorAll('#table-{table} tbody tr')].map(
        (tr) => [tr.dataset.row].concat([...tr.cells].map((td) => td.textContent)))""")


def titles_of(page, table):
    return page.ask(f"[...document.querySelectorAll('#table-{table} thead th')].map((th) => th.textContent)")


def type_into(page, selector, text):
    page.ask(f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(text)};
        e.dispatchEvent(new Event('input', {{bubbles: true}})); }})()""")


def quiet(page, when):
    expect(not page.console, f"{when}: the console says {page.console}")
    expect(not page.ask("A.failed"), f"{when}: pictures failed: {page.ask('A.failed')}")
    wide = page.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    expect(wide <= 0, f"{when}: the page is {wide} pixels wider than the screen")


def names(page, when):
    """Each picture, button and choice has a name for those who do not see it."""
    for what, selector in (("picture", ".plot svg"), ("mark", ".mark")):
        without = page.ask(f"[...document.querySelectorAll('{selector}')].filter((e) => !e.getAttribute('aria-label')).length")
        expect(without == 0, f"{when}: {without} of kind {what} have no name")
    without = page.ask("[...document.querySelectorAll('button')].filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label'))).length")
    expect(without == 0, f"{when}: {without} buttons have no name")
    without = page.ask("[...document.querySelectorAll('select, input')].filter((e) => !e.labels.length).length")
    expect(without == 0, f"{when}: {without} choices have no label")
    stops = page.ask("[...document.querySelectorAll('.plot svg')].filter((s) => s.querySelectorAll('[tabindex=\"0\"]').length > 1).length")
    expect(stops == 0, f"{when}: {stops} pictures are more than one stop of the tab key")


def frameworks(page, data):
    """Every cell of opbench that was run has its row and its bar; a framework that is not here has none."""
    for i, results in enumerate(data["opbench"]):
        cells = [c for c in results["results"]["cells"] if c["outcome"] != "not here"]
        marks = page.ask("[...document.querySelectorAll('#part-opbench .mark')].map((e) => e.getAttribute('aria-label'))")
        for cell in cells:
            expect(any(cell["row"] in m and cell["framework"] in m for m in marks), f"no bar of {cell['framework']} for {cell['row']}")
        expect(len(marks) >= len(cells) and not any("not here" in m for m in marks), f"{len(marks)} bars of {len(cells)} cells")


def numbers(page, data):
    """Cells of the table of cases against the JSON, and the headline."""
    page.ask("document.querySelector('#part-cases button.more:not([hidden])')?.click()")
    section = data["stores"]["sections"][0]
    keys = {c["title"]: i for i, c in enumerate(section["cases"]["columns"])}
    titles, rows, compared = titles_of(page, "cases"), rows_of(page, "cases"), 0
    expect(len(rows) == len(section["cases"]["rows"]), f"{len(rows)} rows of {len(section['cases']['rows'])} cases")
    for row in rows:
        known = section["cases"]["rows"][int(row[0])]
        for title, shown in zip(titles, row[1:]):
            value = known[keys[title]]
            if isinstance(value, (int, float)) and title != "measured at":
                compared += 1
                expect(near(number_of(shown), value), f"case {row[0]}: {title} is {value}, the page shows {shown}")
            elif isinstance(value, str):
                expect(shown == value, f"case {row[0]}: {title} is {value!r}, the page shows {shown!r}")
    expect(compared > 0, "no number of a case was compared")
    if section["workloads"]:
        total = section["workloads"][0]["total_ms"]
        expect(page.ask("Number(document.getElementById('headline').dataset.total)") == total, "the headline is not the workload's total")
    return compared


def sorting(page, file):
    page.open(file)
    titles = titles_of(page, "cases")
    at = titles.index("us") + 1
    for direction in ("descending", "ascending"):
        page.point_at(f"#table-cases thead th:nth-child({at}) button", click=True)
        expect(page.ask(f"document.querySelector('#table-cases thead th:nth-child({at})').getAttribute('aria-sort')") == direction, f"a click does not sort {direction}")
        shown = [v for v in (number_of(row[at]) for row in rows_of(page, "cases")) if v is not None]
        expect(len(shown) > 2 and shown == sorted(shown, reverse=direction == "descending"), f"rows are not {direction}: {shown}")
    state = page.ask("location.hash").lstrip("#")
    expect("sort.cases=median_us.up" in state, f"the link does not keep the order: {state}")
    page.open(file, state)
    again = [v for v in (number_of(row[at]) for row in rows_of(page, "cases")) if v is not None]
    expect(again == shown, "a link with its order shows another one")


def filtering(page, file):
    page.open(file)
    everything = len(rows_of(page, "cases"))
    type_into(page, "#filter-cases", "naive")
    kept = rows_of(page, "cases")
    expect(0 < len(kept) < everything and all(any("naive" in cell for cell in row) for row in kept), f"the filter keeps {len(kept)} of {everything}")
    state = page.ask("location.hash").lstrip("#")
    page.open(file, state)
    expect(len(rows_of(page, "cases")) == len(kept), f"the link {state} does not keep the filter")
    type_into(page, "#filter-cases", "us>5 -naive")
    at = titles_of(page, "cases").index("us") + 1
    for row in rows_of(page, "cases"):
        expect(number_of(row[at]) > 5 and not any("naive" in cell for cell in row), f"us>5 -naive keeps {row}")
    type_into(page, "#filter-cases", "nothing has this")
    expect(rows_of(page, "cases") == [], "a filter that nothing meets keeps rows")


def hovering(page, file):
    page.open(file)
    for picture in ("token", "roofline", "spec", "heat"):
        mark = f"#part-{picture} .mark"
        if not page.ask(f"!!document.querySelector('{mark}')"):
            continue
        page.point_at(mark)
        expect(not page.ask("document.getElementById('tip').hidden"), f"{picture}: the pointer shows no tip")
        first = page.ask(f"document.querySelector('{mark}').getAttribute('aria-label').split(',')[0]")
        expect(first in page.ask("document.getElementById('tip').textContent"), f"{picture}: the tip does not name {first}")
    page.key("Escape")
    expect(page.ask("document.getElementById('tip').hidden"), "Escape does not put the tip away")


def keyboard(page, file):
    page.open(file)
    page.ask("document.querySelector('#part-roofline .mark').focus()")
    expect(not page.ask("document.getElementById('tip').hidden"), "focus shows no tip")
    page.key("ArrowRight")
    expect(page.ask("[...document.querySelectorAll('#part-roofline .mark')].indexOf(document.activeElement)") == 1, "the arrow does not go to the next mark")
    page.key("Enter")
    expect("spec=" in page.ask("location.hash") or page.ask("A.spec() === A.section().specs[0]"), "Enter does not choose the spec")
    page.key("Tab")
    expect(page.ask("!document.activeElement.closest('#part-roofline svg')"), "the tab key does not leave the picture")
    page.ask("document.getElementById('theme').click()")
    expect(page.ask("document.documentElement.dataset.theme") == "light", "the button does not change the colours")


def run(page, data):
    """What a trace gives."""
    decode = data["traces"][0]["accounting"]["stretches"]["decode"]
    shown = page.ask("document.querySelector('#part-account .big b').textContent")
    expect(near(number_of(shown.split()[0]), decode["wall_us_per_token"] / (1000 if "ms" in shown else 1)), f"a decoded token is shown as {shown}")
    rows = page.ask("(document.querySelector('#part-order button.more:not([hidden])')?.click(), document.querySelectorAll('#table-order tbody tr').length)")
    slices = [s for s in data["traces"][0]["one_token"]["slices"] if s[0] != "buffer"]
    expect(rows == len(slices), f"{rows} rows of {len(slices)} kernels in order")
    before = page.ask("document.querySelectorAll('#part-order .mark').length")
    page.ask("for (let i = 0; i < 3; ++i) document.querySelector('#part-order .tools button').click()")
    expect("order.range=" in page.ask("location.hash") and page.ask("document.querySelectorAll('#part-order .mark').length") <= before, "+ does not look closer")


def printed(page, file):
    """On paper nothing is cut at the right, and tables have all their rows."""
    page.resize(1280, 900)
    page.open(file)
    page.send("Emulation.setEmulatedMedia", media="print")
    page.resize(700, 900)
    page.ask("dispatchEvent(new Event('beforeprint'))")
    wide = page.ask("""[...document.querySelectorAll('table, .plot svg')].filter((e) => e.getBoundingClientRect().right > 701)
        .map((e) => e.id || e.getAttribute('aria-label'))""")
    expect(not wide, f"on paper these are cut: {wide}")
    hidden = page.ask("[...document.querySelectorAll('button.more:not([hidden])')].length")
    expect(hidden == 0, f"on paper {hidden} tables lack rows")
    page.send("Emulation.setEmulatedMedia", media="")


def main(file):
    text = open(file, encoding="utf-8").read()
    begin = '<script type="application/json" id="data">'
    data = json.loads(text.split(begin, 1)[1].split("</script>", 1)[0])
    has_stores = bool(data["stores"]["sections"])
    with browser.Browser(patience=300) as page:
        for width in (1280, 400):
            page.resize(width, 900)
            ready = page.open(file)
            print(f"{width} pixels: ready after {ready:.0f} ms, {len(text) / 1e6:.2f} MB")
            quiet(page, f"{width} pixels")
            names(page, f"{width} pixels")
            if has_stores:
                print(f"  {numbers(page, data)} numbers compared")
                for check in (sorting, filtering, hovering, keyboard):
                    check(page, file)
            if data["traces"]:
                page.open(file)
                run(page, data)
            frameworks(page, data)
            quiet(page, f"{width} pixels, after all checks")
        printed(page, file)
        page.resize(1280, 900, dark=True)
        page.open(file)
        ground = page.ask("getComputedStyle(document.body).backgroundColor")
        expect(sum(int(v) for v in re.findall(r"\d+", ground)[:3]) < 200, f"where the system is dark the ground is {ground}")
        for none in page.ask("[...document.querySelectorAll('.none')].map((e) => e.textContent)"):
            expect(len(none) > 20, f"a picture without data does not say why: {none!r}")
    for what in wrong:
        print("wrong:", what)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
