// How fast a vocabulary tokenizes given files, and texts made to be hard: processor time of one thread, way back
// checked.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/gguf_vocabulary.h"
#include "model/token_decoder.h"
#include "model/token_encoder.h"

namespace {

double processor_ms() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e3 + double(time.tv_nsec) / 1e6;
}

struct Text {
  std::string title, text;
};

std::vector<Text> hard_texts() {
  constexpr size_t kMegabyte = 1'000'000;
  std::mt19937 random(1);
  std::string any(kMegabyte, ' '), blank_and_line_end;
  for (char& c : any) c = char(random());
  while (blank_and_line_end.size() < kMegabyte) blank_and_line_end += " \n";
  return {{"one letter", std::string(kMegabyte, 'a')},
          {"blanks", std::string(kMegabyte, ' ')},
          {"blanks, then x", std::string(kMegabyte, ' ') + "x"},
          {"blank, line end …", blank_and_line_end},
          {"random bytes", any}};
}

bool measure(const assay::Tokenizer& tokenizer, const Text& text, int runs) {
  std::vector<double> ms;
  std::vector<assay::Token> tokens;
  for (int i = 0; i < runs; ++i) {
    assay::TokenEncoder fresh(tokenizer);  // nothing is remembered from the run before
    const double began = processor_ms();
    tokens = fresh.encode(text.text);
    ms.push_back(processor_ms() - began);
  }
  std::sort(ms.begin(), ms.end());
  const double began = processor_ms();
  const bool same = assay::decode(tokenizer, tokens) == text.text;
  const double back_ms = processor_ms() - began, megabytes = double(text.text.size()) / 1e6, median = ms[ms.size() / 2];
  fmt::print("{:<24} {:9} tokens  min {:7.1f} ms  median {:7.1f} ms  {:6.1f} MB/s  back {:6.1f} ms{}\n", text.title,
             tokens.size(), ms.front(), median, megabytes / median * 1e3, back_ms, same ? "" : "  NOT THE SAME TEXT");
  return same;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "tokenize_bench MODEL.gguf [TEXT ...]: RUNS (environment) runs of each text, default 11\n");
    return 2;
  }
  const char* asked = std::getenv("RUNS");
  const int runs = asked ? std::max(1, std::atoi(asked)) : 11;
  const double began = processor_ms();
  const auto tokenizer = assay::load_tokenizer(assay::Gguf(argv[1]));
  fmt::print("{}: {} tokens, ready in {:.1f} ms\n", argv[1], tokenizer->size(), processor_ms() - began);
  bool fine = true;
  for (int i = 2; i < argc; ++i) fine = measure(*tokenizer, {argv[i], assay::read_file(argv[i])}, runs) && fine;
  for (const Text& text : hard_texts()) fine = measure(*tokenizer, text, runs) && fine;
  return fine ? 0 : 1;
}
