// A launch whose operands lie where neighbours hide no mistake.
#pragma once
#include <string>
#include <vector>

#include "measure/binding.h"

namespace assay {

/// Runs `of` once, untimed, on these varied operands, the others as they are: no input can be written, from 128
/// bytes behind an operand on nothing can be read, D and the workspace hold numbers that another launch might have
/// left, and the workspace of all other launches is out of reach.
struct Walled {
  std::string message;       // "" or what it did around its outputs
  std::vector<std::byte> d;  // its outputs, one after another
  double launch_us = 0;
};
Walled run_walled(OpenedArenas& opened, const Launch& of, const std::vector<std::vector<std::byte>>& varied);

}  // namespace assay
