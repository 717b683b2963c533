#!/bin/sh
# Who may include whom: base < spec stats < kernel backend store trace < probe engine opbench < report < tune < cli.
# Backends never include each other, and vendor headers stay inside their backend's folders. What measures, keeps and shows names no GPU API.
set -eu
cd "$(dirname "$0")/.."

if git ls-files src/probe src/store src/report | xargs grep -n -i -E 'cuda|nvidia|cubin|vulkan' /dev/null; then
  echo "src/probe, src/store and src/report must not know of a GPU API: put it behind src/backend/device.h" >&2
  exit 1
fi

git ls-files 'src/*.h' 'src/*.cpp' 2>/dev/null | xargs grep -n '^#include' /dev/null | awk -F: '
function rank(folder) {
  if (folder == "base") return 0
  if (folder ~ /^(spec|stats)$/) return 1
  if (folder ~ /^(kernel|store|trace)$/) return 2
  if (folder ~ /^backend/) return 3          # a backend loads what src/kernel built
  if (folder ~ /^(probe|engine|opbench)$/) return 4
  if (folder == "report") return 5           # shows what a probe ranked
  if (folder == "tune") return 6
  if (folder == "cli") return 7
  return -1
}
{
  split($1, path, "/"); from = path[2]
  backend = (from == "backend" && path[4] != "") ? path[3] : ""
  if (match($3, /"[^"]+"/)) {
    target = substr($3, RSTART + 1, RLENGTH - 2); n = split(target, to, "/")
    if (n < 2 || rank(to[1]) < 0) next
    other = (to[1] == "backend" && n > 2) ? to[2] : ""
    bad = rank(to[1]) > rank(from) || (rank(to[1]) == rank(from) && to[1] != from)
    if (from == "backend" && other != "" && other != backend) bad = 1
    if (from != "backend" && from != "cli" && other != "") bad = 1
    if (bad) { print $1 ":" $2 ": " from (backend ? "/" backend : "") " may not include \"" target "\""; found = 1 }
  } else if ($3 ~ /<(cuda|nvrtc|cublas|vulkan|dnnl|cblas|openblas)/ && backend == "") {
    print $1 ":" $2 ": a vendor header outside its backend: " $3; found = 1
  }
}
END { exit found }'
