// Where the ops of a step stand.
#include "tune/step_places.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"

namespace assay {
namespace {

constexpr size_t kMostBefore = 3;

}  // namespace

std::vector<StepPlace> places_of(const std::vector<size_t>& step, const std::function<bool(size_t op)>& is_large) {
  std::vector<StepPlace> places;
  for (size_t i = 0; i < step.size(); ++i) {
    std::vector<size_t> before;
    for (size_t j = i; j > 0 && before.size() < kMostBefore; --j) {
      before.insert(before.begin(), step[j - 1]);
      if (is_large(step[j - 1])) break;
    }
    auto place = std::find_if(places.begin(), places.end(),
                              [&](const StepPlace& p) { return p.op == step[i] && p.before == before; });
    if (place == places.end()) place = places.insert(place, StepPlace{step[i], std::move(before), {}});
    place->launches.push_back(i);
  }
  return places;
}

PlacedLaunches::PlacedLaunches(const StepPlace& place, std::span<const Launch> step, Device& device)
    : before_(place.before.size()) {
  std::vector<Launch> launches;
  for (const size_t i : place.launches) {
    const auto behind = step.subspan(i - before_, before_ + 1);
    launches.insert(launches.end(), behind.begin(), behind.end());
  }
  program_ = device.bind(launches);
  ends_.resize(launches.size());
  if (!program_->stamp(ends_)) fail("this device cannot tell when a launch of a program ended");
}

/// The first launch of a step takes what it takes to begin a program, too.
double PlacedLaunches::run() {
  const int64_t began = now_ns();
  program_->run(), program_->wait();
  if (before_ == 0) return double(ends_[0] - began) * 1e-3;
  int64_t ns = 0;
  for (size_t i = before_; i < ends_.size(); i += before_ + 1) ns += ends_[i] - ends_[i - 1];
  return double(ns) * 1e-3;
}

}  // namespace assay
