#!/bin/sh
# Runs assay opbench on the NVIDIA GPU of this machine from an unpacked bundle (scripts/gpu_bundle.sh), without a network: builds torch_cuda
# against the torch that python3 has, then proves and times assay_cuda and torch_cuda. What is given behind RESULTS goes to assay opbench.
# Usage: gpu_opbench.sh RESULTS [--op GLOB …]. Exit code as assay opbench's.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
results=${1:?usage: gpu_opbench.sh RESULTS [options of assay opbench]}
shift
mkdir -p "$results"
torch=$(python3 -c 'import importlib.util; print(importlib.util.find_spec("torch").submodule_search_locations[0])' 2>/dev/null || true)
if [ -n "$torch" ] && [ ! -f "$root/build/opbench/torch_cuda.so" ]; then
  cmake -S "$root/src/opbench/torch_cuda" -B "$root/build/torch_cuda" "-DTORCH=$torch" -DCMAKE_BUILD_TYPE=Release >"$results/build.log" 2>&1 &&
    cmake --build "$root/build/torch_cuda" -j >>"$results/build.log" 2>&1 &&
    cp "$root/build/torch_cuda/torch_cuda.so" "$root/build/opbench/" ||
    { echo "torch_cuda was not built; the end of its log:" >&2; tail -n 15 "$results/build.log" >&2; }
fi
# A torch of this machine needs this machine's C++ library, which runs the program as well if it is the newer one.
newest=$(ls -1 "$root"/build/lib/libstdc++.so.6 /usr/lib/x86_64-linux-gnu/libstdc++.so.6 2>/dev/null |
  while read -r file; do echo "$(grep -ao 'GLIBCXX_3\.4\.[0-9]*' "$file" | sort -V | tail -n 1) $file"; done | sort -V | tail -n 1 | cut -d' ' -f2)
LD_LIBRARY_PATH="$(dirname "$newest"):$root/build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$root/build/assay" opbench --framework '*_cuda' \
  --store "$results/opbench.sqlite" --markdown "$results/opbench.md" --csv "$results/opbench.csv" "$@"
