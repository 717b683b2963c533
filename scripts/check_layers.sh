#!/bin/sh
# Who may include whom: a folder of src/ includes lower ranks only, never sideways (docs/ARCHITECTURE.md draws them).
# Backends never include each other, and vendor headers stay inside their backend's folders. What measures, keeps and
# shows names no GPU API. kernels/ and the trace generator include nothing of src/, tests/ and bench/ all but the program.
set -eu
cd "$(dirname "$0")/.."

if git ls-files src/proof src/measure src/probe src/store src/report | xargs grep -n -i -E 'cuda|nvidia|cubin|vulkan' /dev/null; then
  echo "proof, measure, probe, store and report must not know of a GPU API: put it behind src/backend/device.h" >&2
  exit 1
fi

ops=$(sed -n 's/.*\.name = "\([a-z_0-9]*\)".*/\1/p' src/ops/*.cpp | paste -sd'|')
[ -n "$ops" ] || { echo "src/ops names no op" >&2; exit 1; }
# What a model is made of (inspect) and what ceilings are of have words that are ops' as well.
if git ls-files src/measure src/probe src/store src/report | grep -v -e 'src/report/inspect_' -e 'src/measure/ceilings' | xargs grep -n -E "\"($ops)\"" /dev/null; then
  echo "measure, probe, store and report must know no op by name: what they need of it belongs into spec/op.h" >&2
  exit 1
fi

long=$(git ls-files 'src/*.h' 'src/*.cpp' 'tests/*.h' 'tests/*.cpp' 'bench/*.cpp' | xargs wc -l | awk '$2 != "total" && $1 > 400 { print $2 ": " $1 " lines, 400 at most" }')
[ -z "$long" ] || { echo "$long" >&2; exit 1; }

git ls-files 'src/*.h' 'src/*.cpp' 'kernels/*' 'tests/*.h' 'tests/*.cpp' 'bench/*.h' 'bench/*.cpp' 2>/dev/null |
  xargs grep -n '^ *# *include' /dev/null | awk -F: '
function rank(folder) {
  if (folder == "base") return 0
  if (folder ~ /^(spec|stats)$/) return 1
  if (folder ~ /^(ops|model)$/) return 2
  if (folder ~ /^(kernel|store|trace)$/) return 3
  if (folder ~ /^(backend|analysis|audit)$/) return 4  # a backend loads what src/kernel built
  if (folder == "proof") return 5
  if (folder == "measure") return 6
  if (folder ~ /^(probe|engine|opbench)$/) return 7
  if (folder == "report") return 8                     # shows what a probe ranked
  if (folder == "tune") return 9
  if (folder == "cli") return 10
  return -1
}
function complain(what) { print $1 ":" $2 ": " what; found = 1 }
{
  split($1, path, "/"); area = path[1]; from = path[2]
  own = (area == "kernels" || $1 ~ /^tests\/mutants\// || $1 ~ /^bench\/trace_generator\//)
  backend = (area == "src" && from == "backend" && path[4] != "") ? path[3] : ""
  framework = (area == "src" && from == "opbench" && path[4] != "")
  if (match($3, /"[^"]+"/)) {
    target = substr($3, RSTART + 1, RLENGTH - 2); n = split(target, to, "/")
    if (n < 2 || rank(to[1]) < 0) next
    if (own) { complain("only its own folder and the system: not \"" target "\""); next }
    if (area != "src") { if (to[1] == "cli") complain("a test runs the program: not \"" target "\""); next }
    if (rank(from) < 0) { complain("src/" from " has no rank: give it one in scripts/check_layers.sh"); next }
    other = (to[1] == "backend" && n > 2) ? to[2] : ""
    bad = rank(to[1]) > rank(from) || (rank(to[1]) == rank(from) && to[1] != from)
    if (from == "backend" && other != "" && other != backend) bad = 1
    if (from != "backend" && from != "cli" && other != "") bad = 1
    if (bad) complain(from (backend ? "/" backend : "") " may not include \"" target "\"")
  } else if (area == "src" && $3 ~ /<(cuda|nvrtc|cublas|vulkan|dnnl|cblas|openblas|torch\/|ATen\/|c10\/)/ && backend == "" && !framework) {
    complain("a vendor header outside its backend or framework: " $3)
  } else if (area == "src" && $3 ~ /<(nlohmann\/json\.hpp|CLI\/|fmt\/ranges\.h)/ && $1 !~ /^src\/(base\/json|cli\/options)\.cpp$/) {
    complain("a header that costs each source seconds (docs/building.md): " $3)
  }
}
END { exit found }'
