// assay run: a model answers a prompt.
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/interruption.h"
#include "base/json.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"
#include "engine/run_trace.h"
#include "model/chat_template.h"

namespace assay {
namespace {

struct RunOptions {
  EngineOptions engine;
  SamplingText sampling;
  std::string prompt, file, system, trace;
  bool has_prompt = false, raw = false, json = false, quiet = false;
};

struct Prompt {
  std::vector<Token> tokens;
  std::function<bool(Token)> ends;
  std::string style;
};

Prompt make_prompt(const RunOptions& o, const LoadedModel& model) {
  const Tokenizer& tokenizer = model.tokenizer();
  const std::string text = o.has_prompt ? o.prompt : read_input(o.file);
  const bool has_template = model.file().has("tokenizer.chat_template");
  if (o.raw || !has_template) {
    if (!o.system.empty()) fail("--system: goes into a chat template, and none is used here");
    const bool bos = tokenizer.adds_bos() && tokenizer.bos();
    return {TokenEncoder(tokenizer).encode(text, {.special = false, .bos = bos}),
            [eos = tokenizer.eos()](Token token) { return eos && token == *eos; }, "as it is"};
  }
  if (text.empty()) fail("the prompt is empty, and a turn of a chat says something; give it some text, or --raw");
  const ChatTemplate chat = ChatTemplate::of(model.file(), tokenizer);
  return {chat.first_turn(o.system, text), [chat](Token token) { return chat.ends_answer(token); },
          std::string(chat_style_name(chat.style()))};
}

void put_json(const Json& line) { show("{}\n", line.dump()); }

Json end_json(const Generation& g) {
  Json end = {{"event", "end"},
              {"why", ending_name(g.ending)},
              {"tokens", g.tokens.size()},
              {"prompt_tokens", g.prompt_tokens},
              {"prompt_ms", g.prompt_s() * 1e3},
              {"decode_ms", g.decode_s() * 1e3}};
  if (!g.stop.empty()) end["stop"] = g.stop;
  return end;
}

/// The first token comes from the prompt's pass: the others are what decoding took its time for.
std::string speed_text(const Generation& g) {
  const double decoded = double(g.tokens.size()) - 1;
  std::string text = fmt::format("prompt: {} tokens in {:.0f} ms ({:.1f}/s)", g.prompt_tokens, g.prompt_s() * 1e3,
                                 double(g.prompt_tokens) / g.prompt_s());
  if (decoded > 0)
    text += fmt::format("; answer: {} tokens in {:.0f} ms ({:.1f}/s)", g.tokens.size(), g.decode_s() * 1e3,
                        decoded / g.decode_s());
  return text + fmt::format("; ended by {}", ending_name(g.ending));
}

int run_run(const RunOptions& o) {
  if (o.has_prompt == !o.file.empty())
    fail("give the prompt by -p TEXT or by -f FILE{}", o.has_prompt ? ", not by both" : "");
  if (is_standard_output(o.trace)) fail("--trace {}: the answer goes to standard output; name a file", o.trace);
  Sampler sampler(o.sampling.sampling);
  EngineOptions options = o.engine;
  options.picks = sampler.is_greedy();
  OpenedEngine engine(options);
  const LoadedModel& model = engine.model();
  const Prompt prompt = make_prompt(o, model);
  if (o.engine.verbose) remark("assay: prompt of {} tokens, template {}\n", prompt.tokens.size(), prompt.style);
  const CatchInterrupt catch_interrupt;  // before the trace: its last line is to be whole
  std::optional<RunTrace> trace;
  if (!o.trace.empty()) trace.emplace(o.trace, model, engine.session());
  GenerationEvents events;
  events.stopped = [] { return interrupted() || has_lost_output(); };
  events.token = [&](Token token, std::string_view text) {
    if (!o.json) return put_answer(text);
    put_json({{"event", "token"}, {"token", token}, {"text", text}});
    flush(stdout);
  };
  if (trace) events.times = [&](const TokenTimes& times) { trace->token(times); };
  if (o.json) put_json({{"event", "prompt"}, {"tokens", prompt.tokens.size()}, {"template", prompt.style}});
  const Generation g = generate(engine.session(), sampler, model.tokenizer(), prompt.tokens,
                                {o.sampling.max_tokens, o.sampling.stops, prompt.ends}, events);
  if (o.json) {
    if (!g.rest.empty()) put_json({{"event", "text"}, {"text", g.rest}});
    put_json(end_json(g));
  } else {
    put_answer(g.rest + "\n");
  }
  flush(stdout);
  if (!o.quiet) remark("assay: {}\n", speed_text(g));
  if (trace) trace->close();
  return g.ending == Ending::interrupted && interrupted() ? 130 : 0;
}

}  // namespace

CommandRun add_run(Options options, CommandFiles& files) {
  const auto o = std::make_shared<RunOptions>();
  options.footer(
      "The answer streams to standard output, its speed goes to stderr. A model's own chat template is used where it\n"
      "is one of ChatML, Llama 3 and Mistral; control tokens that a prompt spells stay text.\n"
      "Example: assay run model.gguf -p 'Why is the sky blue?' -n 100\n"
      "         assay run model.gguf --raw -p 'Once upon a time' --temperature 0.8 --seed 7 --trace run.jsonl\n\n"
      "Exit codes: 0 fine; 2 an error, named on stderr; 130 Ctrl-C ended the answer.");
  add_engine_options(options, files, o->engine);
  const Option prompt = options.add("-p,--prompt", o->prompt, "what the model answers").uncut().type("TEXT");
  files.add(CommandFiles::Part::input,
            options.add("-f,--file", o->file, "the same from a file ('-': standard input)").type("FILE"));
  options.add("--system", o->system, "how it shall answer, where its template has a place for that")
      .uncut()
      .type("TEXT");
  options.flag("--raw", o->raw, "the prompt as it is, without the model's chat template");
  add_sampling_options(options, o->sampling);
  const Options results = options.group("Results");
  results.flag("--json", o->json, "events for programs, a JSON object a line");
  results.flag("--quiet", o->quiet, "do not say how fast it was");
  files.add(CommandFiles::Part::output,
            results.add("--trace", o->trace, "write what ran, for assay analyze").type("FILE"));
  return [o, prompt] {
    o->has_prompt = prompt.is_given();
    return run_run(*o);
  };
}

}  // namespace assay
