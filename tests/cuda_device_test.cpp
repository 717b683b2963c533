// Laws of an NVIDIA GPU as a device: what it sees itself is what the host would see. Skipped where there is none.
#ifdef ASSAY_HAS_CUDA
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

#include "backend/cuda/cuda_backend.h"
#include "proof/projections.h"

namespace assay {
namespace {

constexpr int64_t kGuard = 64;

/// Runs a law in a process of its own, as a worker does: a driver does not outlive a fork. Exit 0 if nothing failed.
template <class Law>
void on_a_gpu(Law law) {
  const char* only = std::getenv("ASSAY_TEST_DEVICE");
  const std::unique_ptr<Backend> backend = make_cuda_backend();
  for (const DeviceInfo& info : backend->devices()) {
    if (only && info.id != only) continue;
    const auto run = [&] {
      law(*backend->open_measured(info, int64_t(1) << 30));
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    };
    EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
    return;
  }
  GTEST_SKIP() << "no NVIDIA GPU: " << backend->missing();
}

/// Outputs with poison all around them, and what they hold as the host knows it.
class Buffers {
 public:
  Buffers(MeasuredDevice& device, Dtype dtype, int64_t elements, int64_t count)
      : device_(device), size_(dtype_bytes(dtype, 1)) {
    described_ = {nullptr, kGuard,  elements * size_, (elements * size_ + 63) / 64 * 64 + kGuard, count, dtype,
                  0,       nullptr, nullptr};
    described_.memory = device.allocate(bytes());
    device.fill(described_.memory, 0xff, bytes());
    std::vector<std::byte> d(size_t(described_.bytes));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t e = 0; e < elements; ++e) {
        const uint32_t bits = number(e + i);
        std::memcpy(&d[size_t(e * size_)], &bits, size_t(size_));
      }
      device.write(described_.memory + start(i), d.data(), described_.bytes);
    }
  }

  const GuardedBuffers& described() const { return described_; }
  int64_t bytes() const { return kGuard + described_.count * described_.step; }
  int64_t start(int64_t buffer) const { return kGuard + buffer * described_.step; }
  int64_t element_size() const { return size_; }
  Survey survey() const {
    Look look;
    look.buffers = {described_};
    device_.look(look);
    return look.seen.at(0);
  }
  bool is_outside(int64_t offset) const {
    return offset < kGuard || (offset - kGuard) % described_.step >= described_.bytes;
  }
  /// What the survey says while so many bytes at an offset hold something else.
  Survey with(int64_t offset, const void* instead, int64_t count) {
    uint32_t before = 0;
    device_.read(&before, described_.memory + offset, count);
    device_.write(described_.memory + offset, instead, count);
    const Survey seen = survey();
    device_.write(described_.memory + offset, &before, count);
    return seen;
  }
  /// Bits of numbers, the largest among them; and of what is none: infinity, the NaN nearest to it and the one
  /// farthest. With a sign and without.
  std::vector<uint32_t> numbers() const { return {infinity() - 1, sign(), 0, sign() | (infinity() - 1)}; }
  std::vector<uint32_t> nans() const {
    return {infinity(), sign() | infinity(),       infinity() + 1,
            sign() - 1, sign() | (infinity() + 1), sign() | (sign() - 1)};
  }

 private:
  uint32_t sign() const { return size_ == 4 ? 0x8000'0000u : 0x8000u; }
  uint32_t infinity() const { return size_ == 4 ? 0x7f80'0000u : described_.dtype == Dtype::f16 ? 0x7c00u : 0x7f80u; }
  uint32_t number(int64_t i) const { return numbers()[size_t(i) % numbers().size()]; }

  MeasuredDevice& device_;
  int64_t size_;
  GuardedBuffers described_;
};

TEST(CudaDevice, SurveyFindsWhatIsNotFiniteInABufferAndAnyByteOutsideThatIsNoPoisonAndNothingElse) {
  on_a_gpu([](MeasuredDevice& device) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
      for (const int64_t elements : {1, 2, 3, 31, 32, 33, 130})
        for (const int64_t count : {1, 3}) {
          Buffers buffers(device, dtype, elements, count);
          const Survey untouched = buffers.survey();
          EXPECT_TRUE(untouched.whole);
          for (int64_t offset = 0; offset < buffers.bytes(); ++offset) {
            if (buffers.is_outside(offset)) {
              for (const std::byte byte : {std::byte{0x00}, std::byte{0x7f}, std::byte{0xfe}}) {
                const Survey seen = buffers.with(offset, &byte, 1);
                EXPECT_FALSE(seen.whole) << "byte " << offset;
                EXPECT_NE(seen.sum, untouched.sum) << "byte " << offset;
              }
            } else if ((offset - kGuard) % buffers.element_size() == 0) {
              for (const uint32_t nan : buffers.nans())
                EXPECT_FALSE(buffers.with(offset, &nan, buffers.element_size()).whole)
                    << "byte " << offset << " NaN " << nan;
              for (const uint32_t number : buffers.numbers())
                EXPECT_TRUE(buffers.with(offset, &number, buffers.element_size()).whole)
                    << "byte " << offset << " " << number;
            }
          }
          EXPECT_EQ(buffers.survey(), untouched) << "all was put back";
        }
  });
}

TEST(CudaDevice, SurveyOfBigAndOfManyBuffersFindsWhatIsPutAnywhere) {
  on_a_gpu([](MeasuredDevice& device) {
    std::mt19937_64 random(7);
    for (const auto& [elements, count] :
         {std::pair<int64_t, int64_t>{151'936, 16}, {9'728, 216}, {1'000'003, 3}, {5, 4'096}})
      for (const Dtype dtype : {Dtype::f32, Dtype::f16}) {
        Buffers buffers(device, dtype, elements, count);
        const Survey untouched = buffers.survey();
        EXPECT_TRUE(untouched.whole);
        for (int i = 0; i < 300; ++i) {
          const int64_t size = buffers.element_size(), buffer = int64_t(random() % uint64_t(count));
          // The first and the last element of a buffer, and any.
          const int64_t element = i % 3 == 0 ? 0 : i % 3 == 1 ? elements - 1 : int64_t(random() % uint64_t(elements));
          const int64_t offset = buffers.start(buffer) + element * size;
          const uint32_t nan = buffers.nans()[size_t(i) % 4], one = 0x3c01;
          EXPECT_FALSE(buffers.with(offset, &nan, size).whole) << offset;
          const Survey other = buffers.with(offset, &one, size);
          EXPECT_TRUE(other.whole) << offset;
          EXPECT_NE(other.sum, untouched.sum) << offset;
          const std::byte byte{0};
          EXPECT_FALSE(buffers.with(buffers.start(buffer) - 1, &byte, 1).whole);
          EXPECT_FALSE(buffers.with(buffers.start(buffer) + elements * size, &byte, 1).whole);
        }
        EXPECT_EQ(buffers.survey(), untouched);
      }
  });
}

TEST(CudaDevice, ProjectsEachBufferAsTheHostDoes) {
  on_a_gpu([](MeasuredDevice& device) {
    std::mt19937_64 random(3);
    for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
      for (const int64_t columns : {1, 31, 33, 255, 256, 257, 4003})
        for (const auto& [rows, count] : {std::pair<int64_t, int64_t>{1, 1}, {3, 2}, {1, 200}}) {
          const int64_t size = dtype_bytes(dtype, 1), bytes = rows * columns * size, stretches = stretches_of(columns);
          GuardedBuffers buffers{nullptr, kGuard,  bytes,  (bytes + 63) / 64 * 64 + kGuard, count, dtype,
                                 columns, nullptr, nullptr};
          buffers.memory = device.allocate(kGuard + count * buffers.step);
          buffers.weights = device.allocate(columns * 4);
          std::vector<float> weights;
          for (int64_t n = 0; n < columns; ++n) weights.push_back(float(random() % 1000) / 400.0f - 1.25f);
          device.write(buffers.weights, weights.data(), columns * 4);
          std::vector<double> seen(size_t(count * rows * stretches * 2)), expected(seen.size());
          for (int64_t i = 0; i < count; ++i) {
            std::vector<std::byte> d(static_cast<size_t>(bytes));
            for (int64_t e = 0; e < rows * columns; ++e)
              encode_value(dtype, double(random() % 2001) / 128 - 7, &d[size_t(e * size)]);
            device.write(buffers.memory + kGuard + i * buffers.step, d.data(), bytes);
            project(dtype, d.data(), rows * columns, columns, weights.data(),
                    &expected[size_t(i * rows * stretches * 2)]);
          }
          buffers.sums = seen.data();
          Look look;
          look.buffers = {buffers};
          device.look(look);
          for (size_t i = 0; i < seen.size(); ++i)
            EXPECT_NEAR(seen[i], expected[i], 1e-9 * (1 + std::abs(expected[i]))) << columns << " " << i;
        }
  });
}

TEST(CudaDevice, AChangeOfOneByteOfAnImportOrOfABlockThatIsWatchedIsSeenAndStays) {
  // A changed device is not used again, so each place has a device of its own: of the import, or of the first or the
  // second block.
  for (const auto& [region, place] :
       {std::pair<int, int64_t>{0, 0}, {0, 1}, {0, 500'000}, {0, 999'983}, {1, 0}, {1, 4095}, {2, 17}})
    on_a_gpu([region = region, place = place](MeasuredDevice& device) {
      const std::vector<std::byte> made(1'000'000, std::byte{7});
      std::vector<std::byte> host = made;
      std::vector<Address> memory{device.import(host)}, blocks;
      for (int i = 0; i < 2; ++i) {
        blocks.push_back(device.allocate(4096));
        device.fill(blocks[size_t(i)], 3, 4096);
        device.protect(blocks[size_t(i)], 4096);
        memory.push_back(blocks[size_t(i)]);
      }
      const std::vector<Address> first{blocks[0]}, none;
      for (const std::vector<Address>& watched : {none, first, blocks}) {
        EXPECT_EQ(device.protected_changed(watched), "");
        device.start_protected_check(watched);
        EXPECT_EQ(device.protected_changed(watched), "");
      }
      const std::byte other{8};
      device.write(memory[size_t(region)] + place, &other, 1);
      EXPECT_EQ(device.protected_changed(none).empty(), region != 0);
      EXPECT_EQ(device.protected_changed(first).empty(), region == 2);
      device.start_protected_check(blocks);
      EXPECT_NE(device.protected_changed(blocks), "");
      EXPECT_NE(device.protected_changed(none), "") << "it stays so";
      EXPECT_EQ(host, made) << "the host's own copy";
    });
}

TEST(CudaDevice, ALookBringsEveryRangeHoweverBigAndHoweverManyAndSurveysBesideThem) {
  on_a_gpu([](MeasuredDevice& device) {
    std::mt19937_64 random(3);
    std::vector<std::byte> truth(8'000'003), got(truth.size());
    for (std::byte& b : truth) b = std::byte(random());
    const Address memory = device.allocate(int64_t(truth.size()));
    device.write(memory, truth.data(), int64_t(truth.size()));
    Buffers whole(device, Dtype::f16, 33, 5), broken(device, Dtype::f32, 7, 3);
    device.fill(broken.described().memory, 0, 1);
    for (int trial = 0; trial < 60; ++trial) {
      std::fill(got.begin(), got.end(), std::byte{0});
      Look look;
      look.buffers = {whole.described(), broken.described(), whole.described()};
      const int64_t most = trial % 3 == 0 ? 3'000'000 : trial % 3 == 1 ? 200'000 : 20'000;
      const bool aligned = trial % 2 == 0;
      for (int64_t at = 0; at < int64_t(truth.size());) {
        int64_t bytes = int64_t(1 + random() % uint64_t(most));
        if (aligned) bytes = (bytes + 63) / 64 * 64;
        bytes = std::min(bytes, int64_t(truth.size()) - at);
        look.ranges.push_back({got.data() + at, memory + at, bytes});
        at += bytes;
      }
      std::shuffle(look.ranges.begin(), look.ranges.end(), random);
      device.look(look);
      ASSERT_EQ(got, truth) << trial;
      ASSERT_EQ(look.seen.size(), 3u);
      EXPECT_TRUE(look.seen[0].whole && !look.seen[1].whole);
      EXPECT_EQ(look.seen[0], look.seen[2]);
    }
  });
}

TEST(CudaDevice, WritesManyStretchesAtOnceAndNothingElse) {
  on_a_gpu([](MeasuredDevice& device) {
    std::mt19937_64 random(5);
    std::vector<std::byte> truth(4'000'001), got(truth.size());
    const Address memory = device.allocate(int64_t(truth.size()));
    device.fill(memory, 0, int64_t(truth.size()));
    for (int trial = 0; trial < 20; ++trial) {
      const int64_t most = trial % 2 == 0 ? 4 : 100'000;  // of which a few do not fit at once
      std::vector<std::vector<std::byte>> contents;
      std::vector<WriteOver> stretches;
      for (int64_t at = 0; at < int64_t(truth.size()) && contents.size() < 10'000;) {
        const int64_t bytes = std::min(int64_t(1 + random() % uint64_t(most)), int64_t(truth.size()) - at);
        std::vector<std::byte>& content = contents.emplace_back(size_t(bytes));
        for (std::byte& b : content) b = std::byte(random());
        std::copy(content.begin(), content.end(), truth.begin() + at);
        stretches.push_back({memory + at, content.data(), bytes});
        at += bytes + int64_t(random() % uint64_t(most));
      }
      std::shuffle(stretches.begin(), stretches.end(), random);
      device.write_all(stretches);
      device.read(got.data(), memory, int64_t(got.size()));
      ASSERT_EQ(got, truth) << trial;
    }
  });
}

}  // namespace
}  // namespace assay
#else
#include <gtest/gtest.h>

TEST(CudaDevice, IsTestedWhereTheBackendIsBuilt) {
  GTEST_SKIP() << "built without CUDA: assay devices says what to install";
}
#endif
