// How a store's file is made, recognised, opened, and moved aside when it is damaged.
#pragma once
#include <filesystem>
#include <memory>

#include "store/database.h"

namespace assay {

/// Opens the store, making it where there is none. DamagedFile if it carries a store's mark and its bytes are broken;
/// Error for any other file, a newer schema, and what cannot be written.
std::unique_ptr<Database> open_store_for_writing(const std::filesystem::path& file, int64_t max_pages);

/// An empty one that ends with the connection.
std::unique_ptr<Database> open_store_in_memory();

/// The same for reading; leaves no files behind, also in a folder that cannot be written.
std::unique_ptr<Database> open_store_for_reading(const std::filesystem::path& file);

/// While it lives, no other assay moves a damaged store of this folder aside: two that see the same damage must not
/// move the second one's new store as well.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

/// Renames the file and SQLite's logs beside it to FILE.corrupt-N, N the first that is free, and returns that name.
std::filesystem::path move_aside(const std::filesystem::path& file);

}  // namespace assay
