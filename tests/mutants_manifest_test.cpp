// The self-test's kernels as data: every sin has its mutant, its outcome, a spec, and a source that compiles.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "kernel/compiler.h"
#include "kernel/manifest.h"
#include "kernel/precompiled_headers.h"
#include "ops/matmul.h"
#include "store/record.h"

namespace assay {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(ASSAY_SOURCE_DIR) / "tests" / "mutants";
constexpr int64_t kSmallWeightBytes = 1 << 20;

std::set<std::string> words_in(std::istringstream text) {
  return {std::istream_iterator<std::string>(text), std::istream_iterator<std::string>()};
}

const std::set<std::string> kWrong = words_in(std::istringstream(R"(
    faint_activations_dropped large_activations_clipped activations_kept_as_half weights_kept_as_half
    faint_weights_dropped faint_results_dropped faint_addend_dropped large_addend_clipped faint_bias_dropped
    int8_of_faint_blocks_dropped one_row_of_many eight_places_left_out one_place_left_out one_length_of_many
    one_position_of_many first_2000_calls_only faint_values_equal large_values_equal
    faint_ups_dropped large_ups_clipped faint_copies_dropped faint_values_dropped large_values_clipped
    large_weights_clipped lone_last_row_left_out end_of_128_left_out small_queries_dropped small_weights_dropped
    large_values_clipped_in_the_cache angles_by_steps large_queries_clipped reads_on_times_zero
    to_its_end_times_zero masked_by_a_large_number next_row_times_zero zero_in_one_of_16 activations_in_ten_bits
    copy_foretold norm_remembered eps_left_out weights_left_out last_value_left_out tail_left_out k_block_dropped
    transposed_read wrong_batch_stride beta_ignored addend_twice addend_of_the_row_before bias_missing
    nan_in_one_element output_untouched returns_early first_calls_only tenth_call_skipped differs_from_call_to_call
    reads_output reads_workspace takes_nan_for_not_yet least_scales_flushed past_activations past_weights
    writes_activations writes_weights writes_bias writes_addend writes_prepared reads_b_though_prepared
    claims_64_bytes_and_adds adds_what_changed
    zero_in_one_of_64 infinity_in_one_of_64 half_the_sum_in_most writes_long_after_return
    writes_after_a_second writes_after_a_second_of_spinning writes_late_where_spaced
    takes_nan_in_output_for_not_yet restores_activations same_again row_sums_by_prepared_address environment_changed
    timer_slack_changed output_redirected prints thread_never_rests
    writes_after_return writes_before_output writes_behind_output writes_behind_workspace remembered_by_hash
    remembered_by_pointer rounding_mode_changed flush_to_zero_changed x87_precision_changed half_called_exact
    bfloat_called_half child_burns_cpu orphan_in_own_session child_keeps_descriptors forks_and_both_return
    int8_scaled_per_row int8_scaled_per_256 int8_scaled_by_powers int8_zero_block_unguarded half_zero_not_zero
    half_subnormals_flushed half_infinity_finite q8_scale_unsigned q8_subnormal_scales_flushed q8_minus_128_clamped
    bf16_in_12_bits activations_clipped sums_overflow tiny_sums_flushed strides_ignored weights_rounded_to_half
    activations_rounded_to_half products_rounded_to_half output_cut_to_16_bits residual_twice sum_not_written
    norm_of_the_residual_alone gate_and_up_exchanged overflows_to_nan up_left_out swiglu_remembered row_before
    first_row_always row_remembered last_eight_left_out last_of_equal second_best wide_rows_cut best_remembered
    sees_one_too_many sees_one_too_few all_of_the_cache largest_not_taken_off neighbours_keys length_remembered
    rows_share_a_mask scale_left_out next_row_of_the_cache cache_row_too_much values_not_written
    turned_the_other_way position_remembered halves_for_pairs keys_not_turned factors_ignored later_of_equal_first
    unsorted places_of_the_row_before one_value_too_few order_ignored heads_interleaved last_row_twice
    copy_remembered nibbles_in_turn nibble_halves_swapped offset_left_out block_scale_unsigned
    block_subnormal_scale_flushed minimum_left_out minimum_added minimum_unsigned fifth_bit_ignored
    fifth_bits_of_other_half six_bits_cut_to_four later_groups_like_first groups_of_a_pair_swapped
    two_high_bits_dropped group_scale_unsigned group_scale_clamped pair_exchanged curve_of_the_product
    curve_left_out up_of_the_column_before pair_remembered gate_rounded_to_half sigmoid_of_pieces stops_at_two
    zeros_by_their_signs begins_at_minus_10000 table_scale_unsigned table_subnormals_flushed none_when_short
    cached_subnormals_flushed written_subnormals_flushed cached_scale_unsigned cached_scale_of_the_first_block
    steps_cut_off steps_of_the_first_block negatives_clipped norm_of_pieces_remembered half_products_when_unseen
    half_products_of_its_own_copy writes_just_after_return writes_into_the_row_before
    tiny_sums_flushed_where_dense
    probabilities_in_ten_bits makes_other_bytes keeps_more_than_its_bytes strides_ignored_when_large
    dense_subnormals_flushed
    shares_by_available_threads waits_by_the_clock rows_taken_for_dense output_dense_where_the_input_is
    caches_taken_for_dense copies_taken_for_dense batches_taken_for_dense addend_spaced_like_the_output handler_changed signals_masked
    priority_changed processor_changed timer_left_running limit_changed file_mode_changed folder_changed
    files_left_open x87_registers_left zeros_by_the_first_of_eight pairs_by_the_first_two zeros_by_the_first_of_four
    infinity_left_out few_of_many_equal clipped_unless_far_out row_sums_by_address memory_never_freed
    factors_remembered columns_remembered small_dropped_for_a_while eps_remembered parameters_remembered last_of_infinities
    first_place_of_infinities largest_begins_at_0 largest_begins_at_minus_300 ordered_without_the_last_bit
    last_infinity_left_out infinities_made_finite curve_by_a_quotient small_residual_left_out
    ups_clipped_at_300 sign_of_zero_lost addend_by_its_address addend_made_finite factors_by_place
    weights_rounded_beside_int8 rows_remembered
    rope_factors_remembered root_in_twelve_bits rounded_before_weights largest_made_infinite nan_carried_away
    whole_shares_only scores_capped
    memory_locked huge_pages_switched_off dump_switched_off rights_given_up signal_stack_changed
    end_of_exceptions_changed end_of_memory_changed out_of_memory_score_changed
)"));
const std::set<std::string> kCrashed = {"segfault",
                                        "aborts",
                                        "exits",
                                        "memory_without_end",
                                        "ends_its_parent",
                                        "wants_64_byte_weights",
                                        "reads_behind_the_last",
                                        "workspace_remembered",
                                        "reads_far_behind_activations",
                                        "writes_into_the_next_row"};
const std::set<std::string> kControls = {"compensated",
                                         "three_bfloats",
                                         "backwards_in_blocks",
                                         "angles_in_float",
                                         "angles_by_quotients",
                                         "parameters_of_one_model",
                                         "slow",
                                         "one_alpha",
                                         "prepares_alpha",
                                         "correct",
                                         "order_changes",
                                         "half_activations",
                                         "activations_in_eleven_bits",
                                         "reads_on_and_selects",
                                         "bfloat_activations",
                                         "int8_blocks",
                                         "twin_first",
                                         "twin_second",
                                         "rms_norm",
                                         "rows",
                                         "attention",
                                         "blocks",
                                         "gate_up",
                                         "probabilities_in_eleven_bits",
                                         "first_of_its_name",
                                         "shares_it",
                                         "large_weights",
                                         "goes_on_with_the_rounded_sum",
                                         "copies"};

std::map<std::string, std::string> outcomes_deserved() {
  std::map<std::string, std::string> outcomes = {{"mutant_infinite_loop/timed_out", "timed_out"},
                                                 {"mutant_timer_lies/impossible", "impossible"},
                                                 {"mutant_timer_lies_of_64_bytes/impossible", "impossible"}};
  for (const std::string& sin : kWrong) outcomes["mutant_" + sin + "/wrong"] = "wrong";
  for (const std::string& sin : kCrashed) outcomes["mutant_" + sin + "/crashed"] = "crashed";
  for (const std::string& control : kControls) outcomes["control_" + control + "/pass"] = "pass";
  return outcomes;
}

struct Expected {
  std::string outcome, tag, ties_with;
  std::vector<std::string> specs;
  bool never_best = false;
};

struct ExpectedFile {
  std::map<std::string, Spec> specs;
  std::map<std::string, Expected> variants;
};

ExpectedFile load_expected() {
  const std::string name = (kFolder / "expected.json").string();
  const Json json = parse_json(read_file(name), name);
  const JsonReader top(json, name);
  top.only_keys({"schema", "specs", "expected"});
  ExpectedFile file;
  for (const auto& [spec, line] : top.at("specs").members()) file.specs[spec] = parse_spec(line.string(), spec);
  for (const auto& [id, reader] : top.at("expected").members()) {
    reader.only_keys({"sin", "control", "specs", "outcome", "tag", "ties_with", "never_best", "threads"});
    EXPECT_NE(reader.has("sin"), reader.has("control")) << id;
    file.variants[id] = {reader.at("outcome").string(), reader.string_or("tag", ""), reader.string_or("ties_with", ""),
                         reader.at("specs").strings(), reader.boolean_or("never_best", false)};
  }
  return file;
}

std::map<std::string, Variant> load_mutants() {
  std::map<std::string, Variant> variants;
  for (const Variant& variant : load_manifest(kFolder).variants) variants[variant.id()] = variant;
  return variants;
}

/// The word that -DMUTANT= gives, or "".
std::string mutant_word(const Variant& variant) {
  if (!variant.entry.empty()) return variant.entry;
  const std::string flag = "-DMUTANT=";
  for (const std::string& given : variant.compile_flags)
    if (given.starts_with(flag)) return given.substr(flag.size());
  return "";
}

/// The names of the source's enum: what its MUTANT may be. Or of its SINS, X(name) each: the kernels of its module.
std::set<std::string> words_of(const std::filesystem::path& source) {
  const std::string text = read_file(source), begin = "enum class ";
  if (const size_t named = text.find("#define SINS(X)"); named != std::string::npos) {
    std::set<std::string> words;
    const std::string end = "\n\n", opening = " X(", list = text.substr(named, text.find(end, named) - named);
    for (size_t at = list.find(opening); at != std::string::npos; at = list.find(opening, at + 1)) {
      const size_t name = at + opening.size();
      words.insert(list.substr(name, list.find(')', name) - name));
    }
    return words;
  }
  const size_t named = text.find(begin), opened = text.find('{', named), closed = text.find('}', opened);
  std::set<std::string> words;
  if (named == std::string::npos || closed == std::string::npos) return words;
  std::string word;
  for (const char c : text.substr(opened + 1, closed - opened)) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_')
      word += c;
    else if (!word.empty())
      words.insert(std::exchange(word, ""));
  }
  return words;
}

TEST(MutantsManifest, EverySinAndControlHasAVariantNamedAfterItsDeservedOutcome) {
  const auto variants = load_mutants();
  for (const auto& [id, outcome] : outcomes_deserved()) EXPECT_TRUE(variants.contains(id)) << id;
  EXPECT_EQ(variants.size(), outcomes_deserved().size());
  for (const auto& [id, variant] : variants) EXPECT_TRUE(variant.disabled.empty()) << id;
}

TEST(MutantsManifest, EveryVariantIsExpectedToGetExactlyTheOutcomeItDeserves) {
  const auto expected = load_expected();
  std::map<std::string, std::string> outcomes;
  for (const auto& [id, variant] : expected.variants) {
    outcomes[id] = variant.outcome;
    EXPECT_NO_THROW(parse_outcome(variant.outcome)) << id;
  }
  EXPECT_EQ(outcomes, outcomes_deserved());
}

TEST(MutantsManifest, EveryVariantSupportsTheSpecsItIsExpectedOnAndEverySpecIsUsed) {
  const auto expected = load_expected();
  const auto variants = load_mutants();
  std::set<std::string> used;
  for (const auto& [id, wanted] : expected.variants) {
    ASSERT_TRUE(variants.contains(id)) << id;
    EXPECT_FALSE(wanted.specs.empty()) << id;
    for (const std::string& spec : wanted.specs) {
      ASSERT_TRUE(expected.specs.contains(spec)) << id << " on " << spec;
      EXPECT_EQ(unsupported_reason(variants.at(id), expected.specs.at(spec)), "") << id << " on " << spec;
      used.insert(spec);
    }
  }
  for (const auto& [name, spec] : expected.specs) EXPECT_TRUE(used.contains(name)) << name;
}

TEST(MutantsManifest, EverySpecHasAControlThatPassesSoThatNoneIsQuarantined) {
  const auto expected = load_expected();
  std::set<std::string> passing;
  for (const auto& [id, wanted] : expected.variants)
    if (wanted.outcome == "pass" && !wanted.never_best) passing.insert(wanted.specs.begin(), wanted.specs.end());
  for (const auto& [name, spec] : expected.specs) EXPECT_TRUE(passing.contains(name)) << name;
}

TEST(MutantsManifest, SpecsGiveEachSinWhatItNeedsToShow) {
  const auto expected = load_expected();
  const auto spec_of = [&](const std::string& id) { return expected.specs.at(expected.variants.at(id).specs.at(0)); };
  EXPECT_GT(matmul_of(spec_of("mutant_wrong_batch_stride/wrong")).batch, 1);
  EXPECT_NE(matmul_of(spec_of("mutant_beta_ignored/wrong")).beta, 0);
  EXPECT_TRUE(matmul_of(spec_of("mutant_addend_twice/wrong")).residual);
  EXPECT_NE(matmul_of(spec_of("mutant_writes_addend/wrong")).beta, 0);
  EXPECT_TRUE(matmul_of(spec_of("mutant_bias_missing/wrong")).bias);
  EXPECT_TRUE(matmul_of(spec_of("mutant_writes_bias/wrong")).bias);
  EXPECT_NE(matmul_of(spec_of("mutant_tail_left_out/wrong")).k % 8, 0);
  // A guard may begin at the next cache line: what is 32 bytes behind D, or 64 behind A, must lie in it even then.
  const Spec guarded = spec_of("mutant_writes_behind_output/wrong");
  EXPECT_LT((64 - guarded.bytes(Operand::d) % 64) % 64, 32);
  EXPECT_LT((64 - guarded.bytes(Operand::a) % 64) % 64, 64);
}

TEST(MutantsManifest, OnlyWhatMustOutrunMemoryNeedsWeightsBeyondAMegabyte) {
  const auto expected = load_expected();
  for (const auto& [id, wanted] : expected.variants) {
    if (id.starts_with("mutant_timer") || id.starts_with("control_twin")) continue;
    if (id.starts_with("mutant_adds") || id.starts_with("mutant_claims")) continue;  // their sin must pay
    if (wanted.specs == std::vector<std::string>{"large"}) continue;
    for (const std::string& spec : wanted.specs) {
      if (spec == "embedding_vocabulary") continue;  // its rows are what is to be covered
      EXPECT_LE(expected.specs.at(spec).weight_bytes(), kSmallWeightBytes) << id;
    }
  }
}

TEST(MutantsManifest, OnlyTheLyingTimersAreScaled) {
  for (const auto& [id, variant] : load_mutants())
    EXPECT_EQ(variant.timer_scale, id.starts_with("mutant_timer_lies") ? 0.1 : 1.0) << id;
}

TEST(MutantsManifest, TheTwinsAreOneModuleAndExpectToTieWithEachOther) {
  const auto expected = load_expected();
  const auto variants = load_mutants();
  const std::string first = "control_twin_first/pass", second = "control_twin_second/pass";
  EXPECT_EQ(expected.variants.at(first).ties_with, second);
  EXPECT_EQ(expected.variants.at(second).ties_with, first);
  EXPECT_EQ(variants.at(first).source, variants.at(second).source);
  EXPECT_EQ(variants.at(first).compile_flags, variants.at(second).compile_flags);
}

TEST(MutantsManifest, TheSlowControlIsNeverBestAndTheReorderingOneIsTagged) {
  const auto expected = load_expected();
  EXPECT_TRUE(expected.variants.at("control_slow/pass").never_best);
  EXPECT_EQ(expected.variants.at("control_order_changes/pass").tag, "nondeterministic");
}

TEST(MutantsManifest, EveryNameInASourceIsBuiltAndNoOther) {
  std::map<std::filesystem::path, std::set<std::string>> built;
  for (const auto& [id, variant] : load_mutants()) built[variant.source].insert(mutant_word(variant));
  for (const auto& [source, words] : built) EXPECT_EQ(words, words_of(source)) << source;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".cpp") continue;
    EXPECT_TRUE(built.contains(entry.path())) << entry.path();
  }
}

/// What all sources include first, compiled into this folder, as the build cache does; {} where the compiler cannot.
std::vector<std::string> precompiled(const Compiler& compiler, const std::filesystem::path& folder) {
  const std::filesystem::path header = folder / kPrecompiledName;
  write_file(header, fmt::format("#include \"{}\"\n", (kFolder / kPrecompiledName).string()));
  if (!compiler.precompiles) return {};
  const ProcessResult made = run_process({compiler.command, "-std=c++20", "-Wall", "-Wextra", "-x", "c++-header",
                                          header.string(), "-o", header.string() + ".gch"},
                                         compiler.limit_s);
  EXPECT_EQ(made.exit_code, 0) << made.output;
  return {"-include", header.string()};
}

// Discarded branches are compiled as well, so that one name speaks for all of a source; clang would warn of what only
// they use.
TEST(MutantsManifest, EverySourceCompilesWithoutAWarning) {
  const Compiler compiler = find_compiler();
  if (compiler.version.empty()) GTEST_SKIP() << "no C++ compiler";
  std::map<std::filesystem::path, std::string> words;
  for (const auto& [id, variant] : load_mutants()) words[variant.source] = mutant_word(variant);
  ASSERT_EQ(words.size(), 22u);
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / fmt::format("warnings-{}", getpid());
  std::filesystem::create_directories(folder);
  const std::vector<std::string> headers = precompiled(compiler, folder);
  const std::string include = "-I" + (std::filesystem::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu").string();
  for (const auto& [source, word] : words) {
    std::vector<std::string> command = {compiler.command,
                                        "-std=c++20",
                                        "-fsyntax-only",
                                        "-Wall",
                                        "-Wextra",
                                        "-Werror",
                                        "-Wno-unneeded-internal-declaration"};
    command.insert(command.end(), headers.begin(), headers.end());
    command.insert(command.end(), {include, "-DMUTANT=" + word, source.string()});
    const ProcessResult result = run_process(command, compiler.limit_s);
    EXPECT_EQ(result.exit_code, 0) << source << "\n" << result.output;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace assay
