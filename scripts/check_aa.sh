#!/bin/sh
# A/A: two fresh probes of the same kernels; compare must find no regression.
set -eu
cd "$(dirname "$0")/.."
scripts/build.sh release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for side in a b; do
  build/assay probe --workload '*f16' --shape batch=1 --store "$folder/$side.sqlite" --quiet >/dev/null
done
build/assay compare "$folder/a.sqlite" "$folder/b.sqlite" --threshold 10
