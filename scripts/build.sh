#!/bin/sh
# Configures (once) and builds a preset: release (build/, and its kernels), dev, asan or tsan (build-NAME/). Prints only what went wrong.
set -eu
cd "$(dirname "$0")/.."
preset=${1:-release}
folder=build
[ "$preset" = release ] || folder=build-$preset

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -f "$folder/build.ninja" ]; then
  cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
if [ -t 1 ]; then
  cmake --build --preset "$preset" || exit 1
else
  cmake --build --preset "$preset" >"$log" 2>&1 || { tail -n 60 "$log" >&2; exit 1; }
fi
# The kernels for this processor, so that the first probe measures at once. One that does not compile is that probe's to report.
[ "$preset" != release ] || build/assay probe --build-only --quiet >"$log" 2>&1 || cat "$log" >&2
