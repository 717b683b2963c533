// Dispatch tables as people read them: a section's entries and whether each holds here; what two tables have apart.
#pragma once
#include <functional>
#include <string>

#include "kernel/dispatch_table.h"
#include "report/table.h"

namespace assay {

/// An entry a row. problem_of: why an entry does not hold here, "" if it does.
Table dispatch_rows(const TableDevice& device, const std::string& title,
                    const std::function<std::string(const TableEntry&)>& problem_of);

/// An entry a row that the sections of one device do not have alike: bucket, before, after. The order counts, too:
/// where it alone differs, a note says so.
Table dispatch_diff(const TableDevice& before, const TableDevice& after, const std::string& title);

}  // namespace assay
