#!/bin/sh
# Builds every tests/fuzz/*_fuzz.cpp with libFuzzer, ASan and UBSan, and runs each for so many seconds (default 60).
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
command -v clang++ >/dev/null || { echo "fuzz: needs clang++ (apt-get install clang libclang-rt-14-dev)" >&2; exit 1; }
mkdir -p build-fuzz/objects
sources=$(ls src/base/*.cpp src/spec/*.cpp src/stats/*.cpp src/model/*.cpp src/store/*.cpp src/trace/*.cpp \
  src/analysis/*.cpp src/audit/*.cpp src/kernel/*.cpp src/backend/device.cpp src/measure/ranking_samples.cpp \
  src/probe/ranking.cpp src/report/*.cpp tests/fuzz/*_fuzz.cpp)
flags="-std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -Isrc"
# Each source once, for all fuzzers; the name of its object is that of its path.
echo "fuzz: compiling"
echo "$sources" | tr ' ' '\n' | FLAGS=$flags xargs -P "$(nproc)" -I SOURCE sh -c '
  clang++ $FLAGS -fsanitize=fuzzer-no-link -c SOURCE -o "build-fuzz/objects/$(echo SOURCE | tr / .).o"'
for fuzz in tests/fuzz/*_fuzz.cpp; do
  name=$(basename "$fuzz" .cpp)
  # shellcheck disable=SC2046,SC2086
  clang++ $flags -fsanitize=fuzzer "build-fuzz/objects/tests.fuzz.$name.cpp.o" $(ls build-fuzz/objects/src.*.o) \
    -lfmt -lsqlite3 -lmuparser -lsimdjson -lz -lzstd -lpcre2-8 -o "build-fuzz/$name"
  mkdir -p "build-fuzz/$name.corpus"
  echo "fuzz: $name for $seconds s"
  "build-fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=2048 -print_final_stats=0 "build-fuzz/$name.corpus" \
    >"build-fuzz/$name.log" 2>&1 || {
    tail -n 40 "build-fuzz/$name.log" >&2
    exit 1
  }
done
