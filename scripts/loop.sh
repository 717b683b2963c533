#!/bin/sh
# The loop closed: a model runs with a trace, its specs are probed, tune makes a table, the model runs again. One page
# of text, FOLDER/loop.txt. SHAPE and TYPE say which model (assay synth), BUDGET how long tune may take.
set -eu
cd "$(dirname "$0")/.."
assay=${ASSAY:-build/assay}
folder=${FOLDER:-build/loop}
shape=${SHAPE:-qwen2.5-0.5b}
type=${TYPE:-q8_0}
budget=${BUDGET:-60s}
tokens=${TOKENS:-32}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# Results and tables of its own: what this user has tuned before must not be the speed before.
XDG_STATE_HOME=${LOOP_STATE:-$folder/state}
export XDG_STATE_HOME
model=$folder/$shape-$type.gguf
page=$folder/loop.txt
say() { echo "$*" | tee -a "$page"; }
step() { say ""; say "== $*"; }
# An exit code of 1 says that something was found (a slower row), not that it went wrong.
run() { "$assay" "$@" || { code=$?; [ $code -eq 1 ] || exit $code; }; }

# The page gets what the command shows; a pipe would hide that it failed.
show() {
  run "$@" >"$folder/step.txt"
  tee -a "$page" <"$folder/step.txt"
}

tell() {
  run run "$model" --raw -p 'Once upon a time' -n "$tokens" --seed 7 --temperature 0.8 --quiet --trace "$1" >/dev/null
}

: >"$page"
say "The loop on $("$assay" devices --list 2>/dev/null | head -n 1 || true)"
[ -f "$model" ] || run synth --shape "$shape" --type "$type" --out "$model" >/dev/null

step "run with a trace"
tell "$folder/before.jsonl"
show bench "$model" -p 0 -n 16 -d 128 -r 3

step "analyze: where its time went"
show analyze "$folder/before.jsonl" --summary
run analyze "$folder/before.jsonl" --specs-out "$folder/specs.json" >/dev/null

step "probe: its specs, every kernel proved"
run probe --specs "$folder/specs.json" --quiet --format markdown="$folder/probe.md" 2>&1 |
  grep -E '^(Benchmark completed|Workload|  sum)' | tee -a "$page" || true

step "tune: a table, proved in context"
show tune "$model" --budget "$budget" --turns "${TURNS:-10}"

step "run again"
tell "$folder/after.jsonl"
show bench "$model" -p 0 -n 16 -d 128 -r 3
echo
echo "This page: $page"
