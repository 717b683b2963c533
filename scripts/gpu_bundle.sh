#!/bin/sh
# Makes build-portable/bundle.tar.gz: assay and its tests of devices for any x86-64-v3 machine with an NVIDIA GPU and a CUDA toolkit, their
# libraries beside them, and one script that checks and measures there without a network. Where this machine has a GPU it runs that script.
set -eu
cd "$(dirname "$0")/.."
scripts/build.sh portable
cmake --build --preset portable --target opbench_cuda
bundle=build-portable/bundle
rm -rf "$bundle"
mkdir -p "$bundle/build/lib" "$bundle/kernels" "$bundle/tests/mutants" "$bundle/bench"

[ -x build-portable/assay-nvrtc ] || { echo "gpu-check: built without CUDA headers; install a CUDA toolkit and run cmake --preset portable again" >&2; exit 1; }
cp build-portable/assay build-portable/assay-nvrtc build-portable/tests/cross_backend_test build-portable/tests/cuda_device_test build-portable/bench/program_bench "$bundle/build/"
strip "$bundle"/build/assay "$bundle"/build/assay-nvrtc "$bundle"/build/*_test "$bundle"/build/program_bench
# For bench/gpu_opbench.sh: modules of opbench, and the source of the one that is built against that machine's torch.
mkdir -p "$bundle/build/opbench" "$bundle/src/opbench"
cp build-portable/opbench/assay_c* build-portable/opbench/ceiling* "$bundle/build/opbench/"
cp -r src/opbench/framework.h src/opbench/operations.h src/opbench/cuda src/opbench/torch_cpu src/opbench/torch_cuda "$bundle/src/opbench/"
# The system's own C library and loader stay the other machine's.
ldd "$bundle"/build/assay "$bundle"/build/assay-nvrtc "$bundle"/build/*_test | awk '$3 ~ /^\// { print $3 }' | sort -u | grep -v -E '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*)\.so' | while read -r library; do
  cp -L "$library" "$bundle/build/lib/"
done
cp -r kernels/cuda kernels/cpu kernels/export "$bundle/kernels/"
cp -r specs tables "$bundle/"  # replay and run look for a default table
[ ! -d tests/mutants/cuda ] || cp -r tests/mutants/cuda "$bundle/tests/mutants/"
cp bench/gpu_check.sh bench/gpu_opbench.sh "$bundle/bench/"
git log -1 --format='%h %cs' >"$bundle/COMMIT"

tar -C "$bundle/.." -czf build-portable/bundle.tar.gz bundle
size=$(($(du -sk "$bundle" | cut -f1) / 1024))
[ "$size" -le 60 ] || { echo "gpu-check: the bundle has $size MB, more than 60" >&2; exit 1; }
echo "bundle: build-portable/bundle.tar.gz, $size MB unpacked"
if build-portable/assay devices --list | grep -q '^cuda:'; then
  exec "$bundle/bench/gpu_check.sh" docs/results/gpu
fi
echo "No NVIDIA GPU here. On a machine that has one: tar xzf bundle.tar.gz && bundle/bench/gpu_check.sh RESULTS, then copy RESULTS to docs/results/."
