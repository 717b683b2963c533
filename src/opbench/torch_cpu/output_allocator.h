// Where torch has no form of an operation that writes into given memory, its allocator hands out the output that was
// made before: the tensor that it then returns lies there, and nothing is copied.
#pragma once
#include <cstddef>

namespace assay {

/// Makes this allocator torch's for the CPU.
void install_output_allocator();

/// From now on the `which`-th request (from 0) for these bytes gets `memory`; null: none does.
void offer_output(void* memory, size_t bytes, int which);

}  // namespace assay
