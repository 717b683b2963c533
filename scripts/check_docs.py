#!/usr/bin/env python3
"""What the documents point to is there: files and headings that they link to, and paths of this repository that they name."""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = {name for name in os.listdir(ROOT) if os.path.isdir(os.path.join(ROOT, name))}


def anchors(text):
    """Of its headings, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.*)$", text, re.M)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title.strip()).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def alternatives(path):
    """a/{b,c}.h: a/b.h, a/c.h."""
    braces = re.search(r"\{([^}]*)\}", path)
    return [path.replace(braces.group(0), part) for part in braces.group(1).split(",")] if braces else [path]


def dead_ends(document):
    text = read(document)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path else document
        if not os.path.exists(target):
            yield f"links to {link}, which is not there"
        elif heading and target.endswith(".md") and heading not in anchors(read(target)):
            yield f"links to {link}, which has no such heading"
    for path in re.findall(r"`((?:src|tests|docs|scripts|kernels|specs|tables|include|bench|demo)/[\w./{},*-]+)`", prose):
        if "NAME" in path or "/results/" in document:  # any name; what there was on that day
            continue
        for each in alternatives(path):
            if not glob.glob(os.path.join(ROOT, each)):
                yield f"names {each}, which is not there"
    for block in re.findall(r"^```.*?^```", text, flags=re.M | re.S):
        for link in re.findall(r"\[[^]\n]*\]\([\w./]+\.md\)", block):
            yield f"has the link {link} in a block that shows it as it is written"


def main():
    documents = [path for folder in sorted(FOLDERS) if not folder.startswith((".", "build"))
                 for path in glob.glob(os.path.join(ROOT, folder, "**/*.md"), recursive=True)]
    documents = [os.path.join(ROOT, "README.md")] + [path for path in documents if "/golden/" not in path]
    bad = [f"{os.path.relpath(path, ROOT)}: {what}" for path in documents for what in dead_ends(path)]
    print("\n".join(bad) if bad else f"{len(documents)} documents: what they point to is there")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
