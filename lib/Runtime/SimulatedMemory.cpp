//===- SimulatedMemory.cpp - Memory that is asked before it is touched -----===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The checks of one access, in the order in which a later one would make no
// sense without the earlier: where, through what pointer, how aligned, whether
// there is something to read, and who else is there.
//
//===----------------------------------------------------------------------===//

#include "SimulatedMemory.h"

#include <algorithm>
#include <cstring>

using namespace keops::runtime;

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

std::string keops::runtime::toString(const std::array<int64_t, 3> &triple) {
  return "(" + std::to_string(triple[0]) + ", " + std::to_string(triple[1]) + ", " + std::to_string(triple[2]) + ")";
}

std::string keops::runtime::countBytes(int64_t bytes) {
  return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}

std::string keops::runtime::describeThread(const SimLaunch &launch, int64_t block, int64_t thread) {
  return "thread " + toString(coordinates(thread, launch.block)) + " of block " +
         toString(coordinates(block, launch.grid));
}

/// "4 bytes at byte 1024 of shared array @tile, which has 1024 bytes", for the
/// region that holds the address or else lies nearest.
std::string SimulatedMemory::describePlace(uint16_t thread, uintptr_t address, int64_t bytes) const {
  std::string text = countBytes(bytes) + " at ";
  constexpr uintptr_t near = 64;
  for (const Local &local : locals[thread])
    if (address + near >= local.begin && address < local.begin + local.bytes + near)
      return text + "byte " + std::to_string(static_cast<int64_t>(address - local.begin)) +
             " of an array of the thread's own, which has " + countBytes(local.bytes);
  const Region *nearest = nullptr;
  uintptr_t nearestDistance = 1 << 20; // farther away, naming it would mislead
  for (const Region &region : regions) {
    uintptr_t begin = region.start(), end = begin + region.bytes;
    uintptr_t distance = address < begin ? begin - address : address >= end ? address - end : 0;
    if (distance < nearestDistance) {
      nearest = &region;
      nearestDistance = distance;
    }
  }
  if (address == 0)
    return text + "the null pointer";
  if (!nearest)
    return text + "an address near no buffer";
  int64_t offset = static_cast<int64_t>(address - nearest->start());
  return text + "byte " + std::to_string(offset) + " of " + nearest->name + ", which has " + countBytes(nearest->bytes);
}

//===----------------------------------------------------------------------===//
// Setting up
//===----------------------------------------------------------------------===//

std::optional<std::string> SimulatedMemory::addRegion(std::string name, char *begin, int64_t bytes, SimSpace space,
                                                      bool writable) {
  Region region = {std::move(name), begin, bytes, space, writable, nullptr};
  if (writable && bytes > 0) {
    size_t grains = grainOf(region.start() + bytes - 1) - grainOf(region.start()) + 1;
    region.touches.reset(static_cast<Touch *>(std::calloc(grains, sizeof(Touch))));
    if (!region.touches)
      return "not enough memory to watch " + countBytes(bytes) + " of " + region.name;
  }
  regions.push_back(std::move(region));
  return std::nullopt;
}

std::optional<std::string> SimulatedMemory::allocate() {
  // Accesses are aligned, or stopped before their grains are looked at.
  int64_t factors = 16;
  for (const SimSite &site : program.sites)
    if (site.bytes > 0)
      factors |= site.bytes | site.alignment;
  while (!(factors >> grainShift & 1))
    ++grainShift;

  locals.resize(launch.block[0] * launch.block[1] * launch.block[2]);
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    const SimBuffer &buffer = launch.buffers[i];
    if (auto error = addRegion("buffer " + std::to_string(i), static_cast<char *>(buffer.data), buffer.bytes,
                               SimSpace::Global, buffer.writable))
      return error;
  }

  auto bytesOf = [&](const SimSharedArray &array) {
    return array.bytes == SimSharedArray::Dynamic ? launch.sharedBytes : array.bytes;
  };
  int64_t alignment = 64;
  for (const SimSharedArray &array : program.sharedArrays) {
    alignment = std::max(alignment, 2 * array.alignment);
    sharedBytes = std::max(sharedBytes, array.offset + bytesOf(array));
  }
  sharedBytes = std::max(alignment, (sharedBytes + alignment - 1) / alignment * alignment);
  shared.reset(static_cast<char *>(std::aligned_alloc(alignment, sharedBytes)));
  if (!shared)
    return "not enough memory for " + countBytes(sharedBytes) + " of shared memory";
  for (const SimSharedArray &array : program.sharedArrays)
    if (auto error = addRegion("shared array @" + array.name, shared.get() + array.offset, bytesOf(array),
                               SimSpace::Shared, /*writable=*/true))
      return error;
  return std::nullopt;
}

void SimulatedMemory::beginBlock(int64_t number) {
  block = number;
  firstEpoch = ++epoch;
  // All ones are a NaN in every floating-point format.
  std::memset(shared.get(), 0xff, sharedBytes);
  for (std::vector<Local> &arrays : locals)
    arrays.clear();
}

void SimulatedMemory::addLocal(uint16_t thread, char *begin, int64_t bytes) {
  locals[thread].push_back({reinterpret_cast<uintptr_t>(begin), bytes});
  std::memset(begin, 0xff, bytes);
}

bool SimulatedMemory::isLocal(uint16_t thread, uintptr_t address, int64_t bytes) const {
  return std::any_of(locals[thread].begin(), locals[thread].end(), [&](const Local &local) {
    return address >= local.begin && bytes <= local.bytes &&
           address - local.begin <= static_cast<uintptr_t>(local.bytes - bytes);
  });
}

//===----------------------------------------------------------------------===//
// Checks of one access
//===----------------------------------------------------------------------===//

std::optional<std::string> SimulatedMemory::touch(uint16_t thread, void *pointer, uint32_t siteNumber) {
  const SimSite &site = program.sites[siteNumber];
  const Region *region = nullptr;
  return touch(thread, reinterpret_cast<uintptr_t>(pointer), siteNumber, site.kind == SimSite::Kind::Store, site.space,
               region);
}

std::optional<std::string> SimulatedMemory::startCopy(uint16_t thread, void *to, void *from, uint32_t siteNumber) {
  const SimSite &site = program.sites[siteNumber];
  const Region *region = nullptr;
  if (auto error =
          touch(thread, reinterpret_cast<uintptr_t>(from), siteNumber, /*isStore=*/false, SimSpace::Global, region))
    return error;
  uintptr_t place = reinterpret_cast<uintptr_t>(to);
  if (auto error = touch(thread, place, siteNumber, /*isStore=*/true, site.space, region))
    return error;
  std::memset(to, 0xff, site.bytes);
  setCopied(*region, place, site.bytes, true);
  return std::nullopt;
}

std::optional<std::string> SimulatedMemory::endCopy(uint16_t thread, void *to, void *from, uint32_t siteNumber) {
  const SimSite &site = program.sites[siteNumber];
  uintptr_t place = reinterpret_cast<uintptr_t>(to);
  const Region *region = nullptr;
  for (const Region &candidate : regions)
    if (candidate.holds(place, site.bytes))
      region = &candidate;
  setCopied(*region, place, site.bytes, false);
  std::memcpy(to, from, site.bytes);
  // It is written now: others see it after the next barrier.
  return recordTouch(thread, *region, place, siteNumber, /*isStore=*/true);
}

void SimulatedMemory::setCopied(const Region &region, uintptr_t address, int64_t bytes, bool copied) {
  for (uintptr_t grain = grainOf(address); grain < grainOf(address + bytes); ++grain)
    region.touches[grain - grainOf(region.start())].copied = copied;
}

std::optional<std::string> SimulatedMemory::touch(uint16_t thread, uintptr_t address, uint32_t siteNumber, bool isStore,
                                                  SimSpace space, const Region *&region) {
  const SimSite &site = program.sites[siteNumber];
  auto failHere = [&](const char *fault, const std::string &reason) {
    return std::string(fault) + ": " + describeThread(launch, block, thread) + (isStore ? " writes " : " reads ") +
           describePlace(thread, address, site.bytes) + reason + ", in " + site.text;
  };

  region = nullptr;
  for (const Region &candidate : regions)
    if (candidate.holds(address, site.bytes)) {
      region = &candidate;
      break;
    }
  bool local = !region && isLocal(thread, address, site.bytes);
  if (!region && !local)
    return failHere("out of bounds", "");
  if (region ? space != SimSpace::Generic && space != region->space : space != SimSpace::Generic)
    return failHere("wrong address space", space == SimSpace::Shared ? ", through a pointer to shared memory"
                                                                     : ", through a pointer to global memory");
  if (region && isStore && !region->writable)
    return failHere("store to read-only memory", "");
  if (uintptr_t excess = address % site.alignment)
    return failHere("misaligned", ", " + countBytes(excess) + " past a multiple of the promised alignment " +
                                      std::to_string(site.alignment));
  if (local || !region->touches)
    return std::nullopt;
  return recordTouch(thread, *region, address, siteNumber, isStore);
}

std::optional<std::string> SimulatedMemory::recordTouch(uint16_t thread, const Region &region, uintptr_t address,
                                                        uint32_t siteNumber, bool isStore) {
  const SimSite &site = program.sites[siteNumber];

  const uintptr_t firstGrain = grainOf(region.start());
  auto failHere = [&](const char *kind, uintptr_t grain, const std::string &reason) {
    uintptr_t byte = (grain << grainShift) - region.start();
    return std::string(kind) + ": " + describeThread(launch, block, thread) +
           (isStore ? " writes byte " : " reads byte ") + std::to_string(byte) + " of " + region.name + ", which " +
           reason + "; it does so in " + site.text;
  };
  auto race = [&](uintptr_t grain, uint16_t other, const char *verb, uint32_t otherSite) {
    return failHere("data race", grain,
                    describeThread(launch, block, other) + verb + " with no barrier in between, in " +
                        program.sites[otherSite].text);
  };
  auto raceAcrossBlocks = [&](uintptr_t grain, const char *verb) {
    return failHere("data race", grain, std::string("another block ") + verb + " in the same launch");
  };

  const uintptr_t end = grainOf(address + site.bytes);
  for (uintptr_t grain = grainOf(address); grain < end; ++grain) {
    Touch &touch = region.touches[grain - firstGrain];
    bool written = touch.writeEpoch >= firstEpoch;
    // A mark of an earlier block means nothing any more.
    if (touch.copied && written)
      return failHere("asynchronous copy", grain,
                      describeThread(launch, block, touch.writer) + " has not waited for, started in " +
                          program.sites[touch.writeSite].text);
    if (region.space == SimSpace::Shared) {
      if (!isStore && !written)
        return failHere("unwritten shared memory", grain, "no thread of the block has written");
    } else if (touch.writeEpoch != 0 && !written) {
      return raceAcrossBlocks(grain, "writes");
    }
    if (touch.writeEpoch == epoch && touch.writer != thread)
      return race(grain, touch.writer, " writes", touch.writeSite);

    bool readBefore = touch.readEpoch != 0 && touch.readEpoch < firstEpoch;
    if (region.space != SimSpace::Shared && readBefore)
      touch.readByOtherBlock = true;
    if (!isStore) {
      if (touch.readEpoch != epoch)
        touch.otherReader = thread;
      else if (touch.reader != thread)
        touch.otherReader = touch.reader;
      touch.readEpoch = epoch;
      touch.reader = thread;
      touch.readSite = siteNumber;
      continue;
    }
    if (touch.readByOtherBlock)
      return raceAcrossBlocks(grain, "reads");
    if (touch.readEpoch == epoch && (touch.reader != thread || touch.otherReader != thread))
      return race(grain, touch.reader != thread ? touch.reader : touch.otherReader, " reads", touch.readSite);
    touch.writeEpoch = epoch;
    touch.writer = thread;
    touch.writeSite = siteNumber;
    touch.copied = false;
  }
  return std::nullopt;
}
