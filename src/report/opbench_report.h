// What an operation benchmark found: the table of rows, means of frameworks, every cell for data formats, the seed's
// form.
#pragma once
#include <string>

#include "opbench/opbench.h"
#include "report/table.h"

namespace assay {

/// A row a row of the table, a column a framework (ms, or the outcome), the fastest and its ties, GB/s, % of ceiling.
Table opbench_table(const Opbench& bench);

/// A row a framework: rows measured, wins, geometric means of speed against torch_cpu in several ways.
Table opbench_means(const Opbench& bench);

/// A row a cell, everything.
Table opbench_cells(const Opbench& bench);

/// The plan: rows with bytes, flops, memory; what each framework is or lacks; the time. Needs no measurement.
std::string opbench_plan(const Opbench& bench, size_t width, bool colour);

std::string opbench_text(const Opbench& bench, size_t width, bool colour);
std::string opbench_markdown(const Opbench& bench);
std::string opbench_json(const Opbench& bench);

/// The two tables of the seed, in its format.
std::string opbench_classic(const Opbench& bench);

}  // namespace assay
