#!/bin/sh
# Runs from an unpacked bundle on a machine with an NVIDIA GPU, without a network: devices, the laws of a GPU, self-test, the whole sweep twice,
# every kernel on awkward shapes; tables to a folder. Two more steps, when named: memcheck of the same walk
# (6 minutes), and racecheck of each of our variants on a few of its shapes.
# Usage: gpu_check.sh RESULTS [DEVICE [STEPS]]. Exit 1 if a check failed; the tables are written all the same.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
results=${1:?usage: gpu_check.sh RESULTS [DEVICE [STEPS]]}
device=${2:-cuda:0}
steps=${3:-devices laws programs selftest sweep again compare cross_backend}
mkdir -p "$results"
assay=$root/build/assay
store=$results/results.sqlite
failed=0

step() {
  name=$1
  shift
  case " $steps " in *" $name "*) ;; *) return 0 ;; esac
  echo "== $*"
  began=$(date +%s)
  code=0
  "$@" >"$results/$name.txt" 2>"$results/$name.log" || code=$?
  [ $code -eq 0 ] || { failed=1; echo "failed (exit $code), its last lines:"; tail -n 5 "$results/$name.log"; tail -n 3 "$results/$name.txt"; }
  echo "$name: $(($(date +%s) - began)) s"
}

{
  echo "commit: $(cat "$root/COMMIT")"
  echo "date: $(date -u +%F)"
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv 2>/dev/null
} >"$results/machine.txt"
step devices "$assay" devices --device "$device" --store "$store"
step laws env ASSAY_TEST_DEVICE="$device" "$root/build/cuda_device_test"
step programs "$root/build/program_bench" "$device" 200
step selftest "$assay" selftest --device "$device"
step sweep "$assay" probe --device "$device" --store "$store" --markdown "$results/tables.tmp" --csv "$results/sweep.csv"
if [ -s "$results/tables.tmp" ]; then  # a table says where, when and of what it is
  { sed 's/^/    /' "$results/machine.txt"; echo; cat "$results/tables.tmp"; } >"$results/sweep.md"
  rm "$results/tables.tmp"
fi
step again "$assay" probe --device "$device" --store "$results/again.sqlite" --quiet
step compare "$assay" compare "$store" "$results/again.sqlite"
step cross_backend env ASSAY_TEST_DEVICE="$device" "$root/build/cross_backend_test"
# compute-sanitizer: failed look-ups of entries that need not be there are no memory errors.
walk="--target-processes all --error-exitcode 1 $root/build/cross_backend_test --gtest_filter=*EveryEnabledVariant*"
# shellcheck disable=SC2086
step memcheck env ASSAY_TEST_DEVICE="$device" compute-sanitizer --tool memcheck --report-api-errors no $walk
# shellcheck disable=SC2086
step racecheck env ASSAY_TEST_DEVICE="$device" ASSAY_TEST_SHAPES="${ASSAY_TEST_SHAPES:-2}" compute-sanitizer --tool racecheck $walk
cat "$results/machine.txt"
exit $failed
