//===- Simulator.cpp - A GPU made of fibers --------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The scheduler. A fiber gives way only where its GPU thread would wait for
// others, so once no fiber is ready each stands at a barrier, at a shuffle, at a
// vote or at its end, and whoever waits for what cannot come is found by looking.
//
// Nothing on a fiber's stack owns memory when the fiber is given up, because
// checks leave their sentence in the simulation and return before the switch.
//
//===----------------------------------------------------------------------===//

#include "SimulatedMemory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

using namespace keops::runtime;

static constexpr int64_t WarpSize = 32;

namespace {

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

struct Simulation;

/// One GPU thread. The base class is what its code reads.
struct Fiber : SimThread {
  enum class State : uint8_t { Ready, AtBarrier, AtShuffle, AtVote, Finished };

  Simulation *simulation;
  ucontext_t context;
  State state;
  uint16_t number; // in its block
  uint32_t site;   // where it waits
  /// Asynchronous copies under way, and the numbers of those in each group.
  struct Copy {
    void *to, *from;
    uint32_t site;
  };
  std::vector<Copy> copies;
  std::vector<size_t> groups;

  uint64_t shuffleBits;
  int32_t shuffleOffset, shuffleWidth;
  uint32_t voters; // a bit for each of the warp
  bool vote;
};

/// Stacks side by side, each above a page that must not be touched.
class StackArena {
public:
  ~StackArena() {
    if (base)
      munmap(base, total);
  }

  bool allocate(size_t count, size_t localBytes) {
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    guard = page;
    stackBytes = CodeBytes + (localBytes + page - 1) / page * page;
    total = count * (guard + stackBytes);
    void *memory =
        mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, 0);
    if (memory == MAP_FAILED)
      return false;
    base = static_cast<char *>(memory);
    for (size_t i = 0; i < count; ++i)
      if (mprotect(base + i * (guard + stackBytes), guard, PROT_NONE) != 0)
        return false;
    return true;
  }

  char *stack(size_t index) const { return base + index * (guard + stackBytes) + guard; }
  size_t bytes() const { return stackBytes; }

private:
  /// Of each stack beside the thread's own arrays.
  static constexpr size_t CodeBytes = 128 << 10;

  char *base = nullptr;
  size_t guard = 0, stackBytes = 0, total = 0;
};

/// A small generator, so that a seed means the same order everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}

  uint64_t below(uint64_t bound) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
  }

  template <typename T>
  void shuffle(std::vector<T> &values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[below(i)]);
  }

private:
  uint64_t state;
};

//===----------------------------------------------------------------------===//
// Simulation
//===----------------------------------------------------------------------===//

/// One launch in progress.
struct Simulation {
  Simulation(const SimProgram &program, const SimLaunch &launch)
      : program(program), launch(launch), random(launch.seed), memory(program, launch) {}

  /// Each sets `fault` and returns false when it finds one.
  bool checkLaunch();
  bool prepare();
  bool runBlock(int64_t block);

  /// Leaves `fiber` for the scheduler; returns when it is resumed, if ever.
  void leave(Fiber &fiber) { swapcontext(&fiber.context, &scheduler); }

  std::string describe(const Fiber &fiber) const { return describeThread(launch, currentBlock, fiber.number); }

  bool fail(std::string sentence) {
    fault = std::move(sentence);
    return false;
  }

  const SimProgram &program;
  const SimLaunch &launch;
  Random random;
  std::vector<uint64_t> slots; // the arguments
  SimulatedMemory memory;
  StackArena stacks;
  std::vector<Fiber> fibers;
  std::vector<uint16_t> order;
  ucontext_t scheduler;
  int64_t currentBlock = 0;
  std::optional<std::string> fault;

private:
  void startBlock(int64_t block);
  bool runReadyFibers();
  bool releaseWarps(bool &released);
  bool exchangeShuffle(size_t warpBegin, const Fiber &first);
  bool countVotes(size_t warpBegin, const Fiber &first);
  bool checkBarrier(bool &finished);
};

} // namespace

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

static const char *nameOf(SimType type) {
  static constexpr const char *Names[] = {"pointer", "i64", "i32", "f32", "f64"};
  return Names[static_cast<size_t>(type)];
}

//===----------------------------------------------------------------------===//
// Preparing a launch
//===----------------------------------------------------------------------===//

bool Simulation::checkLaunch() {
  static constexpr std::array<int64_t, 3> MaxBlock = {1024, 1024, 64}, MaxGrid = {(1ll << 31) - 1, 65535, 65535};
  static constexpr const char *Axes[] = {"x", "y", "z"};
  for (int i = 0; i < 3; ++i) {
    auto check = [&](const char *what, int64_t size, int64_t limit) {
      return (size >= 1 && size <= limit) || fail(std::string(what) + " size in " + Axes[i] + " must be from 1 to " +
                                                  std::to_string(limit) + ", but is " + std::to_string(size));
    };
    if (!check("block", launch.block[i], MaxBlock[i]) || !check("grid", launch.grid[i], MaxGrid[i]))
      return false;
  }
  int64_t threads = launch.block[0] * launch.block[1] * launch.block[2];
  if (threads > 1024)
    return fail("a block has at most 1024 threads, but " + std::to_string(threads) + " were asked for");
  if (program.requiredBlock && *program.requiredBlock != launch.block)
    return fail("kernel @" + program.name + " was compiled for blocks of " + toString(*program.requiredBlock) +
                " threads, but is launched with " + toString(launch.block));

  if (launch.arguments.size() != program.parameters.size())
    return fail("kernel @" + program.name + " takes " + std::to_string(program.parameters.size()) +
                " arguments, but got " + std::to_string(launch.arguments.size()));
  for (size_t i = 0; i < launch.arguments.size(); ++i) {
    // The alternatives of SimArgument stand in the order of SimType.
    SimType given = static_cast<SimType>(launch.arguments[i].index());
    if (given != program.parameters[i])
      return fail("argument " + std::to_string(i) + " of kernel @" + program.name + " must be of type " +
                  nameOf(program.parameters[i]) + ", but is of type " + nameOf(given));
  }

  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    const SimBuffer &a = launch.buffers[i];
    if (a.bytes < 0 || (a.bytes > 0 && !a.data))
      return fail("buffer " + std::to_string(i) + " has no memory for " + countBytes(a.bytes));
    // Each byte that may be written must have one record of who touched it.
    for (size_t j = 0; j < i; ++j) {
      const SimBuffer &b = launch.buffers[j];
      const char *aBegin = static_cast<char *>(a.data), *bBegin = static_cast<char *>(b.data);
      if ((a.writable || b.writable) && aBegin < bBegin + b.bytes && bBegin < aBegin + a.bytes)
        return fail("buffers " + std::to_string(j) + " and " + std::to_string(i) +
                    " overlap, but one of them is writable");
    }
  }
  if (launch.sharedBytes < 0)
    return fail("dynamic shared memory cannot have " + countBytes(launch.sharedBytes));
  return true;
}

bool Simulation::prepare() {
  for (const SimArgument &argument : launch.arguments) {
    uint64_t slot = 0;
    std::visit([&](auto value) { std::memcpy(&slot, &value, sizeof(value)); }, argument);
    slots.push_back(slot);
  }

  if ((fault = memory.allocate()))
    return false;

  size_t threads = launch.block[0] * launch.block[1] * launch.block[2];
  if (!stacks.allocate(threads, program.localBytes))
    return fail("not enough memory for the stacks of " + std::to_string(threads) + " threads");
  fibers.resize(threads);
  order.resize(threads);
  std::iota(order.begin(), order.end(), 0);
  return true;
}

//===----------------------------------------------------------------------===//
// Running a block
//===----------------------------------------------------------------------===//

/// First function of every fiber; makecontext passes nothing wider than int.
static void fiberMain(unsigned high, unsigned low) {
  Fiber &fiber = *reinterpret_cast<Fiber *>((static_cast<uintptr_t>(high) << 32) | low);
  Simulation &simulation = *fiber.simulation;
  simulation.program.entry(&fiber, simulation.slots.data());
  fiber.state = Fiber::State::Finished;
  simulation.leave(fiber);
}

void Simulation::startBlock(int64_t block) {
  currentBlock = block;
  memory.beginBlock(block);
  const std::array<int64_t, 3> blockId = coordinates(block, launch.grid);
  for (size_t number = 0; number < fibers.size(); ++number) {
    Fiber &fiber = fibers[number];
    const std::array<int64_t, 3> threadId = coordinates(static_cast<int64_t>(number), launch.block);
    std::copy(threadId.begin(), threadId.end(), fiber.threadId);
    std::copy(blockId.begin(), blockId.end(), fiber.blockId);
    std::copy(launch.block.begin(), launch.block.end(), fiber.blockDim);
    std::copy(launch.grid.begin(), launch.grid.end(), fiber.gridDim);
    fiber.lane = static_cast<int64_t>(number) % WarpSize;
    fiber.shared = memory.sharedBase();
    fiber.shuffleValid = 0;
    fiber.simulation = this;
    fiber.number = static_cast<uint16_t>(number);
    fiber.state = Fiber::State::Ready;
    fiber.copies.clear();
    fiber.groups.clear();

    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stacks.stack(number);
    fiber.context.uc_stack.ss_size = stacks.bytes();
    fiber.context.uc_link = nullptr;
    uintptr_t address = reinterpret_cast<uintptr_t>(&fiber);
    makecontext(&fiber.context, reinterpret_cast<void (*)()>(fiberMain), 2, static_cast<unsigned>(address >> 32),
                static_cast<unsigned>(address));
  }
}

bool Simulation::runReadyFibers() {
  if (launch.seed != 0)
    random.shuffle(order);
  for (uint16_t number : order) {
    Fiber &fiber = fibers[number];
    if (fiber.state != Fiber::State::Ready)
      continue;
    swapcontext(&scheduler, &fiber.context);
    if (fault)
      return false;
  }
  return true;
}

/// No fiber is ready. If all wait at one barrier, passes it; `finished` says
/// that all have ended instead.
bool Simulation::checkBarrier(bool &finished) {
  const Fiber *waiting = nullptr, *ended = nullptr;
  for (const Fiber &fiber : fibers) {
    if (fiber.state == Fiber::State::Finished) {
      ended = &fiber;
      continue;
    }
    if (waiting && waiting->site != fiber.site)
      return fail("divergent barrier: " + describe(*waiting) + " waits at " + program.sites[waiting->site].text +
                  ", but " + describe(fiber) + " at " + program.sites[fiber.site].text);
    waiting = &fiber;
  }
  finished = !waiting;
  if (waiting && ended)
    return fail("divergent barrier: " + describe(*waiting) + " waits at " + program.sites[waiting->site].text +
                ", but " + describe(*ended) + " has ended");
  for (Fiber &fiber : fibers)
    if (waiting)
      fiber.state = Fiber::State::Ready;
  memory.passBarrier();
  return true;
}

bool Simulation::runBlock(int64_t block) {
  startBlock(block);
  for (bool finished = false; !finished;) {
    for (bool released = true; released;)
      if (!runReadyFibers() || !releaseWarps(released))
        return false;
    if (!checkBarrier(finished))
      return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Shuffles and votes: a rendezvous within a group of 32, of the first `width`
// threads or of those in a mask
//===----------------------------------------------------------------------===//

/// No fiber is ready, so a group in which some wait at a shuffle or a vote is
/// either complete or stuck.
bool Simulation::releaseWarps(bool &released) {
  released = false;
  for (const Fiber &fiber : fibers) {
    size_t warpBegin = fiber.number / WarpSize * WarpSize;
    if (fiber.state == Fiber::State::AtShuffle ? !exchangeShuffle(warpBegin, fiber)
                                               : fiber.state == Fiber::State::AtVote && !countVotes(warpBegin, fiber))
      return false;
    released |= fiber.state == Fiber::State::Ready;
  }
  return true;
}

bool Simulation::countVotes(size_t warpBegin, const Fiber &first) {
  const uint32_t voters = first.voters;
  bool any = false;
  for (size_t lane = 0; lane < WarpSize; ++lane) {
    size_t i = warpBegin + lane;
    bool takesPart = voters >> lane & 1;
    bool present = i < fibers.size() && fibers[i].state == Fiber::State::AtVote && fibers[i].site == first.site &&
                   fibers[i].voters == voters;
    if (takesPart != present)
      return fail("divergent vote: the threads of a group of 32 in a mask must take part in " +
                  program.sites[first.site].text + ", but that of lane " + std::to_string(lane) +
                  (present ? " does and is not in it" : " does not") + ", next to " + describe(first));
    any |= present && fibers[i].vote;
  }
  for (size_t lane = 0; lane < WarpSize; ++lane)
    if (voters >> lane & 1) {
      fibers[warpBegin + lane].vote = any;
      fibers[warpBegin + lane].state = Fiber::State::Ready;
    }
  return true;
}

bool Simulation::exchangeShuffle(size_t warpBegin, const Fiber &first) {
  const SimSite &site = program.sites[first.site];
  const int32_t width = first.shuffleWidth;
  if (width < 1 || width > WarpSize)
    return fail("the width of a shuffle must be from 1 to 32, but " + describe(first) + " asks for " +
                std::to_string(width) + " at " + site.text);
  size_t warpEnd = std::min<size_t>(warpBegin + WarpSize, fibers.size());
  for (size_t i = warpBegin; i < warpBegin + WarpSize; ++i) {
    bool takesPart = static_cast<int32_t>(i - warpBegin) < width;
    bool present = i < warpEnd && fibers[i].state == Fiber::State::AtShuffle && fibers[i].site == first.site &&
                   fibers[i].shuffleWidth == width;
    if (takesPart == present)
      continue;
    return fail("divergent shuffle: the first " + std::to_string(width) +
                " threads of a group of 32 must take part in " + site.text + ", but that of lane " +
                std::to_string(i - warpBegin) + (present ? " does as well" : " does not") + ", next to " +
                describe(first));
  }
  for (int32_t lane = 0; lane < width; ++lane) {
    Fiber &fiber = fibers[warpBegin + lane];
    int64_t offset = fiber.shuffleOffset, source = offset;
    if (site.shuffle == SimSite::Shuffle::Xor)
      source = lane ^ offset;
    if (site.shuffle == SimSite::Shuffle::Up)
      source = lane - offset;
    if (site.shuffle == SimSite::Shuffle::Down)
      source = lane + offset;
    fiber.shuffleValid = source >= 0 && source < width;
    // Sources are read below, so this must not overwrite what others still want.
    fiber.shuffleOffset = static_cast<int32_t>(fiber.shuffleValid ? source : -1);
  }
  std::array<uint64_t, WarpSize> bits;
  for (int32_t lane = 0; lane < width; ++lane) {
    int32_t source = fibers[warpBegin + lane].shuffleOffset;
    bits[lane] = source < 0 ? ~uint64_t(0) : fibers[warpBegin + source].shuffleBits;
  }
  for (int32_t lane = 0; lane < width; ++lane) {
    fibers[warpBegin + lane].shuffleBits = bits[lane];
    fibers[warpBegin + lane].state = Fiber::State::Ready;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// What compiled code calls
//===----------------------------------------------------------------------===//

static void enterAccess(SimThread *thread, void *address, uint32_t site) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  if ((fiber.simulation->fault = fiber.simulation->memory.touch(fiber.number, address, site)))
    fiber.simulation->leave(fiber);
}

static void enterCopy(SimThread *thread, void *to, void *from, uint32_t site) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  if ((fiber.simulation->fault = fiber.simulation->memory.startCopy(fiber.number, to, from, site)))
    return fiber.simulation->leave(fiber);
  fiber.copies.push_back({to, from, site});
}

static void enterCommit(SimThread *thread, uint32_t) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  size_t grouped = std::accumulate(fiber.groups.begin(), fiber.groups.end(), size_t(0));
  fiber.groups.push_back(fiber.copies.size() - grouped);
}

static void enterWait(SimThread *thread, int32_t groups, uint32_t) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  while (static_cast<int64_t>(fiber.groups.size()) > groups) {
    for (size_t n = 0; n < fiber.groups.front(); ++n) {
      const Fiber::Copy &copy = fiber.copies[n];
      if ((fiber.simulation->fault = fiber.simulation->memory.endCopy(fiber.number, copy.to, copy.from, copy.site)))
        return fiber.simulation->leave(fiber);
    }
    fiber.copies.erase(fiber.copies.begin(), fiber.copies.begin() + static_cast<ptrdiff_t>(fiber.groups.front()));
    fiber.groups.erase(fiber.groups.begin());
  }
}

static void enterLocal(SimThread *thread, void *address, int64_t bytes, uint32_t) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  fiber.simulation->memory.addLocal(fiber.number, static_cast<char *>(address), bytes);
}

static void enterBarrier(SimThread *thread, uint32_t site) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  fiber.state = Fiber::State::AtBarrier;
  fiber.site = site;
  fiber.simulation->leave(fiber);
}

static bool failDivision(Fiber &fiber, uint32_t site) {
  return fiber.simulation->fail("integer division: " + fiber.simulation->describe(fiber) +
                                " divides by zero or overflows, in " + fiber.simulation->program.sites[site].text);
}

static void enterDivision(SimThread *thread, int32_t permitted, uint32_t site) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  if (!permitted && !failDivision(fiber, site))
    fiber.simulation->leave(fiber);
}

static uint64_t enterShuffle(SimThread *thread, uint64_t bits, int32_t offset, int32_t width, uint32_t site) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  fiber.state = Fiber::State::AtShuffle;
  fiber.site = site;
  fiber.shuffleBits = bits;
  fiber.shuffleOffset = offset;
  fiber.shuffleWidth = width;
  fiber.simulation->leave(fiber);
  return fiber.shuffleBits;
}

static uint32_t enterVote(SimThread *thread, uint32_t voters, uint32_t yes, uint32_t site) {
  Fiber &fiber = *static_cast<Fiber *>(thread);
  fiber.state = Fiber::State::AtVote;
  fiber.site = site;
  fiber.voters = voters;
  fiber.vote = yes != 0;
  fiber.simulation->leave(fiber);
  return fiber.vote;
}

std::vector<std::pair<const char *, void *>> keops::runtime::simulatorFunctions() {
  return {{"keops_sim_access", reinterpret_cast<void *>(enterAccess)},
          {"keops_sim_copy", reinterpret_cast<void *>(enterCopy)},
          {"keops_sim_commit", reinterpret_cast<void *>(enterCommit)},
          {"keops_sim_wait", reinterpret_cast<void *>(enterWait)},
          {"keops_sim_local", reinterpret_cast<void *>(enterLocal)},
          {"keops_sim_barrier", reinterpret_cast<void *>(enterBarrier)},
          {"keops_sim_divide", reinterpret_cast<void *>(enterDivision)},
          {"keops_sim_shuffle", reinterpret_cast<void *>(enterShuffle)},
          {"keops_sim_vote", reinterpret_cast<void *>(enterVote)}};
}

//===----------------------------------------------------------------------===//
// Doors
//===----------------------------------------------------------------------===//

void keops::runtime::addSharedArray(SimProgram &program, SimSharedArray array) {
  constexpr int64_t Gap = 64; // an index a little too far lands in nobody's array
  int64_t end = 0;
  if (!program.sharedArrays.empty())
    end = program.sharedArrays.back().offset + program.sharedArrays.back().bytes;
  int64_t unit = 2 * array.alignment;
  array.offset = (end + Gap + unit - 1) / unit * unit + array.alignment;
  program.sharedArrays.push_back(std::move(array));
}

std::optional<std::string> keops::runtime::simulate(const SimProgram &program, const SimLaunch &launch) {
  Simulation simulation(program, launch);
  if (!simulation.checkLaunch() || !simulation.prepare())
    return simulation.fault;

  // The blocks are taken in steps that share no factor with their number, so
  // that each comes once without a list of them.
  const int64_t blocks = launch.grid[0] * launch.grid[1] * launch.grid[2];
  int64_t block = 0, step = 1;
  if (launch.seed != 0) {
    block = static_cast<int64_t>(simulation.random.below(blocks));
    do
      step = 1 + static_cast<int64_t>(simulation.random.below(blocks));
    while (std::gcd(step, blocks) != 1);
  }
  for (int64_t done = 0; done < blocks; ++done, block = (block + step) % blocks)
    if (!simulation.runBlock(block))
      return simulation.fault;
  return std::nullopt;
}
