// Places inside a JSON value by their pointers, as error messages name them.
#pragma once
#include <algorithm>
#include <string>

#include "base/json.h"

namespace assay {

/// "/sources/0/id": a key that is new is made; "" is the whole.
inline Json& at_pointer(Json& json, const std::string& pointer) {
  Json* at = &json;
  for (size_t from = 1; from <= pointer.size();) {
    const size_t end = std::min(pointer.find('/', from), pointer.size());
    const std::string name = pointer.substr(from, end - from);
    at = at->is_array() ? &at->at(std::stoul(name)) : &(*at)[name];
    from = end + 1;
  }
  return *at;
}

}  // namespace assay
