// What a log says of the cases that gave no row.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// "matmul skipped 4 (unsupported)" of one variant.
struct ProbeFailure {
  std::string variant, op_name, what, reason;
  int64_t count = 0;
};

/// Whether the line, without its dash, is of the older form "VARIANT @ op=… : WHAT: REASON".
bool is_failed_case(std::string_view item);
ProbeFailure parse_failed_case(std::string_view item);

/// "VARIANT: matmul skipped 4 (why), matmul_bias_add skipped 1 (why)". Parts that are nothing of the kind go to
/// `unread`, each with the reason.
std::vector<ProbeFailure> parse_failures(std::string_view item, std::vector<std::string>& unread);

}  // namespace assay
