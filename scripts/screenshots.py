# Makes the pictures in docs/ from a report page: screenshots.py PAGE [FOLDER]. Light, dark and narrow.
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser

# Name, width, height, dark, the part that it begins with, the state in the link.
PICTURES = [
    ("report-light", 1280, 860, False, "token", "theme=light"),
    ("report-dark", 1280, 860, True, "spec", "theme=dark"),
    ("report-narrow", 400, 860, False, "roofline", "theme=light"),
]


def main(page_file, folder):
    with browser.Browser(patience=300) as page:
        for name, width, height, dark, part, state in PICTURES:
            page.resize(width, height, dark)
            page.open(page_file, state)
            top = page.ask(f"document.getElementById('part-{part}').getBoundingClientRect().y + scrollY - 12")
            file = os.path.join(folder, name + ".png")
            page.picture(file, (0, max(0, top) if part != "token" else 0, width, height))
            print(file, os.path.getsize(file), "bytes")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: screenshots.py PAGE [FOLDER]")
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs"))
