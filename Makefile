# The commands of this checkout; each works on a fresh Debian 12, as root or with sudo.
.PHONY: setup build probe demo loop opbench test check gpu-check format clean

JOBS ?= $(shell nproc)

setup:
	@scripts/setup.sh

build: setup
	@scripts/build.sh release

# The main job: every Qwen2.5-0.5B decode shape with its fastest proved kernel on this CPU.
probe: build
	@build/assay probe

# A model answers, a larger one's speed beside the memory's limit, its trace, its specs probed: a few minutes, offline after setup.
demo: build
	@scripts/demo.sh

# A model of that shape runs with a trace, its specs are probed, tune makes a table, it runs again: one page of text, a few minutes.
loop: build
	@scripts/loop.sh

# 21 operations by LibTorch, oneDNN and our own code. Installs LibTorch (Debian's libtorch-dev, 163 packages) and builds its adapter.
opbench: setup
	@scripts/setup.sh libtorch-dev
	@cmake --preset release >/dev/null
	@scripts/build.sh release
	@cmake --build --preset release --target opbench_modules opbench_cuda
	@build/assay opbench

# Everything that needs no GPU: -Werror build, layer rule, unit tests, the self-test of the checks.
test: setup
	@scripts/check.sh test

# test, and the report page in a browser, sanitizers, fuzzers, the A/A check.
check: setup
	@scripts/setup.sh chromium
	@scripts/check.sh check

# A bundle for a machine with an NVIDIA GPU and no network, with one script that checks and measures there (and here, if there is one).
gpu-check: setup
	@scripts/gpu_bundle.sh

format:
	@git ls-files '*.cpp' '*.h' | grep -v '^docs/examples' | xargs clang-format -i -style=file

clean:
	rm -rf build build-dev build-asan build-tsan build-portable
