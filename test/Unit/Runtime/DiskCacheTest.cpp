//===- DiskCacheTest.cpp - Bytes kept from one process to the next ---------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/DiskCache.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace keops::runtime;
namespace fs = std::filesystem;

namespace {

class DiskCacheTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "keops-cache-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    folder = root / "deep" / "cache";
  }
  void TearDown() override { fs::remove_all(root); }

  static std::string read(const fs::path &path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static void write(const fs::path &path, const std::string &bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  static void setAge(const fs::path &path, int seconds) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }
  size_t numFiles() const { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }

  fs::path root, folder;
};

TEST_F(DiskCacheTest, StoresAndLoads) {
  DiskCache cache(folder);
  EXPECT_EQ(cache.load("key"), std::nullopt);
  std::string bytes("a\0b\xff", 4);
  cache.store("key", bytes);
  cache.store("empty", "");
  EXPECT_EQ(cache.load("key"), bytes);
  EXPECT_EQ(cache.load("empty"), "");
  EXPECT_EQ(cache.load("other"), std::nullopt);
  cache.store("key", "newer");
  EXPECT_EQ(cache.load("key"), "newer");
  EXPECT_EQ(DiskCache(folder).load("key"), "newer");
  EXPECT_EQ(numFiles(), 2u) << "no temporary files stay";
}

TEST_F(DiskCacheTest, EmptyFolderNameTurnsItOff) {
  fs::path before = fs::current_path();
  fs::current_path(root);
  DiskCache cache("");
  cache.store("key", "bytes");
  EXPECT_EQ(cache.load("key"), std::nullopt);
  EXPECT_TRUE(fs::is_empty(root));
  fs::current_path(before);
}

TEST_F(DiskCacheTest, EveryTruncationIsDroppedAndRebuilt) {
  DiskCache cache(folder);
  cache.store("key", "payload");
  std::string whole = read(cache.pathOf("key"));
  for (size_t size = 0; size < whole.size(); ++size) {
    write(cache.pathOf("key"), whole.substr(0, size));
    EXPECT_EQ(cache.load("key"), std::nullopt) << size << " bytes";
    EXPECT_FALSE(fs::exists(cache.pathOf("key"))) << size << " bytes";
  }
  write(cache.pathOf("key"), whole + "x");
  EXPECT_EQ(cache.load("key"), std::nullopt);
  cache.store("key", "payload");
  EXPECT_EQ(cache.load("key"), "payload");
}

TEST_F(DiskCacheTest, EveryFlippedBitIsNoticed) {
  DiskCache cache(folder);
  cache.store("key", "payload");
  std::string whole = read(cache.pathOf("key"));
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string broken = whole;
    broken[bit / 8] ^= static_cast<char>(1 << bit % 8);
    write(cache.pathOf("key"), broken);
    EXPECT_EQ(cache.load("key"), std::nullopt) << "bit " << bit;
    EXPECT_FALSE(fs::exists(cache.pathOf("key"))) << "bit " << bit;
  }
}

TEST_F(DiskCacheTest, AlienFileIsDropped) {
  DiskCache cache(folder);
  cache.store("key", "payload");
  for (const std::string &alien : {std::string(), std::string(500, 'z'), std::string("\x80\x04pickle")}) {
    write(cache.pathOf("key"), alien);
    EXPECT_EQ(cache.load("key"), std::nullopt);
    EXPECT_FALSE(fs::exists(cache.pathOf("key")));
  }
}

TEST_F(DiskCacheTest, WhatCannotBeReadIsLeftAlone) {
  DiskCache cache(folder);
  fs::create_directories(cache.pathOf("directory"));
  EXPECT_EQ(cache.load("directory"), std::nullopt);
  cache.store("directory", "bytes");
  EXPECT_TRUE(fs::is_directory(cache.pathOf("directory")));
  // Opening a pipe that nobody writes to would wait forever.
  ASSERT_EQ(mkfifo(cache.pathOf("pipe").c_str(), 0600), 0);
  EXPECT_EQ(cache.load("pipe"), std::nullopt);
  EXPECT_TRUE(fs::exists(cache.pathOf("pipe")));
  EXPECT_EQ(numFiles(), 2u) << "the failed store left nothing";
}

TEST_F(DiskCacheTest, SameHashOtherKey) {
  // An entry of another key in the place of ours is a miss, but sound, so it stays until we store.
  DiskCache cache(folder);
  cache.store("theirs", "payload");
  fs::copy_file(cache.pathOf("theirs"), cache.pathOf("ours"));
  EXPECT_EQ(cache.load("ours"), std::nullopt);
  EXPECT_TRUE(fs::exists(cache.pathOf("ours")));
  cache.store("ours", "mine");
  EXPECT_EQ(cache.load("ours"), "mine");
  EXPECT_EQ(cache.load("theirs"), "payload");
}

TEST_F(DiskCacheTest, UnwritablePlaceMeansNoCaching) {
  // Below a regular file nobody can make a folder, not even root.
  write(root / "file", "content");
  DiskCache cache(root / "file" / "cache");
  cache.store("key", "bytes");
  EXPECT_EQ(cache.load("key"), std::nullopt);
  EXPECT_EQ(read(root / "file"), "content");
  DiskCache nowhere("/proc/keops-cache");
  nowhere.store("key", "bytes");
  EXPECT_EQ(nowhere.load("key"), std::nullopt);
}

TEST_F(DiskCacheTest, ReadOnlyFolderStillLoads) {
  DiskCache cache(folder);
  cache.store("key", "bytes");
  setAge(cache.pathOf("key"), 7200);
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(cache.load("key"), "bytes");
  cache.store("key", "bytes");
  EXPECT_EQ(cache.load("key"), "bytes");
  fs::permissions(folder, fs::perms::owner_all);
}

TEST_F(DiskCacheTest, LongestUnusedAreEvicted) {
  DiskCache cache(folder, /*maximumBytes=*/10000, /*checkEvery=*/1);
  std::string bytes(1900, 'x');
  for (int i = 0; i < 5; ++i) {
    cache.store("key" + std::to_string(i), bytes);
    setAge(cache.pathOf("key" + std::to_string(i)), 100000 - 10000 * i);
  }
  EXPECT_EQ(numFiles(), 5u) << "nothing goes while there is room";
  EXPECT_EQ(cache.load("key0"), bytes) << "and a load makes an entry the last used";
  cache.store("key5", bytes);
  EXPECT_EQ(cache.load("key1"), std::nullopt);
  EXPECT_EQ(cache.load("key2"), std::nullopt);
  EXPECT_EQ(cache.load("key3"), std::nullopt);
  EXPECT_EQ(cache.load("key0"), bytes);
  EXPECT_EQ(cache.load("key4"), bytes);
  EXPECT_EQ(cache.load("key5"), bytes);
}

TEST_F(DiskCacheTest, EvictionTouchesOnlyItsOwnFiles) {
  DiskCache cache(folder, /*maximumBytes=*/3000, /*checkEvery=*/1);
  fs::create_directories(folder / "sub.kernel");
  write(folder / "notes.txt", std::string(5000, 'n'));
  write(folder / "new-abandoned", "half");
  write(folder / "new-underway", "half");
  setAge(folder / "notes.txt", 1000000);
  setAge(folder / "new-abandoned", 1000000);
  for (int i = 0; i < 10; ++i)
    cache.store("key" + std::to_string(i), std::string(1000, 'x'));
  EXPECT_TRUE(fs::exists(folder / "notes.txt"));
  EXPECT_TRUE(fs::exists(folder / "sub.kernel"));
  EXPECT_TRUE(fs::exists(folder / "new-underway")) << "another process may be writing it";
  EXPECT_FALSE(fs::exists(folder / "new-abandoned"));
  EXPECT_EQ(cache.load("key9"), std::string(1000, 'x'));
  EXPECT_LE(numFiles(), 3u + 3u);
}

TEST_F(DiskCacheTest, EntryLargerThanTheCacheIsNotStored) {
  DiskCache cache(folder, /*maximumBytes=*/1000, /*checkEvery=*/1);
  cache.store("small", "bytes");
  cache.store("large", std::string(1001, 'x'));
  EXPECT_EQ(cache.load("large"), std::nullopt);
  EXPECT_EQ(cache.load("small"), "bytes");
}

TEST_F(DiskCacheTest, ManyProcesses) {
  // Everyone writes, reads and evicts the same few keys; what is read is always whole.
  constexpr int numKeys = 5;
  auto payload = [](int key, int process) { return std::string(2000 + 100 * key, static_cast<char>('a' + process)); };
  auto isWhole = [&](int key, const std::string &bytes) {
    return bytes.size() == payload(key, 0).size() && bytes.find_first_not_of(bytes[0]) == std::string::npos;
  };
  std::vector<pid_t> children;
  for (int process = 0; process < 4; ++process) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      DiskCache cache(folder, /*maximumBytes=*/9000, /*checkEvery=*/3);
      int torn = 0;
      for (int round = 0; round < 200; ++round) {
        int key = (round * 3 + process) % numKeys;
        cache.store("key" + std::to_string(key), payload(key, process));
        std::optional<std::string> bytes = cache.load("key" + std::to_string(round % numKeys));
        torn += bytes && !isWhole(round % numKeys, *bytes);
      }
      _exit(torn ? 1 : 0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  DiskCache cache(folder);
  cache.store("key0", payload(0, 0));
  EXPECT_EQ(cache.load("key0"), payload(0, 0));
}

TEST_F(DiskCacheTest, OneProcessSeesWhatAnotherStored) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    DiskCache(folder).store("key", "from the child");
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(DiskCache(folder).load("key"), "from the child");
}

/// Sets environment variables (or unsets, for null) while in scope.
class Environment {
public:
  Environment(std::initializer_list<std::pair<const char *, const char *>> values) {
    for (auto [name, value] : values) {
      const char *old = std::getenv(name);
      before.emplace_back(name, old ? std::optional<std::string>(old) : std::nullopt);
      set(name, value);
    }
  }
  ~Environment() {
    for (const auto &[name, value] : before)
      set(name, value ? value->c_str() : nullptr);
  }

private:
  static void set(const char *name, const char *value) {
    if (value)
      setenv(name, value, 1);
    else
      unsetenv(name);
  }
  std::vector<std::pair<const char *, std::optional<std::string>>> before;
};

TEST(DiskCacheFolder, ComesFromTheEnvironment) {
  {
    Environment all({{"KEOPS_CACHE_FOLDER", "/a"}, {"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}});
    EXPECT_EQ(DiskCache::defaultFolder(), "/a/keops-mlir-v1");
  }
  {
    Environment xdg({{"KEOPS_CACHE_FOLDER", nullptr}, {"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}});
    EXPECT_EQ(DiskCache::defaultFolder(), "/b/keops-mlir-v1");
  }
  {
    Environment home({{"KEOPS_CACHE_FOLDER", ""}, {"XDG_CACHE_HOME", "relative"}, {"HOME", "/c"}});
    EXPECT_EQ(DiskCache::defaultFolder(), "/c/.cache/keops-mlir-v1");
  }
  {
    Environment nothing({{"KEOPS_CACHE_FOLDER", nullptr}, {"XDG_CACHE_HOME", nullptr}, {"HOME", nullptr}});
    EXPECT_EQ(DiskCache::defaultFolder(), "");
  }
}

} // namespace
