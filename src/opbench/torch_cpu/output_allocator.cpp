// Torch's allocator for the CPU, with one block that it hands out when it is asked to.
#include "output_allocator.h"

#include <c10/core/Allocator.h>

#include <cstdlib>
#include <new>

namespace assay {
namespace {

struct Offer {
  void* memory = nullptr;
  size_t bytes = 0;
  int which = 0;
} offer;

void give_back(void* memory) { std::free(memory); }
void keep(void*) {}

class OutputAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) const override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (offer.memory && bytes == offer.bytes && offer.which-- == 0) return {offer.memory, offer.memory, &keep, cpu};
    if (bytes == 0) return {nullptr, nullptr, &give_back, cpu};
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, bytes) != 0) throw std::bad_alloc();
    return {memory, memory, &give_back, cpu};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
};

}  // namespace

void install_output_allocator() {
  static OutputAllocator allocator;
  c10::SetAllocator(c10::DeviceType::CPU, &allocator, /*priority=*/1);
}

void offer_output(void* memory, size_t bytes, int which) { offer = {memory, bytes, which}; }

}  // namespace assay
