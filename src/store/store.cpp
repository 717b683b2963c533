// The store's statements, and what to do when its file is damaged.
#include "store/store.h"

#include <unistd.h>

#include "base/error.h"
#include "base/file_identity.h"
#include "base/standard_streams.h"
#include "store/case_rows.h"
#include "store/store_file.h"

namespace assay {
namespace fs = std::filesystem;

struct Store::Impl {
  fs::path file;
  pid_t owner = getpid();
  std::unique_ptr<Database> database;
  Statement put_case, put_environment, put_ceiling;
  Statement find_case, newest_cases, newest_ceiling, environment;

  // Preparing every statement is also the check that the tables are what they should be.
  Impl(fs::path given, std::unique_ptr<Database> opened)
      : file(std::move(given)),
        database(std::move(opened)),
        put_case(*database, insert_case_sql()),
        put_environment(*database, "INSERT INTO environments(id, text) VALUES(?, ?) ON CONFLICT(id) DO NOTHING"),
        put_ceiling(*database, "INSERT INTO ceilings(device_key, text, measured_at) VALUES(?, ?, ?)"),
        find_case(*database, "SELECT " + case_column_names() + " FROM cases WHERE key = ? ORDER BY id DESC LIMIT 1"),
        newest_cases(*database, "SELECT " + case_column_names() +
                                    " FROM cases WHERE id IN (SELECT max(id) FROM cases GROUP BY key) ORDER BY id"),
        newest_ceiling(
            *database,
            "SELECT device_key, text, measured_at FROM ceilings WHERE device_key = ? ORDER BY id DESC LIMIT 1"),
        environment(*database, "SELECT id, text FROM environments WHERE id = ?") {
    database->integer("SELECT max(id) FROM cases");  // walks the newest edge of the tree, where a torn file is torn
  }

  /// A forked child shares the file but not the locks: whatever it did through this connection could destroy the store.
  Statement& use(Statement& statement) const {
    ASSAY_CHECK(getpid() == owner);
    return statement;
  }
};

Store::Store() { impl_ = std::make_unique<Impl>("", open_store_in_memory()); }

Store::Store(const fs::path& file, Access access, int64_t max_pages) {
  std::error_code error;
  if (file.empty()) fail("an empty name is no store; name it with --store FILE");
  if (fs::exists(file, error) && !fs::is_regular_file(file, error))
    fail("{}: not a file; choose another place with --store FILE", file.string());
  // SQLite keeps its logs beside the file that a link points to, so names are made from that one; and it takes
  // ":memory:" and "file:…" for something else unless they begin with a folder.
  const fs::path real = follow_links(file);
  if (access == Access::read_only) {
    impl_ = std::make_unique<Impl>(file, open_store_for_reading(real));
    return;
  }
  const fs::path folder = real.parent_path();
  fs::create_directories(folder, error);
  if (error)
    fail("{}: the store's folder cannot be made ({}); choose another place with --store FILE", folder.string(),
         error.message());
  const auto open = [&] { impl_ = std::make_unique<Impl>(file, open_store_for_writing(real, max_pages)); };
  try {
    open();
    return;
  } catch (const DamagedFile&) {
  }
  {
    const FolderLock lock(folder);
    try {  // another process may have moved it since
      if (fs::exists(real, error)) {
        open();
        return;
      }
    } catch (const DamagedFile& damage) {
      const fs::path aside = move_aside(real);
      remark("assay: {}: the store is damaged ({}); moved to {}, a new store is made\n", real.string(), damage.reason(),
             aside.string());
    }
  }
  open();
}

Store::~Store() {
  if (impl_ && impl_->owner != getpid()) static_cast<void>(impl_.release());
}

void Store::put(const CaseRecord& record) {
  const StatementUse insert(impl_->use(impl_->put_case));
  insert_case(impl_->put_case, record);
}

void Store::put(const EnvironmentRecord& record) {
  const StatementUse insert(impl_->use(impl_->put_environment));
  insert->bind(1, std::string_view(record.id));
  insert->bind(2, std::string_view(record.text));
  insert->step();
}

void Store::put(const CeilingRecord& record) {
  const StatementUse insert(impl_->use(impl_->put_ceiling));
  insert->bind(1, std::string_view(record.device_key));
  insert->bind(2, std::string_view(record.text));
  insert->bind(3, record.measured_at);
  insert->step();
}

std::optional<CaseRecord> Store::find(const std::string& key) const {
  const StatementUse select(impl_->use(impl_->find_case));
  select->bind(1, std::string_view(key));
  if (!select->step()) return std::nullopt;
  return read_case(impl_->find_case, impl_->file.string());
}

std::vector<CaseRecord> Store::newest_of_each_key() const {
  const StatementUse select(impl_->use(impl_->newest_cases));
  std::vector<CaseRecord> records;
  while (select->step()) records.push_back(read_case(impl_->newest_cases, impl_->file.string()));
  return records;
}

std::vector<CaseGlance> Store::glances() const {
  impl_->use(impl_->newest_cases);
  Statement select(
      *impl_->database,
      "SELECT key, math_line, variant, device, mode, environment, outcome, ifnull(median_us, 0), measured_at, "
      "instr(tags, 'abandoned') > 0 FROM cases ORDER BY id");
  std::vector<CaseGlance> all;
  while (select.step())
    all.push_back({select.text(0), select.text(1), select.text(2), select.text(3), select.text(4), select.text(5),
                   parse_outcome(select.text(6)), select.real(7), select.integer(8), select.integer(9) != 0});
  return all;
}

std::vector<CeilingRecord> Store::ceilings() const {
  impl_->use(impl_->newest_ceiling);
  Statement select(
      *impl_->database,
      "SELECT device_key, text, measured_at FROM ceilings WHERE id IN (SELECT max(id) FROM ceilings GROUP BY "
      "device_key) ORDER BY id");
  std::vector<CeilingRecord> all;
  while (select.step()) all.push_back({select.text(0), select.text(1), select.integer(2)});
  return all;
}

std::optional<CeilingRecord> Store::newest_ceiling(const std::string& device_key) const {
  const StatementUse select(impl_->use(impl_->newest_ceiling));
  select->bind(1, std::string_view(device_key));
  if (!select->step()) return std::nullopt;
  return CeilingRecord{select->text(0), select->text(1), select->integer(2)};
}

std::optional<EnvironmentRecord> Store::environment(const std::string& id) const {
  const StatementUse select(impl_->use(impl_->environment));
  select->bind(1, std::string_view(id));
  if (!select->step()) return std::nullopt;
  return EnvironmentRecord{select->text(0), select->text(1)};
}

const fs::path& Store::file() const { return impl_->file; }

std::vector<PastTime> Store::past_times() const {
  Statement select(*impl_->database,
                   "SELECT substr(key_text, instr(key_text, '-- device --')), math_line, variant, median_us FROM cases "
                   "WHERE id IN (SELECT max(id) FROM cases GROUP BY key) AND outcome = 'pass' AND median_us > 0");
  std::vector<PastTime> times;
  while (select.step()) times.push_back({select.text(0), select.text(1), select.text(2), select.real(3)});
  return times;
}

Store::Merged Store::merge(const fs::path& other) {
  std::error_code error;
  if (fs::equivalent(other, impl_->file, error)) fail("{}: is the store itself", other.string());
  Database& to = *impl_->database;
  Merged merged;
  const auto from = open_store_for_reading(follow_links(other));  // says what is wrong with it, in one line
  to.execute("BEGIN IMMEDIATE");
  try {
    Statement environments(*from, "SELECT id, text FROM environments"),
        ceilings(*from, "SELECT device_key, text, measured_at FROM ceilings ORDER BY id"),
        cases(*from, "SELECT " + case_column_names() +
                         " FROM cases WHERE id IN (SELECT max(id) FROM cases GROUP BY key) ORDER BY id"),
        has_environment(to, "SELECT count(*) FROM environments WHERE id = ?"),
        has_ceiling(to, "SELECT count(*) FROM ceilings WHERE device_key = ? AND measured_at = ? AND text = ?"),
        has_case(to, "SELECT count(*) FROM cases WHERE key = ? AND measured_at >= ?");
    const auto is_there = [](Statement& ask, const auto&... values) {
      const StatementUse use(ask);
      int parameter = 0;
      (ask.bind(++parameter, values), ...);
      return ask.step() && ask.integer(0) > 0;
    };
    while (environments.step()) {
      const EnvironmentRecord record{environments.text(0), environments.text(1)};
      if (is_there(has_environment, std::string_view(record.id))) continue;
      put(record), ++merged.environments;
    }
    while (ceilings.step()) {
      const CeilingRecord record{ceilings.text(0), ceilings.text(1), ceilings.integer(2)};
      if (is_there(has_ceiling, std::string_view(record.device_key), record.measured_at, std::string_view(record.text)))
        continue;
      put(record), ++merged.ceilings;
    }
    while (cases.step()) {
      const CaseRecord record = read_case(cases, other.string());
      const bool is_known = is_there(has_case, std::string_view(record.key), record.measured_at);
      if (is_known && ++merged.known) continue;
      put(record), ++merged.cases;
    }
    to.execute("COMMIT");
  } catch (...) {
    try {
      to.execute("ROLLBACK");
    } catch (const Error&) {  // SQLite has done it already where the disk is full
    }
    throw;
  }
  return merged;
}

}  // namespace assay
