//===- Simulator.h - A GPU made of fibers ----------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs a GPU kernel on the processor so that it can be wrong in safety. Every
// thread of a block is a fiber that runs until its next barrier; the order of
// the fibers is drawn anew after each barrier. Before each access to memory
// the kernel asks whether it may, and is stopped when the address lies
// outside of what was given, breaks a promised alignment, reads shared memory
// that nobody wrote, or touches a byte that another thread touches too with
// no barrier in between. A fault is a sentence, never a crash or a hang.
//
// This is the half that knows no compiler: `SimProgram` is what the compiler
// hands over, with a host function in which every operation that the
// simulator must see has become a call, named by its number in `sites`.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_SIMULATOR_H
#define KEOPS_RUNTIME_SIMULATOR_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace keops::runtime {

//===----------------------------------------------------------------------===//
// The program, as the compiler makes it
//===----------------------------------------------------------------------===//

/// Address spaces, by the numbers that NVPTX gives them.
enum class SimSpace : uint8_t { Generic = 0, Global = 1, Shared = 3 };

/// An operation that the simulator takes part in.
struct SimSite {
  enum class Kind : uint8_t { Load, Store, Copy, Commit, Wait, Local, Barrier, Division, Shuffle, Vote };
  enum class Shuffle : uint8_t { Xor, Up, Down, Index };

  Kind kind = Kind::Barrier;
  std::string text;                   ///< the operation and where it stands, for people
  int64_t bytes = 0;                  ///< Load, Store and Copy: how many bytes
  int64_t alignment = 1;              ///< the same: what the address was promised to be a multiple of
  SimSpace space = SimSpace::Generic; ///< the same: the space of the pointer; of a copy, where it goes
  Shuffle shuffle = Shuffle::Xor;     ///< Shuffle: its mode
};

/// One array in shared memory. Code finds it at `offset` from the base.
struct SimSharedArray {
  static constexpr int64_t Dynamic = -1;

  std::string name;
  int64_t bytes = 0; ///< `Dynamic`: as many as the launch says
  int64_t alignment = 1;
  int64_t offset = 0;
};

/// Kinds of kernel parameters; `index` parameters are I64.
enum class SimType : uint8_t { Pointer, I64, I32, F32, F64 };

/// The part of a thread's state that compiled code reads, by field offset.
struct SimThread {
  int64_t threadId[3];
  int64_t blockId[3];
  int64_t blockDim[3];
  int64_t gridDim[3];
  int64_t lane;         ///< place in the group of 32 consecutive threads
  char *shared;         ///< base of the shared arrays
  int64_t shuffleValid; ///< whether the last shuffle had a source
};

/// A kernel for the simulator. Parameters come as 8-byte slots.
struct SimProgram {
  using Entry = void (*)(SimThread *thread, const uint64_t *arguments);

  std::string name;
  Entry entry = nullptr;
  std::vector<SimType> parameters;
  std::vector<SimSite> sites;
  std::vector<SimSharedArray> sharedArrays;
  int64_t localBytes = 0;                              ///< of each thread's own memory
  std::optional<std::array<int64_t, 3>> requiredBlock; ///< the only block size that the kernel may be launched with
};

/// Gives `array` its place after those in `program` and appends it. Its
/// address is a multiple of its alignment and of no larger power of two, so
/// that code which counts on more is found out; gaps separate the arrays.
/// A dynamic array must come last.
void addSharedArray(SimProgram &program, SimSharedArray array);

/// The functions that compiled code calls, to be defined under these names:
///   void keops_sim_access(SimThread *, void *address, i32 site)     before each load and store
///   void keops_sim_copy(SimThread *, void *to, void *from, i32 site)         starts an asynchronous copy
///   void keops_sim_commit(SimThread *, i32 site)                             makes a group of those not in one
///   void keops_sim_wait(SimThread *, i32 groups, i32 site)                   for all groups but the last ones
///   void keops_sim_local(SimThread *, void *address, i64 bytes, i32 site)    for each array of the thread's own
///   void keops_sim_barrier(SimThread *, i32 site)
///   void keops_sim_divide(SimThread *, i32 permitted, i32 site)     before each integer division
///   i64  keops_sim_shuffle(SimThread *, i64 bits, i32 offset, i32 width, i32 site)
///   i32  keops_sim_vote(SimThread *, i32 mask, i32 yes, i32 site)   whether any of the threads in the mask says yes
std::vector<std::pair<const char *, void *>> simulatorFunctions();

//===----------------------------------------------------------------------===//
// The launch
//===----------------------------------------------------------------------===//

/// Memory that the kernel may touch: the simulated GPU's global memory.
struct SimBuffer {
  void *data = nullptr;
  int64_t bytes = 0;
  bool writable = false;
};

using SimArgument = std::variant<void *, int64_t, int32_t, float, double>;

/// One launch. Pointers among the arguments must point into `buffers` where
/// the kernel follows them.
struct SimLaunch {
  std::array<int64_t, 3> grid = {1, 1, 1};
  std::array<int64_t, 3> block = {1, 1, 1};
  std::vector<SimArgument> arguments;
  std::vector<SimBuffer> buffers;
  int64_t sharedBytes = 0; ///< size of the dynamic shared array, if the kernel has one
  uint64_t seed = 0;       ///< 0: blocks and threads in order; else the order is drawn from it
};

/// Runs the whole grid and returns nothing, or stops at the first fault and
/// returns a sentence that names it, with its thread and its operation. Blocks
/// run one after the other. Buffers hold what was written until then.
std::optional<std::string> simulate(const SimProgram &program, const SimLaunch &launch);

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_SIMULATOR_H
