// Expressions over parameters, evaluated by muParser.
#include "kernel/expression.h"

#include <muParser.h>

#include <cmath>

#include "base/error.h"
#include "base/joined.h"

namespace assay {
namespace {

constexpr size_t kLongestExpression = 400;

// "ROWS=1" is an assignment to muParser: it would change the variable and be true for ever after.
bool assigns(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') continue;
    const bool compares = i > 0 && std::string_view("<>!").find(text[i - 1]) != std::string_view::npos;
    if (i + 1 < text.size() && text[i + 1] == '=')
      ++i;
    else if (!compares)
      return true;
  }
  return false;
}

}  // namespace

struct Expression::Parsed {
  mu::Parser parser;
  std::vector<double> values;
  std::string text;
};

Expression::Expression(const std::string& text, const std::vector<std::string>& names) : parsed_(new Parsed) {
  if (text.size() > kLongestExpression) fail("the expression is longer than {} characters", kLongestExpression);
  if (assigns(text)) fail("\"{}\" assigns; to compare, write ==", text);
  parsed_->text = text;
  parsed_->values.resize(names.size());
  try {
    parsed_->parser.DefineOprt(
        "%", [](double a, double b) { return std::fmod(a, b); }, mu::prMUL_DIV);
    parsed_->parser.DefineFun("ceil", [](double a) { return std::ceil(a); });
    parsed_->parser.DefineFun("floor", [](double a) { return std::floor(a); });
    for (size_t i = 0; i < names.size(); ++i) parsed_->parser.DefineVar(names[i], &parsed_->values[i]);
    parsed_->parser.SetExpr(text);
    for (const auto& [used, address] : parsed_->parser.GetUsedVar())
      if (address == nullptr)
        fail("\"{}\" uses {}, which is no parameter (there are: {})", text, used, joined(names, " "));
    parsed_->parser.Eval();
    if (parsed_->parser.GetNumResults() != 1) fail("\"{}\" gives several values; join conditions with &&", text);
  } catch (const mu::ParserError& e) {
    fail("\"{}\" is not a valid expression: {}", text, e.GetMsg());
  }
}

Expression::~Expression() = default;
Expression::Expression(Expression&&) noexcept = default;

double Expression::value(const std::vector<int64_t>& values) {
  ASSAY_CHECK(values.size() == parsed_->values.size());
  for (size_t i = 0; i < values.size(); ++i) parsed_->values[i] = double(values[i]);
  try {
    const double value = parsed_->parser.Eval();
    if (!std::isfinite(value)) fail("\"{}\" has no finite value", parsed_->text);
    return value;
  } catch (const mu::ParserError& e) {
    fail("\"{}\" cannot be evaluated: {}", parsed_->text, e.GetMsg());
  }
}

}  // namespace assay
