#!/bin/sh
# What must hold before a change lands. `test`: everything that needs no GPU. `check`: also sanitizers, fuzzers and the A/A check.
set -eu
cd "$(dirname "$0")/.."
what=${1:-test}

step() { printf '== %s\n' "$*"; }

step "layers: who may include whom"
scripts/check_layers.sh

step "build (dev: -Werror)"
scripts/build.sh dev

step "tests, and the self-test: every kernel that is wrong on purpose is caught"
[ "$what" != check ] || export ASSAY_TEST_ALL_VARIANTS=1
# Four at once, one beside the self-test: most of them wait, or measure on a core (one at a time, by a lock), and no law
# depends on quiet.
ctest --test-dir build-dev --output-on-failure -j 4 --timeout 900 || {
  red=$?
  step "what was wrong, from build-dev/Testing/Temporary/LastTest.log"
  grep -aE -A 4 'NOT OK|: Failure$' build-dev/Testing/Temporary/LastTest.log | head -n 60
  exit "$red"
}
grep 'kernels got what they deserve' build-dev/Testing/Temporary/LastTest.log

[ "$what" = check ] || exit 0

step "benchmarks are built"
cmake --build --preset dev --target benches >/dev/null

for preset in asan tsan; do
  step "tests under $preset"
  scripts/build.sh "$preset"
  # Timing laws do not hold under sanitizers; memory and threads are what is looked at here.
  ctest --test-dir "build-$preset" --output-on-failure -j 1 --timeout 600 -LE timing
done

step "fuzzers, one minute each"
scripts/fuzz.sh 60

step "A/A: the same kernels in two stores must not differ"
scripts/check_aa.sh
