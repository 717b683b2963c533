// What stands around the texts of a chat, by the kinds of template that are recognized. Nothing of Jinja is run.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf.h"
#include "model/token_encoder.h"

namespace assay {

enum class ChatStyle { chatml, llama3, mistral };
std::string_view chat_style_name(ChatStyle style);

/// Of tokenizer.chat_template, by the control tokens that it names; nothing for another kind.
std::optional<ChatStyle> recognize_chat_style(std::string_view chat_template);

/// A model's chat: texts to tokens. What a user types never becomes a control token, whatever it spells.
class ChatTemplate {
 public:
  /// Error where the vocabulary lacks a control token of the style. The tokenizer lives longer.
  ChatTemplate(const Tokenizer& tokenizer, ChatStyle style, std::string default_system = "");
  /// Of a model file. Error where it has no template, or one that is not recognized: --raw does without.
  static ChatTemplate of(const Gguf& file, const Tokenizer& tokenizer);

  ChatStyle style() const { return style_; }
  /// The system text that the template itself puts before a chat that has none; "" mostly.
  const std::string& default_system() const { return default_system_; }

  /// The tokens from the begin of the chat to where the first answer begins.
  std::vector<Token> first_turn(std::string_view system, std::string_view user) const;
  /// Those of a further turn. `ended`: the answer before ended with its own end token, not cut short.
  std::vector<Token> next_turn(std::string_view user, bool ended) const;
  /// Whether the token ends an answer.
  bool ends_answer(Token token) const;

 private:
  /// A control token, or text.
  struct Part {
    std::optional<Token> control;
    std::string text;
  };
  void turn(std::vector<Part>& to, std::string_view role, std::string_view text) const;
  void open_answer(std::vector<Part>& to) const;
  std::vector<Token> encode(const std::vector<Part>& parts) const;
  Token named(std::string_view name) const;

  const Tokenizer* tokenizer_;
  ChatStyle style_;
  std::string default_system_;
  Token begin_ = 0, after_role_ = 0, end_ = 0;  // of a turn; after_role_: of Llama 3
  bool marks_are_text_ = false;                 // Mistral's first: [INST] is no token
};

}  // namespace assay
