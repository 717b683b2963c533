// What a store keeps as texts by key beside its results: ceilings, best readers, how far a tuning came.
#pragma once
#include <exception>
#include <optional>

#include "store/store.h"

namespace assay {

/// Says once a key of this store that its text is damaged.
void remark_unreadable(const Store& store, const std::string& key, const char* why);

/// The record as `parse` reads its text; nothing where that throws: SQLite does not notice a byte that changed.
template <typename Parse>
auto read_kept(const Store& store, const std::optional<CeilingRecord>& record, Parse parse)
    -> std::optional<decltype(parse(std::string()))> {
  if (!record) return std::nullopt;
  try {
    return parse(record->text);
  } catch (const std::exception& e) {
    remark_unreadable(store, record->device_key, e.what());
    return std::nullopt;
  }
}

}  // namespace assay
