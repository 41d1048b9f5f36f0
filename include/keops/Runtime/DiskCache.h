//===- DiskCache.h - Bytes kept from one process to the next ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A folder with one file per key. A cache may forget but must not lie, fail or
// get in the way: what it returns is what was stored under that very key, and
// whatever goes wrong is a miss. Nothing here throws but for lack of memory.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_DISKCACHE_H
#define KEOPS_RUNTIME_DISKCACHE_H

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace keops::runtime {

class DiskCache {
public:
  static constexpr uint64_t defaultMaximumBytes = uint64_t(512) << 20;

  /// Keeps entries in `folder`, which is made when first needed; an empty name
  /// turns the cache off. When the entries exceed `maximumBytes` together, the
  /// longest unused are removed; this is checked about once in `checkEvery`
  /// stores, counted over processes.
  explicit DiskCache(std::string folder, uint64_t maximumBytes = defaultMaximumBytes, uint64_t checkEvery = 64);

  /// The bytes last stored under `key` by any process, if they are still
  /// there. A damaged or foreign file in an entry's place is deleted.
  std::optional<std::string> load(const std::string &key);
  /// Keeps `bytes` under `key` if it can. Other processes see the whole entry or none.
  void store(const std::string &key, const std::string &bytes);

  /// The entry's file, whether it exists or not.
  std::string pathOf(const std::string &key) const;

  /// Where entries are; empty if the cache is off.
  const std::string &location() const { return folder; }

  /// `$KEOPS_CACHE_FOLDER`, else `$XDG_CACHE_HOME`, else `$HOME/.cache`, and
  /// our own folder in it; empty if none of these is set.
  static std::string defaultFolder();

private:
  void removeLongestUnused();

  const std::string folder;
  const uint64_t maximumBytes;
  const uint64_t checkEvery;
  std::atomic<uint64_t> stores;
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_DISKCACHE_H
