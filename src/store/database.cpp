// SQLite behind RAII: one connection, its statements, and errors that say what to do.
#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>

namespace assay {
namespace {

constexpr int kBusyTimeoutMs = 10'000, kHurriedMs = 500, kBusyPollMs = 5;

// SQLite takes options only through a URI, in which these three mean something else.
std::string immutable_uri(const std::filesystem::path& file) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(file).string()) {
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02X}", c);
    else
      uri += c;
  }
  return uri + "?immutable=1";
}

/// Null for a database in memory.
sqlite3_file* raw_file(sqlite3* handle) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return file && file->pMethods ? file : nullptr;
}

bool (*is_hurried)() = nullptr;

/// Who was asked to end has no ten seconds for another process that keeps the lock.
bool waits_on(std::chrono::steady_clock::time_point began) {
  const auto waited = std::chrono::steady_clock::now() - began;
  return waited < std::chrono::milliseconds(is_hurried && is_hurried() ? kHurriedMs : kBusyTimeoutMs);
}

int on_busy(void*, int tries) {
  static std::chrono::steady_clock::time_point began;
  if (tries == 0) began = std::chrono::steady_clock::now();
  if (!waits_on(began)) return 0;
  std::this_thread::sleep_for(std::chrono::milliseconds(kBusyPollMs));
  return 1;
}

}  // namespace

void Database::hurry_when(bool (*hurried)()) { is_hurried = hurried; }

DamagedFile::DamagedFile(const std::filesystem::path& file, const std::string& reason)
    : Error(fmt::format(
          "{}: the store is damaged ({}); move it away and run again, or use another --store FILE (sqlite3's "
          ".recover may save its rows)",
          file.string(), reason)),
      reason_(reason) {}

Database::Database(const std::filesystem::path& file, Open open, const std::filesystem::path& known_as)
    : file_(known_as.empty() ? file : known_as) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOMUTEX;
  std::string name = file.string();
  if (open == Open::create) flags |= SQLITE_OPEN_CREATE;
  if (open == Open::immutable) {
    flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    name = immutable_uri(file);
  }
  if (const int code = sqlite3_open_v2(name.c_str(), &handle_, flags, nullptr); code != SQLITE_OK) {
    int system_error = handle_ ? sqlite3_system_errno(handle_) : ENOMEM;
    sqlite3_close(handle_);
    // SQLite tells of its second try, which only reads: that a new file is not there
    const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
    if (system_error == ENOENT && faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
      system_error = errno;
    fail("{}: the store cannot be opened ({}); choose another place with --store FILE", file_.string(),
         system_error ? std::strerror(system_error) : sqlite3_errstr(code));
  }
  sqlite3_busy_handler(handle_, on_busy, nullptr);
}

Database::~Database() { sqlite3_close(handle_); }

void Database::raise(int code) const {
  const std::string name = file_.string(), text = sqlite3_errmsg(handle_);
  const int system_error = (code & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(handle_) : 0;
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // our statements are correct, so the tables are not ours
      throw DamagedFile(file_, text);
    case SQLITE_FULL:
      fail("{}: the disk is full; what was stored before is whole: free some space and run again to go on", name);
    case SQLITE_BUSY:
      if (is_hurried && is_hurried())
        fail("{}: another process keeps the store locked, so that what was in work was not stored", name);
      fail("{}: another process has kept the store locked for {} s; wait for it or use another --store FILE", name,
           kBusyTimeoutMs / 1000);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      fail("{}: the store or its folder cannot be written ({}); change its permissions or use another --store FILE",
           name, text);
    case SQLITE_IOERR:
      if (system_error == ENOSPC || system_error == EDQUOT)
        fail("{}: the disk is full; what was stored before is whole: free some space and run again to go on", name);
      break;
    default:
      break;
  }
  fail("{}: the store failed ({}{}{}); check the disk or use another --store FILE", name, text,
       system_error ? ": " : "", system_error ? std::strerror(system_error) : "");
}

void Database::execute(const std::string& sql) {
  if (const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr); code != SQLITE_OK) raise(code);
}

int64_t Database::integer(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

void Database::use_write_ahead_log() {
  const auto began = std::chrono::steady_clock::now();
  for (;;) {
    const int code = sqlite3_exec(handle_, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return;
    if ((code & 0xff) != SQLITE_BUSY || !waits_on(began)) raise(code);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

bool Database::is_read_only() const { return sqlite3_db_readonly(handle_, "main") == 1; }

int64_t Database::file_bytes() const {
  sqlite3_int64 bytes = 0;
  sqlite3_file* file = raw_file(handle_);
  if (!file) return 0;
  if (const int code = file->pMethods->xFileSize(file, &bytes); code != SQLITE_OK) raise(code);
  return bytes;
}

// Through SQLite's own descriptor: to open the file beside SQLite and close it again would drop all of this process's
// POSIX locks on it, and with them the protection of every other connection here.
std::string Database::first_bytes(size_t count) const {
  std::string bytes(std::min(count, size_t(file_bytes())), '\0');
  if (bytes.empty()) return bytes;
  sqlite3_file* file = raw_file(handle_);
  const int code = file->pMethods->xRead(file, bytes.data(), int(bytes.size()), 0);
  if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) raise(code);
  return bytes;
}

Statement::Statement(Database& database, const std::string& sql) : database_(database) {
  const int code =
      sqlite3_prepare_v3(database.handle(), sql.c_str(), int(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  if (code != SQLITE_OK) database.raise(code);
}

Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::bind(int parameter, std::string_view text) {
  const char* data = text.data() ? text.data() : "";
  if (const int code = sqlite3_bind_text64(handle_, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
      code != SQLITE_OK)
    database_.raise(code);
}

void Statement::bind(int parameter, int64_t value) {
  if (const int code = sqlite3_bind_int64(handle_, parameter, value); code != SQLITE_OK) database_.raise(code);
}

void Statement::bind(int parameter, double value) {
  if (const int code = sqlite3_bind_double(handle_, parameter, value); code != SQLITE_OK) database_.raise(code);
}

void Statement::bind_blob(int parameter, std::string_view bytes) {
  const char* data = bytes.data() ? bytes.data() : "";
  if (const int code = sqlite3_bind_blob64(handle_, parameter, data, bytes.size(), SQLITE_STATIC); code != SQLITE_OK)
    database_.raise(code);
}

bool Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  database_.raise(code);
}

std::string Statement::text(int column) const { return std::string(blob(column)); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

double Statement::real(int column) const {
  if (sqlite3_column_type(handle_, column) == SQLITE_NULL) return std::numeric_limits<double>::quiet_NaN();
  return sqlite3_column_double(handle_, column);
}

std::string_view Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);  // first: it may convert, and the size is that of the result
  return {static_cast<const char*>(data), size_t(sqlite3_column_bytes(handle_, column))};
}

void Statement::reset() noexcept {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

}  // namespace assay
