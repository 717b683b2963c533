// How the cells of a row alternate, and what a cell's time is of the mover's beside it.
#pragma once
#include <cstdint>
#include <vector>

namespace assay {

/// Samples are taken in turns of so many, or of so much time. A turn is played in visits, between which the others of
/// the row have theirs and nothing else happens; a visit is of so many samples, or of so much time.
inline constexpr int kMostSamplesOfTurn = 36, kSamplesOfVisit = 3;
inline constexpr double kTurnUs = 40e3, kVisitUs = 5e3;

int samples_of_turn(double sample_us);
/// Who has the most visits decides for all cells of a row.
int visits_of_turn(double sample_us);
/// Of a turn's samples those of one visit; the last has some in any case.
int samples_of_visit(int samples, int visit, int visits);

/// What a process took in one visit: the median of its undisturbed samples, of all where all were disturbed.
struct Visit {
  int64_t number;
  double us;
};
Visit visit_of(int64_t number, const std::vector<double>& us, const std::vector<uint8_t>& disturbed);

/// The mover's time over the cell's, by the median of the visits that both have; 0: there is none. Both in ascending
/// order.
double moved_over_taken(const std::vector<Visit>& moved, const std::vector<Visit>& taken);

}  // namespace assay
