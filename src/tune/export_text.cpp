// The Makefile and the README of an export.
#include "tune/export_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/joined.h"

namespace assay {
namespace {

std::string object_of(const ExportedKernel& kernel, const char* extension) {
  return "build/" + kernel.file.substr(0, kernel.file.rfind('.')) + extension;
}

std::string hash_comment(const std::string& lines) {
  std::string text = "# ";
  for (const char c : lines) text += c == '\n' ? std::string("\n# ") : std::string(1, c);
  return text + "\n";
}

constexpr char kCommonRules[] = R"(
build/%.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) -std=c11 $(CFLAGS) $(CPPFLAGS) -I. -c -o $@ $<

build/libdropin.a: $(OBJECTS)
	@rm -f $@
	ar rcs $@ $(OBJECTS)

build/tests: build/test/test.o build/libdropin.a
	$(CXX) -o $@ $^ $(LDLIBS)

test: build/tests
	build/tests

clean:
	rm -rf build
.PHONY: all test example clean
)";

}  // namespace

std::string date_text(int64_t unix_seconds) {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time_t(unix_seconds)));
}

std::string measured_text(const ExportRequest& request, const Winner& w) {
  std::string text = fmt::format("median {:.2f} us", w.median_us);
  if (w.percent_of_floor > 0) text += fmt::format(", {:.1f} % of the floor", w.percent_of_floor);
  text += fmt::format(", accuracy {}; on {} ({}), {}, by {}", accuracy_name(w.variant->accuracy), request.device.id,
                      request.device.name, date_text(w.record.measured_at), request.measured_by(w.record));
  return text;
}

std::string cpu_makefile(const std::vector<ExportedKernel>& kernels, const std::string& provenance) {
  std::string objects = "build/dropin.o build/dropin_choose.o build/dropin_tables.o", rules;
  for (const ExportedKernel& kernel : kernels) {
    const std::string object = object_of(kernel, ".o");
    objects += " \\\n  " + object;
    rules += fmt::format("\n{}: {} $(KERNELS)\n\t@mkdir -p $(@D)\n\t$(CXX) {} -c -o $@ {}\n", object, kernel.file,
                         joined(kernel.flags, " "), kernel.file);
  }
  return hash_comment(provenance) +
         "# make: build/libdropin.a, to link with -lpthread -lm and the C++ library.  make test: checks every kernel.\n"
         "CXX = g++\nCFLAGS = -O2 -Wall -Wextra\nLDLIBS = -lpthread -lm\n"
         "HEADERS = $(wildcard *.h test/*.h kernels/*.h)\nKERNELS = $(wildcard kernels*/*)\nOBJECTS = " +
         objects + "\n\nall: build/libdropin.a\n" + kCommonRules + rules +
         "\nbuild/example: build/example.o build/libdropin.a\n\t$(CXX) -o $@ $^ $(LDLIBS)\nexample: build/example\n"
         "\tbuild/example\n";
}

std::string cuda_makefile(const std::vector<ExportedKernel>& kernels, const std::string& provenance) {
  std::string objects = "build/dropin.o build/dropin_choose.o build/dropin_geometry.o build/dropin_tables.o", rules;
  for (const ExportedKernel& kernel : kernels) {
    const std::string image = object_of(kernel, ".cubin.c");
    const std::string object = object_of(kernel, ".cubin.o"), flags = joined(kernel.flags, " ");
    objects += " \\\n  " + object;
    rules += fmt::format(
        "\n{0}: {1} build/compile $(KERNELS)\n\t@mkdir -p $(@D)\nifdef NVCC\n\t$(NVCC) -cubin {2} -o {0}ubin {1}\n"
        "\tbuild/compile {0}ubin {3}_image $@\nelse\n\tbuild/compile {1} {3}_image $@ {2} -I$(CUDA_HOME)/include\n"
        "endif\n\n{4}: {0}\n\t$(CC) -std=c11 -c -o $@ $<\n",
        image, kernel.file, flags, kernel.symbol, object);
  }
  return hash_comment(provenance) +
         "# make: build/libdropin.a, to link with -ldl -lm.  make test: checks every kernel on the first GPU.\n"
         "# Device code is compiled by NVRTC of CUDA_HOME, as it was measured; make NVCC=nvcc takes nvcc instead.\n"
         "CUDA_HOME ?= /usr/local/cuda\nexport CUDA_HOME\nCXX = $(CC)\nCFLAGS = -O2 -Wall -Wextra\n"
         "CPPFLAGS = -I$(CUDA_HOME)/include\nLDLIBS = -ldl -lm\n"
         "HEADERS = $(wildcard *.h test/*.h kernels/*.h)\nKERNELS = $(wildcard kernels*/*)\nOBJECTS = " +
         objects + "\n\nall: build/libdropin.a\n" + kCommonRules +
         "\nbuild/compile: tools/compile.c\n\t@mkdir -p $(@D)\n"
         "\t$(CC) -std=gnu11 $(CFLAGS) $(CPPFLAGS) -o $@ $< -ldl\n" +
         rules;
}

namespace {

constexpr char kCpuUse[] = R"(```c
#include "dropin.h"                                   // C11 and C++; link build/libdropin.a -lpthread -lm
dropin_team* team = dropin_team_start(8);             // once
dropin_call call;
dropin_begin(&call, dropin_find(op, &sizes, DROPIN_F16, DROPIN_F16, DROPIN_F16, NULL));  // its operands, dense
dropin_operand(&call, DROPIN_A, 0)->data = x;         // … B, D, and what else the spec has
const dropin_spec* spec = dropin_choose(&call, NULL); // NULL: nothing here can run it
dropin_run(spec, &call, team);                        // after dropin_workspace_bytes, dropin_prepared_bytes, _prepare
```
)";
constexpr char kCudaUse[] = R"(```c
#include "dropin.h"                                   // C11 and C++; link build/libdropin.a -ldl -lm
dropin_call call;                                     // with a current CUDA context
dropin_begin(&call, dropin_find(op, &sizes, DROPIN_F16, DROPIN_F16, DROPIN_F16, NULL));  // its operands, dense
dropin_operand(&call, DROPIN_A, 0)->data = x;         // … B, D, and what else the spec has: addresses of the device
const dropin_spec* spec = dropin_choose(&call, NULL); // NULL: nothing here can run it
dropin_run(spec, &call, stream);                      // after dropin_workspace_bytes, dropin_prepared_bytes, _prepare
```
)";

}  // namespace

std::string export_readme(const ExportRequest& request, const Winners& winners,
                          const std::vector<ExportedKernel>& kernels, const std::vector<ExportedSpec>& specs) {
  const bool is_cpu = request.device.backend == "cpu";
  std::string text = fmt::format(
      "# Kernels for {}\n\nExported by {} on {}. Nothing here needs assay.\n\n`make test` builds all of it and checks "
      "every kernel{}. In an engine:\n\n{}\n{} `prepare` repacks weights once; specs whose `storage` is equal share "
      "what it makes. Fused outputs are segments. Other shapes: `dropin_resize` an operand, then `dropin_choose`.\n\n",
      request.device.name, request.program, request.date, is_cpu ? "" : " on the first GPU",
      is_cpu ? kCpuUse : kCudaUse, is_cpu ? "`example.c` is a whole program." : "`test/test.c` is a whole program.");
  text += "| spec | kernel | median us | % of floor | prepares |\n|---|---|---|---|---|\n";
  for (const ExportedSpec& spec : specs) {
    const Winner& w = *spec.winner;
    std::string line;
    for (const char c : w.spec.line()) line += c == '|' ? "\\|" : std::string(1, c);
    text +=
        fmt::format("| `{}` | [{}]({}) | {:.2f} | {:.1f} | {} |\n", line, w.variant->id(), kernels[spec.kernel].file,
                    w.median_us, w.percent_of_floor, w.variant->prepares ? w.variant->storage : "");
  }
  for (const ExportedSpec& spec : specs)
    for (const std::string& note : spec.winner->notes)
      text += fmt::format("\nNote on {}, {}: {}.\n", spec.winner->spec.short_name(), spec.winner->variant->id(), note);
  for (const std::string& line : winners.left_out) text += fmt::format("\nNot exported: {}.\n", line);
  return text +
         fmt::format("\nTimes are of {}. Each file in `winners/` says what it is built with.\n", request.device.name);
}

}  // namespace assay
