// Memory for much data that forked processes inherit: a fork copies one entry for each huge page, or none.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace assay {

template <class T>
struct HugePages {
  using value_type = T;
  static constexpr size_t kPage = size_t(2) << 20;

  HugePages() = default;
  template <class Other>
  HugePages(const HugePages<Other>&) {}

  static bool is_huge(size_t count) { return count * sizeof(T) >= kPage; }
  static size_t whole_pages(size_t count) { return (count * sizeof(T) + kPage - 1) / kPage * kPage; }

  T* allocate(size_t count) {
    if (!is_huge(count)) return static_cast<T*>(::operator new(count * sizeof(T)));
    const size_t bytes = whole_pages(count);
    void* const mapped = mmap(nullptr, bytes + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* const first = static_cast<std::byte*>(mapped);
    const size_t before = kPage - uintptr_t(first) % kPage;  // at least one byte: both ends go
    munmap(first, before);
    if (before < kPage) munmap(first + before + bytes, kPage - before);
    madvise(first + before, bytes, MADV_HUGEPAGE);  // where it is refused, small ones do
    return reinterpret_cast<T*>(first + before);
  }
  void deallocate(T* memory, size_t count) {
    if (is_huge(count))
      munmap(memory, whole_pages(count));
    else
      ::operator delete(memory);
  }
  bool operator==(const HugePages&) const { return true; }
};

template <class T>
using HugeVector = std::vector<T, HugePages<T>>;

/// Whether processes that are forked from now on have its content; of a small one they always do.
template <class T>
void let_forks_inherit(HugeVector<T>& data, bool inherit) {
  if (HugePages<T>::is_huge(data.capacity()))
    madvise(data.data(), HugePages<T>::whole_pages(data.capacity()), inherit ? MADV_DOFORK : MADV_DONTFORK);
}

}  // namespace assay
