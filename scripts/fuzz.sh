#!/bin/sh
# Builds every tests/fuzz/*_fuzz.cpp with libFuzzer, ASan and UBSan, and runs each for so many seconds (default 60).
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
command -v clang++ >/dev/null || { echo "fuzz: needs clang++ (apt-get install clang libclang-rt-14-dev)" >&2; exit 1; }
mkdir -p build-fuzz
sources=$(ls src/base/*.cpp src/spec/*.cpp src/stats/*.cpp src/store/*.cpp src/trace/*.cpp src/analysis/*.cpp src/audit/*.cpp src/kernel/*.cpp src/backend/device.cpp src/measure/ranking_samples.cpp src/probe/ranking.cpp src/report/*.cpp)
for fuzz in tests/fuzz/*_fuzz.cpp; do
  name=$(basename "$fuzz" .cpp)
  # shellcheck disable=SC2086
  clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Isrc "$fuzz" $sources \
    -lfmt -lsqlite3 -lmuparser -lsimdjson -lz -lzstd -o "build-fuzz/$name"
  mkdir -p "build-fuzz/$name.corpus"
  echo "fuzz: $name for $seconds s"
  "build-fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=2048 -print_final_stats=0 "build-fuzz/$name.corpus" >"build-fuzz/$name.log" 2>&1 || {
    tail -n 40 "build-fuzz/$name.log" >&2
    exit 1
  }
done
