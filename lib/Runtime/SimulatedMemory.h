//===- SimulatedMemory.h - Memory that is asked before it is touched -------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which bytes the threads of a simulated launch may touch, and who touched
// them. Time is counted in epochs: one ends at each barrier and at the end of
// each block, and none is used twice in a launch. A record of who touched a
// byte therefore never has to be cleared: its epoch says whether it is from
// this barrier interval, from earlier in this block, or from another block
// (with which no barrier ever orders us).
//
// Records are kept per grain: the most bytes such that every access of the
// program covers whole grains. So they are few, and yet no two threads ever
// seem to meet where they do not.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_RUNTIME_SIMULATEDMEMORY_H
#define KEOPS_LIB_RUNTIME_SIMULATEDMEMORY_H

#include "keops/Runtime/Simulator.h"

#include <cstdlib>
#include <memory>

namespace keops::runtime {

/// The three coordinates of number `index` in a box of `size`, x fastest.
inline std::array<int64_t, 3> coordinates(int64_t index, const std::array<int64_t, 3> &size) {
  return {index % size[0], index / size[0] % size[1], index / size[0] / size[1]};
}

/// "(1, 2, 3)"
std::string toString(const std::array<int64_t, 3> &triple);
/// "1 byte", "2 bytes"
std::string countBytes(int64_t bytes);
/// "thread (1, 0, 0) of block (2, 0, 0)"
std::string describeThread(const SimLaunch &launch, int64_t block, int64_t thread);

/// Calloc, because untouched pages of a large zeroed array cost nothing.
struct FreeMemory {
  void operator()(void *pointer) const { std::free(pointer); }
};

/// All memory of one launch, buffers and shared arrays.
class SimulatedMemory {
public:
  SimulatedMemory(const SimProgram &program, const SimLaunch &launch) : program(program), launch(launch) {}

  /// Sets memory up; a sentence if there is not enough of it.
  std::optional<std::string> allocate();

  /// Forgets what shared memory held; from here on, block `number` runs.
  void beginBlock(int64_t number);
  void passBarrier() { ++epoch; }
  /// Starts an asynchronous copy, which leaves its place without a value, and
  /// ends one; or returns why it must not.
  std::optional<std::string> startCopy(uint16_t thread, void *to, void *from, uint32_t site);
  std::optional<std::string> endCopy(uint16_t thread, void *to, void *from, uint32_t site);
  /// `bytes` at `begin` are memory of `thread` alone until its block ends.
  void addLocal(uint16_t thread, char *begin, int64_t bytes);

  /// Records that `thread` of the current block does the load or store of
  /// `site` at `pointer`, or returns why it must not.
  std::optional<std::string> touch(uint16_t thread, void *pointer, uint32_t site);

  char *sharedBase() const { return shared.get(); }

private:
  /// Who touched one grain last. Epoch 0 means nobody in this launch.
  struct Touch {
    uint32_t writeEpoch, readEpoch;
    uint32_t writeSite, readSite;
    uint16_t writer;
    uint16_t reader, otherReader; // two different readers of `readEpoch`, or the same twice
    bool readByOtherBlock;
    bool copied; // by an asynchronous copy that nobody waited for yet
  };

  /// A stretch of memory of one thread.
  struct Local {
    uintptr_t begin;
    int64_t bytes;
  };

  /// A stretch of memory that the kernel may touch.
  struct Region {
    std::string name;
    char *begin;
    int64_t bytes;
    SimSpace space;
    bool writable;
    std::unique_ptr<Touch[], FreeMemory> touches; // null when nothing can race: memory that is only read

    uintptr_t start() const { return reinterpret_cast<uintptr_t>(begin); }
    bool holds(uintptr_t address, int64_t count) const {
      return address >= start() && count <= bytes && address - start() <= static_cast<uintptr_t>(bytes - count);
    }
  };

  std::optional<std::string> addRegion(std::string name, char *begin, int64_t bytes, SimSpace space, bool writable);
  bool isLocal(uint16_t thread, uintptr_t address, int64_t bytes) const;
  std::optional<std::string> touch(uint16_t thread, uintptr_t address, uint32_t site, bool isStore, SimSpace space,
                                   const Region *&region);
  std::optional<std::string> recordTouch(uint16_t thread, const Region &region, uintptr_t address, uint32_t siteNumber,
                                         bool isStore);
  void setCopied(const Region &region, uintptr_t address, int64_t bytes, bool copied);
  /// Number of the grain at `address` among those of all memory.
  uintptr_t grainOf(uintptr_t address) const { return address >> grainShift; }
  std::string describePlace(uint16_t thread, uintptr_t address, int64_t bytes) const;

  const SimProgram &program;
  const SimLaunch &launch;
  std::vector<Region> regions;
  std::vector<std::vector<Local>> locals; // of each thread
  std::unique_ptr<char, FreeMemory> shared;
  int64_t sharedBytes = 0;
  unsigned grainShift = 0; // binary logarithm of a grain's bytes
  int64_t block = 0;
  uint32_t epoch = 0, firstEpoch = 0; // now, and at the start of this block
};

} // namespace keops::runtime

#endif // KEOPS_LIB_RUNTIME_SIMULATEDMEMORY_H
