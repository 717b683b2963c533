#!/usr/bin/env python3
"""What building assay costs: processor time of each file, and of all against another commit.

Each build is clean, without ccache, in a temporary folder. Wall time says little on a machine with other work; user time
drifts less, and builds of two commits take turns.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def launch(log, command):
    """Stands before each compilation and link: runs it, and adds a line to the log."""
    code = subprocess.call(command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = command[command.index("-o") + 1] if "-o" in command else command[-1]
    line = json.dumps({"output": output, "compile": "-c" in command or "c++-header" in command,
                       "user": used.ru_utime, "system": used.ru_stime}) + "\n"
    with open(log, "a") as file:
        file.write(line)
    return code


class Build:
    """One clean build of a source tree."""

    def __init__(self, source, options):
        with tempfile.TemporaryDirectory(prefix="assay-build-time-", dir=options.temporary) as folder:
            self.measure(source, folder, options)

    def measure(self, source, folder, options):
        log, build = os.path.join(folder, "log"), os.path.join(folder, "build")
        launcher = ";".join([sys.executable, "-S", "-E", os.path.abspath(__file__), "--launch", log])
        environment = {k: v for k, v in os.environ.items() if not k.endswith("_COMPILER_LAUNCHER")}
        environment["CCACHE_DISABLE"] = "1"
        cmake = ["cmake", "--preset", options.preset, "-B", build, "-DCMAKE_CXX_LINKER_LAUNCHER=" + launcher]
        cmake += ["-DCMAKE_%s_COMPILER_LAUNCHER=%s" % (language, launcher) for language in ("C", "CXX")] + options.define
        run(cmake, source, environment)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        targets = ["--target"] + options.target if options.target else []
        run(["cmake", "--build", build, "-j", str(options.jobs)] + targets, source, environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.wall = time.monotonic() - began
        self.user, self.system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
        self.files, self.links = {}, {}
        with open(log) as file:
            for line in map(json.loads, file):
                to = self.files if line["compile"] else self.links
                to[name_of(line["output"])] = line["user"] + line["system"]


def run(command, folder, environment):
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit("build_time: %s failed:\n%s" % (" ".join(command), done.stdout[-6000:]))


def name_of(output):
    """"src/cli/CMakeFiles/assay.dir/main.cpp.o" is src/cli/main.cpp."""
    parts = os.path.normpath(output).split(os.sep)
    if "CMakeFiles" in parts:
        at = parts.index("CMakeFiles")
        target = parts[at + 1].removesuffix(".dir")
        is_header = parts[-1].endswith(".gch")
        parts = parts[:at] + (["precompiled header of " + target] if is_header else parts[at + 2:])
    return "/".join(parts).removesuffix(".o")


def report(build, title, top):
    print("\n%s: user %.1f s, system %.1f s, wall %.1f s; %d files, %d links" %
          (title, build.user, build.system, build.wall, len(build.files), len(build.links)))
    folders = {}
    for name, cost in build.files.items():
        folders.setdefault(os.path.dirname(name), []).append(cost)
    folders["(linking)"] = list(build.links.values())
    print("%9s %6s  %s" % ("CPU s", "files", "folder"))
    for folder, costs in sorted(folders.items(), key=lambda each: -sum(each[1])):
        print("%9.1f %6d  %s" % (sum(costs), len(costs), folder))
    print("%9s  %s" % ("CPU s", "the dearest files" if top else "file"))
    for name, cost in sorted(build.files.items(), key=lambda each: -each[1])[:top or None]:
        print("%9.2f  %s" % (cost, name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="release", help="of CMakePresets.json (default: %(default)s)")
    parser.add_argument("--against", metavar="COMMIT", help="build this commit as well, in turns, and print the ratio")
    parser.add_argument("--rounds", type=int, default=1, help="builds of each side (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="compilations at once; one at a time disturbs itself least")
    parser.add_argument("--target", nargs="+", default=[], help="these alone, e.g. assay")
    parser.add_argument("--define", nargs="+", default=[], metavar="NAME=VALUE", help="further CMake variables")
    parser.add_argument("--all", action="store_true", help="every file, not the twenty dearest alone")
    parser.add_argument("--temporary", metavar="FOLDER", help="where the builds go (default: the system's)")
    options = parser.parse_args()
    options.define = ["-D" + each for each in options.define]
    top = 0 if options.all else 20

    sides = [["here", ROOT, []]]
    other = None
    if options.against:
        other = tempfile.mkdtemp(prefix="assay-against-", dir=options.temporary)
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", "--force", other, options.against], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sides.append([options.against, other, []])
    try:
        for turn in range(options.rounds):
            for name, source, builds in sides if turn % 2 == 0 else reversed(sides):
                builds.append(Build(source, options))
                print("%s: user %.1f s, wall %.1f s" % (name, builds[-1].user, builds[-1].wall), flush=True)
    finally:
        if other:
            subprocess.call(["git", "-C", ROOT, "worktree", "remove", "--force", other])
            shutil.rmtree(other, ignore_errors=True)
    for name, _, builds in sides:
        report(sorted(builds, key=lambda build: build.user)[len(builds) // 2], name, top)
    if other:
        ratios = [a.user / b.user for a, b in zip(sides[0][2], sides[1][2])]
        print("\nuser time here over %s: %.3f (median of %d)" % (options.against, statistics.median(ratios), len(ratios)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--launch"]:
        sys.exit(launch(sys.argv[2], sys.argv[3:]))
    main()
