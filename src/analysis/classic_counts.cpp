// Counting events for the classic report: one addition a list, everything that can wait waits for the end.
#include <algorithm>

#include "analysis/classic.h"
#include "spec/op.h"

namespace assay {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool says_sync(std::string_view name) {
  constexpr std::string_view sync = "sync";
  return std::search(name.begin(), name.end(), sync.begin(), sync.end(),
                     [](char a, char b) { return lower(a) == b; }) != name.end();
}

/// The element that stands for `id`, made by `make` when it is new.
template <typename Element, typename Make>
Element& place_of(std::vector<uint32_t>& places, StringId id, std::vector<Element>& list, Make make) {
  if (id >= places.size()) places.resize(std::max<size_t>(id + 1, places.size() * 2));
  if (places[id] == 0) {
    list.push_back(make());
    places[id] = static_cast<uint32_t>(list.size());
  }
  return list[places[id] - 1];
}

}  // namespace

OpClass op_class(std::string_view op_name) {
  if (op_name.find("/cb_gpu") != std::string_view::npos) return OpClass::command_buffer;
  return op_name.find("cb_wait") != std::string_view::npos || op_name.ends_with("wait") ? OpClass::wait
                                                                                        : OpClass::kernel;
}

bool describes_product(const MatmulFields& fields) {
  const Op* op = find_op(field_or(fields, "op", ""));
  return !op || op->multiplies_weights();
}

std::vector<ClassicCounts::Type> ClassicCounts::types() const {
  std::vector<Type> types = types_;
  if (ops_.empty()) return types;
  const auto is_ops = [this](const Type& type) { return type.name == ops_type_; };
  DurationCounts& durations = std::find_if(types.begin(), types.end(), is_ops)->durations;
  for (const Op& op : ops_) durations.add(op.durations);
  durations.remove(op_texts_);
  return types;
}

void ClassicCounts::consume(const Batch& batch, const StringTable& strings) {
  for (const Event& event : batch.events) consume(event, strings);
}

void ClassicCounts::consume(const Event& event, const StringTable& strings) {
  ++events_;
  Type& type = place_of(type_places_, event.type_name, types_, [&] { return Type{event.type_name, 0, {}}; });
  ++type.events;
  const bool is_op = event.type == EventType::gpu_op_completed;
  if (event.duration_kind == DurationKind::number) {
    if (!is_op) type.durations.add(event.duration_us());
    count_sync(event, strings);
  }
  if (event.type == EventType::kernel_backend_selected) count_selection(event);
  if (!event.has_duration()) return;
  if (is_op) count_op(event, strings);
  if (event.type == EventType::internal_kernel_completed) {
    const uint64_t pair = uint64_t(event.parent_op_name) << 32 | event.internal_kernel_name;
    const auto [at, is_new] = internal_places_.try_emplace(pair, static_cast<uint32_t>(internals_.size()));
    if (is_new) internals_.push_back({event.parent_op_name, event.internal_kernel_name, {}});
    internals_[at->second].durations.add(event.duration_us());
  }
}

void ClassicCounts::count_op(const Event& event, const StringTable& strings) {
  Op& op = place_of(op_places_, event.op_name, ops_, [&] {
    const std::string_view name = strings.text(event.op_name);
    ops_type_ = event.type_name;
    return Op{event.op_name, op_class(name), !fields_of_path(name).empty(), {}};
  });
  op.durations.add(event.duration_us());
  if (event.duration_kind == DurationKind::text) op_texts_.add(event.duration_us());
  if (op.op_class != OpClass::kernel) return;
  if (event.matmul != kMissing)
    place_of(matmul_places_, event.matmul, matmuls_, [&] {
      return Matmul{event.matmul, false, {}};
    }).durations.add(event.duration_us());
  else if (op.path_has_fields)
    place_of(path_places_, event.op_name, matmuls_, [&] {
      return Matmul{event.op_name, true, {}};
    }).durations.add(event.duration_us());
}

void ClassicCounts::count_sync(const Event& event, const StringTable& strings) {
  StringId name = event.internal_kernel_name;
  if (name == kMissing || strings.text(name).empty()) name = event.op_name;
  if (name >= says_sync_.size()) says_sync_.resize(std::max<size_t>(name + 1, says_sync_.size() * 2), -1);
  if (says_sync_[name] < 0) says_sync_[name] = says_sync(strings.text(name));
  if (says_sync_[name]) sync_.add(event.duration_us());
}

void ClassicCounts::count_selection(const Event& event) {
  const StringId key[] = {event.op_name, event.backend, event.reason};
  const std::string bytes(reinterpret_cast<const char*>(key), sizeof key);
  const auto [at, is_new] = selection_places_.try_emplace(bytes, static_cast<uint32_t>(selections_.size()));
  if (is_new) selections_.push_back({event.op_name, event.backend, event.reason, 0});
  ++selections_[at->second].events;
}

}  // namespace assay
