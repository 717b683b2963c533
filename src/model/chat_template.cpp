// What stands around the texts of a chat.
#include "model/chat_template.h"

#include "base/error.h"

namespace assay {
namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// Qwen2's template writes one itself: a literal between its own marks, a line end spelled as in the source.
std::string system_of_template(std::string_view text) {
  constexpr std::string_view kBegin = "<|im_start|>system\\n", kEnd = "<|im_end|>";
  for (size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at + 1)) {
    const size_t begin = at + kBegin.size(), end = text.find(kEnd, begin);
    if (end == std::string_view::npos) return "";
    const std::string_view said = text.substr(begin, end - begin);
    if (!said.empty() && said.find_first_of("'\"{}\\") == std::string_view::npos) return std::string(said);
  }
  return "";
}

/// Llama 3's template strips the texts.
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::string_view chat_style_name(ChatStyle style) {
  return style == ChatStyle::chatml ? "ChatML" : style == ChatStyle::llama3 ? "Llama 3" : "Mistral";
}

std::optional<ChatStyle> recognize_chat_style(std::string_view text) {
  if (has(text, "<|im_start|>")) return ChatStyle::chatml;
  if (has(text, "<|start_header_id|>") && has(text, "<|eot_id|>")) return ChatStyle::llama3;
  if (has(text, "[INST]") && !has(text, "<<SYS>>")) return ChatStyle::mistral;
  return std::nullopt;
}

ChatTemplate::ChatTemplate(const Tokenizer& tokenizer, ChatStyle style, std::string default_system)
    : tokenizer_(&tokenizer), style_(style), default_system_(std::move(default_system)) {
  switch (style) {
    case ChatStyle::chatml:
      begin_ = named("<|im_start|>"), end_ = named("<|im_end|>");
      break;
    case ChatStyle::llama3:
      begin_ = named("<|start_header_id|>"), after_role_ = named("<|end_header_id|>"), end_ = named("<|eot_id|>");
      break;
    case ChatStyle::mistral:
      if (!tokenizer.eos()) fail("its chat template is Mistral's, but its vocabulary has no token that ends a text");
      end_ = *tokenizer.eos();
      marks_are_text_ = TokenEncoder(tokenizer).encode("[INST]", {.special = true}).size() != 1;
      if (!marks_are_text_) begin_ = named("[INST]"), after_role_ = named("[/INST]");
      break;
  }
}

ChatTemplate ChatTemplate::of(const Gguf& file, const Tokenizer& tokenizer) {
  const std::string_view text = file.string_or("tokenizer.chat_template", "");
  if (text.empty())
    fail("{}: has no chat template (tokenizer.chat_template); --raw gives it the text as it is", file.name());
  const auto style = recognize_chat_style(text);
  if (!style)
    fail("{}: its chat template is none of ChatML, Llama 3 and Mistral; --raw gives it the text as it is", file.name());
  return ChatTemplate(tokenizer, *style, style == ChatStyle::chatml ? system_of_template(text) : "");
}

Token ChatTemplate::named(std::string_view name) const {
  const std::vector<Token> tokens = TokenEncoder(*tokenizer_).encode(name, {.special = true});
  if (tokens.size() != 1)
    fail("its chat template is {}'s, but its vocabulary has no token {}; --raw does without", chat_style_name(style_),
         name);
  return tokens[0];
}

void ChatTemplate::turn(std::vector<Part>& to, std::string_view role, std::string_view text) const {
  to.push_back({begin_, ""});
  if (style_ == ChatStyle::chatml) {
    to.push_back({std::nullopt, fmt::format("{}\n{}", role, text)});
    to.push_back({end_, ""});
    to.push_back({std::nullopt, "\n"});
    return;
  }
  to.push_back({std::nullopt, std::string(role)});
  to.push_back({after_role_, ""});
  to.push_back({std::nullopt, fmt::format("\n\n{}", trimmed(text))});
  to.push_back({end_, ""});
}

void ChatTemplate::open_answer(std::vector<Part>& to) const {
  to.push_back({begin_, ""});
  to.push_back({std::nullopt, style_ == ChatStyle::chatml ? "assistant\n" : "assistant"});
  if (style_ == ChatStyle::chatml) return;
  to.push_back({after_role_, ""});
  to.push_back({std::nullopt, "\n\n"});
}

std::vector<Token> ChatTemplate::first_turn(std::string_view system, std::string_view user) const {
  std::vector<Part> parts;
  const bool wants_bos = style_ != ChatStyle::chatml || tokenizer_->adds_bos();
  if (wants_bos && tokenizer_->bos()) parts.push_back({tokenizer_->bos(), ""});
  if (system.empty()) system = default_system_;
  if (style_ == ChatStyle::mistral) {  // has no turn of the system's: its text leads the first of the user's
    std::vector<Token> tokens = encode(parts);
    const std::string text = system.empty() ? std::string(user) : fmt::format("{}\n\n{}", system, user);
    const std::vector<Token> turn = next_turn(text, /*ended=*/true);
    tokens.insert(tokens.end(), turn.begin(), turn.end());
    return tokens;
  }
  if (!system.empty()) turn(parts, "system", system);
  turn(parts, "user", user);
  open_answer(parts);
  return encode(parts);
}

std::vector<Token> ChatTemplate::next_turn(std::string_view user, bool ended) const {
  std::vector<Part> parts;
  if (!ended) parts.push_back({end_, ""});
  if (style_ == ChatStyle::mistral) {
    if (marks_are_text_) {
      parts.push_back({std::nullopt, fmt::format("[INST] {} [/INST]", user)});
    } else {
      parts.push_back({begin_, ""});
      parts.push_back({std::nullopt, std::string(user)});
      parts.push_back({after_role_, ""});
    }
    return encode(parts);
  }
  if (style_ == ChatStyle::chatml) parts.push_back({std::nullopt, "\n"});
  turn(parts, "user", user);
  open_answer(parts);
  return encode(parts);
}

/// Text between two control tokens is encoded in one piece, as merges go across what the template and a user wrote.
std::vector<Token> ChatTemplate::encode(const std::vector<Part>& parts) const {
  TokenEncoder encoder(*tokenizer_);
  std::vector<Token> tokens;
  std::string text;
  const auto flush = [&] {
    if (text.empty()) return;
    const std::vector<Token> more = encoder.encode(text);
    tokens.insert(tokens.end(), more.begin(), more.end());
    text.clear();
  };
  for (const Part& part : parts) {
    text += part.text;
    if (!part.control) continue;
    flush();
    tokens.push_back(*part.control);
  }
  flush();
  return tokens;
}

bool ChatTemplate::ends_answer(Token token) const {
  return token == end_ || (tokenizer_->eos() && token == *tokenizer_->eos());
}

}  // namespace assay
