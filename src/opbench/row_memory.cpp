// The memory of one row: drawn inputs, a shared output.
#include "opbench/row_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "measure/worker_process.h"

namespace assay {
namespace {

constexpr int64_t kPlaces = 64, kAlignment = 64;  // of a set's beginning: kPlaces of them, a cache line apart
constexpr int64_t kSlackBytes = kPlaces * kAlignment + 4096;  // the rest is read by nobody who keeps within bounds
constexpr int64_t kDrawnAtOnce = 1 << 16;
constexpr uint64_t kLooked = 61;
constexpr int64_t kPoisonedAtOnce = int64_t(64) << 20;  // between looks for Ctrl-C
constexpr std::byte kGuard{0xa5};
constexpr size_t kHugePage = size_t(2) << 20;
constexpr int kCollapse = 25;  // MADV_COLLAPSE of Linux 6.1; an older one refuses it

float uniform(uint64_t bits) { return float(bits >> 40) * 0x1p-24f; }

float draw(Draw kind, uint64_t bits) {
  const float u = uniform(bits);
  const bool is_rare = (bits & 0xfff) == 0;
  switch (kind) {
    case Draw::symmetric:
      return 2 * u - 1;
    case Draw::positive:
      return 0.5f + u;
    case Draw::probability:
      return is_rare ? float((bits >> 12) & 1) : u;
    case Draw::spread:
      return is_rare ? ((bits >> 12) & 1 ? 40.0f : -40.0f) : 24 * u - 12;
    case Draw::index:
      break;
  }
  check_failed("indices are no floats", __FILE__, __LINE__);
}

void fill(std::byte* data, int64_t elements, const OperationOperand& operand, uint64_t seed) {
  in_parallel((elements + kDrawnAtOnce - 1) / kDrawnAtOnce, [&](int64_t piece) {
    if (interrupted()) return;
    for (int64_t i = piece * kDrawnAtOnce; i < std::min(elements, (piece + 1) * kDrawnAtOnce); ++i) {
      const uint64_t bits = random_bits(seed + uint64_t(i));
      if (operand.type == ValueType::i64)
        reinterpret_cast<int64_t*>(data)[i] = int64_t((bits >> 32) * uint64_t(operand.limit) >> 32);
      else
        reinterpret_cast<float*>(data)[i] = draw(operand.draw, bits);
    }
  });
}

}  // namespace

MappedBlock::MappedBlock(int64_t bytes, bool shared) : bytes_(size_t(bytes)) {
  const size_t pages = (bytes_ + kHugePage - 1) / kHugePage;
  mapped_bytes_ = pages * kHugePage;
  reserved_bytes_ = mapped_bytes_ + kHugePage;
  reserved_ = mmap(nullptr, reserved_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved_ == MAP_FAILED) fail("no memory for {} MB of operands: {}", bytes >> 20, std::strerror(errno));
  // A huge page of shared memory is one both by its address and by its place in that memory.
  data_ = reinterpret_cast<std::byte*>((uintptr_t(reserved_) + kHugePage - 1) / kHugePage * kHugePage);
  const int kind = MAP_FIXED | MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE);
  if (mmap(data_, mapped_bytes_, PROT_READ | PROT_WRITE, kind, -1, 0) == MAP_FAILED) {
    const int why = errno;
    munmap(reserved_, reserved_bytes_);
    fail("no memory for {} MB of operands: {}", bytes >> 20, std::strerror(why));
  }
  if (bytes_ < kHugePage) return;
  madvise(data_, pages * kHugePage, MADV_HUGEPAGE);
  if (!shared) return;
  // Of shared memory the system gives them unasked only where it is set up so; collapsed, small ones become huge
  // anywhere.
  for (size_t page = 0; page < pages && !interrupted(); ++page) {
    data_[page * kHugePage] = std::byte();
    madvise(data_ + page * kHugePage, kHugePage, kCollapse);
  }
}

MappedBlock::~MappedBlock() { munmap(reserved_, reserved_bytes_); }

void MappedBlock::make_read_only() const { mprotect(data_, mapped_bytes_, PROT_READ); }

RowMemory::RowMemory(const OperationRow& row) : row_(row) {
  for (const OperationOperand& operand : row.inputs) {
    const auto& block = inputs_.emplace_back(std::make_unique<MappedBlock>(operand.bytes() + kSlackBytes, false));
    const int64_t size = operand.type == ValueType::i64 ? 8 : 4;
    fill(block->data(), (operand.bytes() + kPlaces * kAlignment) / size, operand,
         random_bits(inputs_.size()) ^ std::hash<std::string>()(row.name));
  }
  output_ = std::make_unique<MappedBlock>(row.output.bytes() + kSlackBytes, true);
  poison_output();
  lay_guard();
}

void RowMemory::protect_inputs() const {
  for (const auto& block : inputs_) block->make_read_only();
}

std::vector<const void*> RowMemory::inputs(uint64_t set) const {
  std::vector<const void*> all;
  for (size_t i = 0; i < inputs_.size(); ++i)
    all.push_back(inputs_[i]->data() + int64_t(random_bits(set * 8 + i) % kPlaces) * kAlignment);
  return all;
}

void RowMemory::poison_output() const {
  for (int64_t at = 0; at < row_.output.bytes() && !interrupted(); at += kPoisonedAtOnce)
    std::memset(output_->data() + at, 0xff, size_t(std::min(kPoisonedAtOnce, row_.output.bytes() - at)));
}

std::vector<int64_t> RowMemory::some_words(uint64_t secret) const {
  const int64_t all = row_.output.bytes() / 4;
  std::vector<int64_t> words{0, all - 1};
  for (uint64_t i = 0; i < kLooked; ++i) words.push_back(int64_t(random_bits(secret + i) % uint64_t(all)));
  return words;
}

void RowMemory::poison(const std::vector<int64_t>& words) const {
  for (const int64_t at : words) reinterpret_cast<uint32_t*>(output_->data())[at] = UINT32_MAX;
}

bool RowMemory::any_left(const std::vector<int64_t>& words) const {
  const auto* all = reinterpret_cast<const uint32_t*>(output_->data());
  return std::any_of(words.begin(), words.end(), [&](int64_t at) { return all[at] == UINT32_MAX; });
}

void RowMemory::lay_guard() const {
  std::fill(output_->data() + row_.output.bytes(), output_->data() + output_->size(), kGuard);
}

bool RowMemory::guard_is_whole() const {
  return std::all_of(output_->data() + row_.output.bytes(), output_->data() + output_->size(),
                     [](std::byte each) { return each == kGuard; });
}

int64_t RowMemory::bytes(const OperationRow& row) {
  int64_t bytes = row.output.bytes() + kSlackBytes;
  for (const OperationOperand& operand : row.inputs) bytes += operand.bytes() + kSlackBytes;
  return bytes;
}

}  // namespace assay
