//===- CachesTest.cpp - Kernels from memory and from disk --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A cache changes how long a kernel takes to make and nothing else: whatever
// lies in the folder, results are right.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace keops;
using namespace keops::test;
namespace fs = std::filesystem;

namespace {

class CachesTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "keops-engine-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override {
    fs::permissions(folder, fs::perms::owner_all);
    fs::remove_all(folder);
  }

  Engine::Options options() const {
    Engine::Options options;
    options.cacheFolder = folder.string();
    return options;
  }
  /// Compiles in an engine of its own, as a new process would; checks a result
  /// and says where the kernel came from.
  static std::string origin(const Engine::Options &options, const std::string &factor = "3", DType type = DType::F32) {
    Engine engine(options);
    Kernel kernel = engine.compile("Sum_Reduction(x*y*" + factor + ", 0)", {"x = Vi(1)", "y = Vj(1)"}, type);
    auto check = [&](auto zero) {
      using M = Matrix<decltype(zero)>;
      M x(3, 1, {1, 2, 3}), y(2, 1, {10, 1}), out(3, 1, -77);
      kernel({out}, {x, y});
      for (int64_t i = 0; i < 3; ++i)
        EXPECT_EQ(out[i][0], 11 * std::stod(factor) * x[i][0]);
    };
    if (type == DType::F32)
      check(0.0f);
    else
      check(0.0);
    return kernel.origin();
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> files;
    for (const fs::directory_entry &entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file())
        files.push_back(entry.path());
    return files;
  }

  fs::path folder;
};

} // namespace

TEST_F(CachesTest, AnotherEngineFindsKernelsOnDisk) {
  EXPECT_EQ(origin(options()), "compiled");
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(origin(options()), "disk");
  // Another formula, another type: another kernel.
  EXPECT_EQ(origin(options(), "5"), "compiled");
  EXPECT_EQ(origin(options(), "3", DType::F64), "compiled");
  EXPECT_EQ(origin(options(), "5"), "disk");
  EXPECT_EQ(files().size(), 3u);
}

/// Names do not matter, positions do.
TEST_F(CachesTest, TheKeyIsWhatTheFormulaMeans) {
  Engine engine(options());
  engine.compile("Sum_Reduction(x-y, 0)", {"x = Vi(1)", "y = Vj(1)"}, DType::F32);
  Engine again(options());
  Kernel renamed = again.compile("Sum_Reduction(a - b, 0)", {"a = Vi(1)", "b = Vj(1)"}, DType::F32);
  EXPECT_STREQ(renamed.origin(), "disk");
  Kernel swapped = again.compile("Sum_Reduction(a - b, 0)", {"b = Vj(0,1)", "a = Vi(1,1)"}, DType::F32);
  EXPECT_STREQ(swapped.origin(), "compiled");
  Matrix<float> one(1, 1, 1.0f), four(1, 1, 4.0f), out(1, 1, -77.0f);
  renamed({out}, {one, four});
  EXPECT_EQ(out[0][0], -3);
  swapped({out}, {one, four});
  EXPECT_EQ(out[0][0], 3);
  // An unused argument is an array of the call all the same.
  Kernel wider = again.compile("Sum_Reduction(x-y, 0)", {"x = Vi(1)", "y = Vj(1)", "z = Pm(2)"}, DType::F32);
  EXPECT_EQ(wider.arguments().size(), 3u);
  EXPECT_EQ(renamed.arguments().size(), 2u);
}

TEST_F(CachesTest, DamagedEntriesAreRebuilt) {
  EXPECT_EQ(origin(options()), "compiled");
  ASSERT_EQ(files().size(), 1u);
  fs::path entry = files()[0];
  std::ostringstream whole;
  whole << std::ifstream(entry, std::ios::binary).rdbuf();
  std::string bytes = whole.str();
  auto replace = [&](const std::string &content) {
    std::ofstream(entry, std::ios::binary | std::ios::trunc) << content;
  };
  std::string flipped = bytes;
  flipped[bytes.size() * 3 / 4] ^= 1;
  for (const std::string &content : {std::string(), std::string("not an entry at all"), bytes.substr(0, 20),
                                     bytes.substr(0, bytes.size() / 2), bytes + "x", flipped}) {
    replace(content);
    EXPECT_EQ(origin(options()), "compiled") << content.size() << " bytes";
    EXPECT_EQ(origin(options()), "disk") << "not stored anew after " << content.size() << " bytes";
  }
}

TEST_F(CachesTest, WorksWithoutAFolder) {
  Engine::Options nowhere = options();
  nowhere.cacheFolder = "/proc/no-such-folder";
  EXPECT_EQ(origin(nowhere), "compiled");
  EXPECT_EQ(origin(nowhere), "compiled");
  // A file where the folder should be.
  nowhere.cacheFolder = (folder / "file").string();
  std::ofstream(nowhere.cacheFolder) << "in the way";
  EXPECT_EQ(origin(nowhere), "compiled");
  // Off means off.
  Engine::Options off = options();
  off.diskCache = false;
  size_t before = files().size();
  EXPECT_EQ(origin(off), "compiled");
  EXPECT_EQ(files().size(), before);
}

TEST_F(CachesTest, TheSameFormulaIsCompiledOnce) {
  Engine engine(inMemory());
  Formula formula = exp(-sqdist(rowVariable(0, 3), columnVariable(1, 3)));
  double milliseconds = engine.compile(sum(formula, Over::Columns), DType::F32).compileMilliseconds();
  EXPECT_GT(milliseconds, 0);
  // The kernel is the same one: its time was not spent again.
  EXPECT_EQ(engine.compile(sum(formula, Over::Columns), DType::F32).compileMilliseconds(), milliseconds);
}
