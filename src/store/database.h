// SQLite behind RAII: one connection, its statements, and errors that say what to do.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace assay {

/// The file's bytes are no store, or a broken one.
class DamagedFile : public Error {
 public:
  DamagedFile(const std::filesystem::path& file, const std::string& reason);
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

class Database {
 public:
  /// How the file is opened. existing: it must be there; immutable: read as it lies, without locks or files beside it.
  enum class Open { create, existing, immutable };
  /// Messages name the file as `known_as`, where that is given.
  Database(const std::filesystem::path& file, Open open, const std::filesystem::path& known_as = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// A lock of another process is waited for 10 s; no more than half a second while this says yes, in all databases.
  static void hurry_when(bool (*hurried)());

  void execute(const std::string& sql);
  /// The first column of the first row: a PRAGMA, a count.
  int64_t integer(const std::string& sql);
  /// Switches to the write-ahead log, waiting for others as statements do (SQLite does not wait here by itself).
  void use_write_ahead_log();

  bool is_read_only() const;
  int64_t file_bytes() const;
  /// The file's first bytes as they lie on disk; fewer than `count` where it is shorter.
  std::string first_bytes(size_t count) const;

  const std::filesystem::path& file() const { return file_; }
  sqlite3* handle() const { return handle_; }
  /// Throws what an SQLite result code means to the user. DamagedFile for broken bytes or a broken schema.
  [[noreturn]] void raise(int code) const;

 private:
  std::filesystem::path file_;
  sqlite3* handle_ = nullptr;
};

/// One prepared statement, used again and again. Parameters count from 1, columns from 0. NaN is stored as NULL.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  /// Texts and blobs are not copied: they must live until the last step().
  void bind(int parameter, std::string_view text);
  void bind(int parameter, int64_t value);
  void bind(int parameter, double value);
  void bind_blob(int parameter, std::string_view bytes);

  /// Runs to the next row; false at the end.
  bool step();
  std::string text(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view blob(int column) const;  // until the next step or reset
  void reset() noexcept;                    // ends the read transaction and forgets what was bound

 private:
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

/// Resets a statement when its use ends, also by an exception: a statement in the midst of rows holds back the log.
class StatementUse {
 public:
  explicit StatementUse(Statement& statement) : statement_(statement) {}
  ~StatementUse() { statement_.reset(); }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;
  Statement* operator->() const { return &statement_; }

 private:
  Statement& statement_;
};

}  // namespace assay
