// Launches of an op that is no product on operands whose rows and batches lie further apart than they are long.
#pragma once
#include <string>

#include "measure/binding.h"

namespace assay {

/// `launch` in memory of its own, some operands spaced and others dense, each once beside each other. inputs: as the
/// judge counts copies. "" or what is wrong; nothing where the kernel says, or has said, that it takes dense ones
/// alone.
std::string check_spaced_operands(const WorkerCase& work, OpenedArenas& opened, const Launch& launch,
                                  const LaunchInputs& inputs, Judge& judge);

}  // namespace assay
