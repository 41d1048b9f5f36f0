//===- DiskCache.cpp - Bytes kept from one process to the next -------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An entry is a header of fixed size, the key's text and the payload. The
// header says the length of both and a checksum over them. Entries appear under
// their name by a rename, complete, so there are no locks. A file that is read
// but is not an entry is deleted; a file that cannot be read is left alone,
// because the disk, not the file, may be at fault.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/DiskCache.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace keops::runtime;
namespace fs = std::filesystem;
namespace endian = llvm::support::endian;

namespace {

constexpr char magic[8] = {'K', 'E', 'O', 'P', 'S', 'D', 'S', 'K'};
/// Raised whenever the layout of an entry changes.
constexpr uint64_t formatVersion = 1;
/// Magic, then as 64-bit words: version, key length, payload length, checksum.
constexpr size_t headerBytes = 40;

constexpr char entrySuffix[] = ".kernel";
constexpr char temporaryPrefix[] = "new-";
constexpr time_t hour = 3600;

llvm::ArrayRef<uint8_t> bytesOf(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

uint64_t checksum(const std::string &key, const std::string &payload) {
  return llvm::xxh3_64bits(bytesOf(payload)) ^ (llvm::xxh3_64bits(bytesOf(key)) * 0x9e3779b97f4a7c15);
}

/// A file descriptor that closes itself.
class File {
public:
  explicit File(int descriptor) : descriptor(descriptor) {}
  ~File() { close(); }
  File(const File &) = delete;
  File &operator=(const File &) = delete;

  explicit operator bool() const { return descriptor >= 0; }
  int get() const { return descriptor; }

  /// False if not all `size` bytes could be read.
  bool read(char *data, size_t size) {
    while (size > 0) {
      ssize_t count = ::read(descriptor, data, size);
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return false;
      data += count;
      size -= count;
    }
    return true;
  }
  bool write(const char *data, size_t size) {
    while (size > 0) {
      ssize_t count = ::write(descriptor, data, size);
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return false;
      data += count;
      size -= count;
    }
    return true;
  }
  /// False if what was written may not have reached the file.
  bool close() {
    if (descriptor < 0)
      return true;
    int result = ::close(descriptor);
    descriptor = -1;
    return result == 0;
  }

private:
  int descriptor;
};

struct Header {
  uint64_t keyLength;
  uint64_t payloadLength;
  uint64_t sum;
};

void writeHeader(char *place, const Header &header) {
  std::memcpy(place, magic, sizeof(magic));
  endian::write64le(place + 8, formatVersion);
  endian::write64le(place + 16, header.keyLength);
  endian::write64le(place + 24, header.payloadLength);
  endian::write64le(place + 32, header.sum);
}

/// Nothing if this does not begin an entry of `fileBytes` bytes.
std::optional<Header> readHeader(const char *place, uint64_t fileBytes) {
  if (std::memcmp(place, magic, sizeof(magic)) != 0 || endian::read64le(place + 8) != formatVersion)
    return std::nullopt;
  Header header = {endian::read64le(place + 16), endian::read64le(place + 24), endian::read64le(place + 32)};
  uint64_t content = fileBytes - headerBytes;
  if (header.keyLength > content || header.payloadLength != content - header.keyLength)
    return std::nullopt;
  return header;
}

bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

} // namespace

DiskCache::DiskCache(std::string folder, uint64_t maximumBytes, uint64_t checkEvery)
    : folder(std::move(folder)), maximumBytes(maximumBytes), checkEvery(std::max<uint64_t>(1, checkEvery)),
      // Begins anywhere, so that processes that store little check in their turn too.
      stores(static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) ^
             static_cast<uint64_t>(getpid())) {}

std::string DiskCache::pathOf(const std::string &key) const {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(bytesOf(key));
  return folder + "/" + llvm::utohexstr(hash.high64, /*LowerCase=*/true, 16) +
         llvm::utohexstr(hash.low64, /*LowerCase=*/true, 16) + entrySuffix;
}

std::optional<std::string> DiskCache::load(const std::string &key) {
  if (folder.empty())
    return std::nullopt;
  std::string path = pathOf(key);
  // Not waiting: in an entry's place may be anything, even a pipe.
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return std::nullopt;

  auto drop = [&] {
    ::unlink(path.c_str());
    return std::nullopt;
  };
  uint64_t fileBytes = status.st_size;
  // More than we would store: not worth the memory, and someone else's to delete.
  if (fileBytes > maximumBytes)
    return std::nullopt;
  if (fileBytes < headerBytes)
    return drop();
  char start[headerBytes];
  if (!file.read(start, headerBytes))
    return std::nullopt;
  std::optional<Header> header = readHeader(start, fileBytes);
  if (!header)
    return drop();
  std::string storedKey(header->keyLength, '\0');
  std::string payload(header->payloadLength, '\0');
  if (!file.read(storedKey.data(), storedKey.size()) || !file.read(payload.data(), payload.size()))
    return std::nullopt;
  if (checksum(storedKey, payload) != header->sum)
    return drop();
  // A sound entry of another key with the same hash.
  if (storedKey != key)
    return std::nullopt;

  // The time stamp says when an entry was last used, to the hour; finer would write on every load.
  if (std::time(nullptr) - status.st_mtime > hour)
    ::futimens(file.get(), nullptr);
  return payload;
}

void DiskCache::store(const std::string &key, const std::string &bytes) {
  if (folder.empty() || headerBytes + key.size() + bytes.size() > maximumBytes)
    return;
  std::error_code ignored;
  fs::create_directories(folder, ignored);

  std::string temporary = folder + "/" + temporaryPrefix + "XXXXXX";
  File file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file)
    return;
  char start[headerBytes];
  writeHeader(start, {key.size(), bytes.size(), checksum(key, bytes)});
  // Not flushed to the medium: a file torn by a crash does not match its checksum.
  bool written =
      file.write(start, headerBytes) && file.write(key.data(), key.size()) && file.write(bytes.data(), bytes.size());
  if (!file.close() || !written || ::rename(temporary.c_str(), pathOf(key).c_str()) != 0) {
    ::unlink(temporary.c_str());
    return;
  }
  if (stores.fetch_add(1, std::memory_order_relaxed) % checkEvery == 0)
    removeLongestUnused();
}

/// Removes entries until a quarter of the room is free, so that a full cache
/// is not swept at every check, and what interrupted stores left behind.
/// Others may remove files under our feet; a file that is gone is fine.
void DiskCache::removeLongestUnused() {
  struct Entry {
    timespec lastUse;
    uint64_t size;
    std::string path;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  time_t now = std::time(nullptr);
  std::error_code error;
  for (fs::directory_iterator file(folder, error), end; !error && file != end; file.increment(error)) {
    std::string path = file->path().string();
    std::string name = file->path().filename().string();
    bool isTemporary = name.rfind(temporaryPrefix, 0) == 0;
    struct stat status;
    if ((!isTemporary && !endsWith(name, entrySuffix)) || ::lstat(path.c_str(), &status) != 0 ||
        !S_ISREG(status.st_mode))
      continue;
    if (isTemporary) {
      if (now - status.st_mtime > hour)
        ::unlink(path.c_str());
      continue;
    }
    total += status.st_size;
    entries.push_back({status.st_mtim, static_cast<uint64_t>(status.st_size), std::move(path)});
  }
  if (total <= maximumBytes)
    return;

  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
    return a.lastUse.tv_sec != b.lastUse.tv_sec ? a.lastUse.tv_sec < b.lastUse.tv_sec
                                                : a.lastUse.tv_nsec < b.lastUse.tv_nsec;
  });
  for (const Entry &entry : entries) {
    if (total <= maximumBytes - maximumBytes / 4)
      return;
    ::unlink(entry.path.c_str());
    total -= entry.size;
  }
}

std::string DiskCache::defaultFolder() {
  auto variable = [](const char *name) -> std::string {
    const char *value = std::getenv(name);
    return value ? value : "";
  };
  const std::string own = "/keops-mlir-v1";
  if (std::string chosen = variable("KEOPS_CACHE_FOLDER"); !chosen.empty())
    return chosen + own;
  // Where the convention asks for an absolute path, any other is as good as none.
  if (std::string caches = variable("XDG_CACHE_HOME"); !caches.empty() && caches[0] == '/')
    return caches + own;
  if (std::string home = variable("HOME"); !home.empty())
    return home + "/.cache" + own;
  return "";
}
