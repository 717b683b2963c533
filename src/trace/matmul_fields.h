// The fields that describe a matmul in a trace: packed into one string, taken from an op's path, printed as a shape.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay {

/// Key and value, sorted by key, each key once.
using MatmulFields = std::vector<std::pair<std::string, std::string>>;

/// Sorts `fields`; of a key that stands twice the last value is kept.
void sort_fields(MatmulFields& fields);

/// One string for the fields, the same for the same fields; any byte may occur in them.
std::string pack_fields(const MatmulFields& sorted);
MatmulFields unpack_fields(std::string_view packed);

/// What an op's path says: `key=value` segments after the first `matmul_cache/`, else `matmul/`, up to one with `::`;
/// what follows a `#` is no part of a segment. Empty if it says nothing.
MatmulFields fields_of_path(std::string_view op_name);

/// The value, or `fallback` where the key is missing.
std::string_view field_or(const MatmulFields& fields, std::string_view key, std::string_view fallback);

/// "op=matmul | batch=1 | m=1 | n=896 | k=4864 | tA=0 | tB=1 | loader=dense": seven fields (`?` if missing), then every
/// other one but backend, sorted.
std::string shape_line(const MatmulFields& fields);

}  // namespace assay
