#!/bin/sh
# Configures (once) and builds a preset: release (build/, and its kernels), dev, asan or tsan (build-NAME/). Prints only what went wrong,
# and, where no terminal shows it, every 15 s how far it is.
set -eu
cd "$(dirname "$0")/.."
preset=${1:-release}
folder=build
[ "$preset" = release ] || folder=build-$preset

log=$(mktemp)
watcher=""
trap '[ -z "$watcher" ] || kill "$watcher"; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Its sleep writes nowhere: who reads our output need not wait for it to end.
watch_build() {
  began=$(date +%s)
  while sleep 15 >/dev/null 2>&1; do
    at=$(sed -n 's/^\[\([0-9]*\)\/\([0-9]*\)\].*/\1 of \2/p' "$log" | tail -n 1)
    [ -z "$at" ] || echo "build ($preset): $at files, $(($(date +%s) - began)) s"
  done
}

# make ASSAY_GGML=DIR is remembered until it is given again; ASSAY_GGML= forgets it.
if [ ! -f "$folder/build.ninja" ] || [ -n "${ASSAY_GGML+given}" ]; then
  cmake --preset "$preset" ${ASSAY_GGML+"-DASSAY_GGML=$ASSAY_GGML"} >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
if [ -t 1 ]; then
  cmake --build --preset "$preset" || exit 1
else
  watch_build &
  watcher=$!
  cmake --build --preset "$preset" >"$log" 2>&1 || { tail -n 60 "$log" >&2; exit 1; }
fi
# The kernels for this processor, so that the first probe measures at once. One that does not compile is that probe's to report.
[ "$preset" != release ] || build/assay probe --build-only --quiet >"$log" 2>&1 || cat "$log" >&2
