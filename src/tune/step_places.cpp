// Where the ops of a step stand.
#include "tune/step_places.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"

namespace assay {

std::vector<StepPlace> places_of(const std::vector<size_t>& step) {
  std::vector<StepPlace> places;
  for (size_t i = 0; i < step.size(); ++i) {
    const size_t before = i == 0 ? SIZE_MAX : step[i - 1];
    auto place = std::find_if(places.begin(), places.end(),
                              [&](const StepPlace& p) { return p.op == step[i] && p.before == before; });
    if (place == places.end()) place = places.insert(place, StepPlace{step[i], before, {}});
    place->launches.push_back(i);
  }
  return places;
}

PlacedLaunches::PlacedLaunches(const StepPlace& place, std::span<const Launch> step, Device& device)
    : is_first_(place.before == SIZE_MAX) {
  std::vector<Launch> launches;
  for (const size_t i : place.launches) {
    if (!is_first_) launches.push_back(step[i - 1]);
    launches.push_back(step[i]);
  }
  program_ = device.bind(launches);
  ends_.resize(launches.size());
  if (!program_->stamp(ends_)) fail("this device cannot tell when a launch of a program ended");
}

/// The first launch of a step takes what it takes to begin a program, too.
double PlacedLaunches::run() {
  const int64_t began = now_ns();
  program_->run(), program_->wait();
  if (is_first_) return double(ends_[0] - began) * 1e-3;
  int64_t ns = 0;
  for (size_t i = 1; i < ends_.size(); i += 2) ns += ends_[i] - ends_[i - 1];
  return double(ns) * 1e-3;
}

}  // namespace assay
