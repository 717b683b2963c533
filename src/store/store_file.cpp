// How a store's file is made, recognised, opened, and moved aside when it is damaged.
#include "store/store_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/deferred_signals.h"
#include "store/case_rows.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr uint32_t kApplicationId = 0x41535359;  // "ASSY"
constexpr size_t kHeaderBytes = 100, kApplicationIdAt = 68;
constexpr std::string_view kMagic{"SQLite format 3\0", 16};

std::string schema_sql() {
  return fmt::format(
      "CREATE TABLE cases(\n  {});\n"
      "CREATE INDEX cases_by_key ON cases(key);\n"  // the id is part of every index
      "CREATE VIEW newest AS SELECT * FROM cases WHERE id IN (SELECT max(id) FROM cases GROUP BY key);\n"
      "CREATE TABLE environments(id TEXT PRIMARY KEY, text TEXT NOT NULL);\n"
      "CREATE TABLE ceilings(id INTEGER PRIMARY KEY, device_key TEXT NOT NULL, measured_at INTEGER NOT NULL,"
      " text TEXT NOT NULL);\n"
      "CREATE INDEX ceilings_by_device ON ceilings(device_key);\n"
      "PRAGMA application_id = {};\nPRAGMA user_version = {};",
      case_column_definitions(), kApplicationId, kStoreSchema);
}

/// What the first bytes say, before SQLite reads or touches anything. Only a file that carries the store's own mark may
/// be called a damaged store: what else lies at this name is somebody's.
void check_identity(const Database& database) {
  const std::string header = database.first_bytes(kHeaderBytes), name = database.file().string();
  if (header.empty()) fail("{}: an empty file, not an assay store; remove it, or use another --store FILE", name);
  if (!header.starts_with(kMagic)) fail("{}: not an assay store; it is left as it is: use another --store FILE", name);
  if (header.size() < kApplicationIdAt + 4)
    fail(
        "{}: the head of an SQLite database that was cut off, perhaps not an assay store; move it away or use another "
        "--store FILE",
        name);
  uint32_t id = 0;
  for (size_t i = 0; i < 4; ++i) id = id << 8 | uint8_t(header[kApplicationIdAt + i]);
  if (id != kApplicationId)
    fail("{}: a database of another program, not an assay store; use another --store FILE", name);
  if (header.size() < kHeaderBytes) throw DamagedFile(database.file(), "its header is cut off");
}

bool is_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(file, ignored));
}

/// Logs of a store that is gone: SQLite would play them back into the one that takes its place.
void move_orphaned_logs(const fs::path& file) {
  const auto any = [&] { return is_there(file.string() + "-wal") || is_there(file.string() + "-journal"); };
  if (!any()) return;
  const FolderLock lock(file.parent_path());
  if (any() && !is_there(file)) move_aside(file);  // they may be those of a store that was made meanwhile
}

/// Makes an empty store beside and puts it in place: a file at that name is a whole store from its first moment on, so
/// an empty one is never ours. Where another process was faster, its store stands.
void make_store(const fs::path& file, int64_t max_pages) {
  move_orphaned_logs(file);
  const DeferredSignals until_it_is_in_place;
  std::error_code error;
  const fs::path made = file.string() + fmt::format(".{}.new", getpid());
  try {
    Database database(made, Database::Open::create, file);
    if (max_pages > 0) database.execute(fmt::format("PRAGMA max_page_count = {}", max_pages));
    database.execute("BEGIN;\n" + schema_sql() + "COMMIT");
  } catch (...) {
    for (const char* suffix : {"", "-journal"}) fs::remove(made.string() + suffix, error);
    throw;
  }
  fs::create_hard_link(made, file, error);  // unlike a rename, it replaces nothing
  if (!error || error == std::errc::file_exists) return void(fs::remove(made, error));
  fs::rename(made, file, error);  // a file system without such links
  if (error)
    fail("{}: the store cannot be put in place ({}); use another --store FILE", file.string(), error.message());
}

std::unique_ptr<Database> open_or_make(const fs::path& file, int64_t max_pages) {
  if (!is_there(file)) make_store(file, max_pages);
  try {
    return std::make_unique<Database>(file, Database::Open::existing);
  } catch (const Error&) {
    if (is_there(file)) throw;
  }
  make_store(file, max_pages);  // it was damaged, and another process has just moved it aside
  return std::make_unique<Database>(file, Database::Open::existing);
}

void upgrade_schema(Database& database) {
  database.execute("BEGIN IMMEDIATE");
  if (const int64_t schema = database.integer("PRAGMA user_version"); schema > 0 && schema < kStoreSchema) {
    add_missing_case_columns(database);
    database.execute(fmt::format("PRAGMA user_version = {}", kStoreSchema));
  }
  database.execute("COMMIT");
}

void check_schema(Database& database) {
  const int64_t schema = database.integer("PRAGMA user_version");
  if (schema == 0) throw DamagedFile(database.file(), "it has lost its schema version");
  if (schema > kStoreSchema)
    fail("{}: written by a newer assay (schema {}); use another --store FILE or update assay", database.file().string(),
         schema);
  if (schema < kStoreSchema)
    fail("{}: written by an older assay (schema {}); assay probe --store {} brings it up to date",
         database.file().string(), schema, database.file().string());
}

}  // namespace

std::unique_ptr<Database> open_store_for_writing(const fs::path& file, int64_t max_pages) {
  std::unique_ptr<Database> database = open_or_make(file, max_pages);
  if (database->is_read_only())
    fail("{}: the store cannot be written; change its permissions or use another --store FILE", file.string());
  check_identity(*database);
  if (max_pages > 0) database->execute(fmt::format("PRAGMA max_page_count = {}", max_pages));
  upgrade_schema(*database);
  check_schema(*database);
  database->use_write_ahead_log();
  // The process may die at any time, since the log lies in the page cache; syncs at every put would disturb the
  // measuring.
  database->execute("PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON");
  return database;
}

std::unique_ptr<Database> open_store_in_memory() {
  auto database = std::make_unique<Database>(":memory:", Database::Open::create);
  database->execute(schema_sql());
  return database;
}

std::unique_ptr<Database> open_store_for_reading(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) fail("{}: there is no such store; assay probe makes one", file.string());
  auto database = std::make_unique<Database>(file, Database::Open::existing);
  check_identity(*database);
  // SQLite reads a log only with a shared-memory file beside it, which it would leave behind in a place like this.
  if (database->is_read_only() && !fs::exists(file.string() + "-wal", ignored))
    database = std::make_unique<Database>(file, Database::Open::immutable);
  check_schema(*database);
  database->execute("PRAGMA query_only = ON");
  return database;
}

FolderLock::FolderLock(const fs::path& folder) : fd_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_ >= 0) flock(fd_, LOCK_EX);
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) close(fd_);
}

// The logs go too: SQLite would play them back into the new store. The file itself goes last, so that an interrupted
// move is taken up again.
fs::path move_aside(const fs::path& file) {
  fs::path aside;
  for (int n = 1; aside.empty() || fs::exists(fs::symlink_status(aside)); ++n)
    aside = fmt::format("{}.corrupt-{}", file.string(), n);
  for (const char* suffix : {"-wal", "-shm", "-journal", ""}) {
    std::error_code error;
    fs::rename(file.string() + suffix, aside.string() + suffix, error);
    if (error && error != std::errc::no_such_file_or_directory)
      fail("{}: the store is damaged and cannot be moved aside ({}); move it away or use another --store FILE",
           file.string(), error.message());
  }
  return aside;
}

}  // namespace assay
