// Shapes that are equal but for n, or but for k, form one product; eight values of it are a length that grows.
#include "analysis/length_slopes.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "trace/matmul_fields.h"

namespace assay {
namespace {

constexpr size_t kFewestLengths = 8;  // a model's weights of one op rarely have more than four widths

bool read_length(const std::string& text, uint64_t& length) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::vector<LengthSlope> LengthSums::slopes(const StringTable& strings) const {
  struct Member {
    uint64_t length;
    const Shape* shape;
  };
  std::unordered_map<std::string, std::vector<Member>> members_of;  // by packed fields after the length's name
  for (const auto& [key, shape] : shapes_) {
    const std::string_view text = strings.text(key & ~kPath);
    MatmulFields fields = key & kPath ? fields_of_path(text) : unpack_fields(text);
    for (const char name : {'n', 'k'}) {
      const auto field = std::find_if(fields.begin(), fields.end(),
                                      [&](const auto& f) { return f.first == std::string_view(&name, 1); });
      uint64_t length = 0;
      if (field == fields.end() || !read_length(field->second, length)) continue;
      const std::string said = std::exchange(field->second, "*");
      members_of[name + pack_fields(fields)].push_back({length, &shape});
      field->second = said;
    }
  }
  std::map<std::pair<MatmulFields, char>, std::vector<Member>> products;
  for (auto& [product, members] : members_of)
    if (members.size() >= kFewestLengths)
      products[{unpack_fields(std::string_view(product).substr(1)), product[0]}] = std::move(members);
  std::vector<LengthSlope> slopes;
  for (auto& [product, members] : products) {
    std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.length < b.length; });
    const auto changes = [](const Member& a, const Member& b) { return a.length != b.length; };
    size_t lengths = 1;
    for (size_t i = 1; i < members.size(); ++i) lengths += changes(members[i - 1], members[i]);
    if (lengths < kFewestLengths) continue;
    uint64_t calls = 0, gpu_calls = 0;
    for (const Member& member : members) calls += member.shape->op.count, gpu_calls += member.shape->gpu.count;
    LengthSlope slope{shape_line(product.first),
                      std::string(field_or(product.first, "backend", "?")),
                      product.second,
                      lengths,
                      members.front().length,
                      members.back().length,
                      gpu_calls * 2 >= calls,
                      0,
                      0,
                      {}};
    for (const Member& member : members) {
      const Sums& sums = slope.of_gpu ? member.shape->gpu : member.shape->op;
      if (sums.count == 0) continue;
      slope.calls += sums.count;
      slope.mean_us += sums.us;
      slope.us.add(double(member.length), sums.us / double(sums.count));
    }
    slope.mean_us /= double(slope.calls);
    slopes.push_back(std::move(slope));
  }
  std::stable_sort(slopes.begin(), slopes.end(),
                   [](const LengthSlope& a, const LengthSlope& b) { return a.calls > b.calls; });
  return slopes;
}

}  // namespace assay
