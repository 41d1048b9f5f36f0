//===- KnownTargets.cpp - Numbers of processors -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table of constants per processor. Others that LLVM knows by name get the
// numbers of their instruction set, which LLVM's own table tells. Cache sizes
// are those of one core, from the vendors' data sheets.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/KnownTargets.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

#include <mutex>

using namespace mlir;
using namespace keops;

namespace {
struct KnownTarget {
  llvm::StringLiteral name;
  int64_t vectorBits, registers, l1, l2;
  bool scalef, gpu;
  Throughput throughput;
};
} // namespace

static constexpr int64_t kKiB = 1024, kMiB = 1024 * 1024;

static constexpr KnownTarget kTargets[] = {
    {"x86-64-v3", 256, 16, 32 * kKiB, 256 * kKiB, false, false, {16, 8}},
    {"haswell", 256, 16, 32 * kKiB, 256 * kKiB, false, false, {16, 8}},
    {"znver2", 256, 16, 32 * kKiB, 512 * kKiB, false, false, {16, 8}},
    {"znver3", 256, 16, 32 * kKiB, 512 * kKiB, false, false, {16, 8}},
    {"alderlake", 256, 16, 48 * kKiB, 1280 * kKiB, false, false, {16, 8}},
    {"x86-64-v4", 512, 32, 32 * kKiB, 1 * kMiB, true, false, {32, 16}},
    {"skylake-avx512", 512, 32, 32 * kKiB, 1 * kMiB, true, false, {32, 16}},
    {"icelake-server", 512, 32, 48 * kKiB, 1280 * kKiB, true, false, {32, 16}},
    {"sapphirerapids", 512, 32, 48 * kKiB, 2 * kMiB, true, false, {32, 16}},
    {"znver4", 512, 32, 32 * kKiB, 1 * kMiB, true, false, {16, 8}},
    {"znver5", 512, 32, 48 * kKiB, 1 * kMiB, true, false, {32, 16}},
    {"neoverse-n1", 128, 32, 64 * kKiB, 1 * kMiB, false, false, {8, 4}},
    {"neoverse-v1", 128, 32, 64 * kKiB, 1 * kMiB, false, false, {16, 8}},
    {"neoverse-v2", 128, 32, 64 * kKiB, 2 * kMiB, false, false, {16, 8}},
    {"apple-m1", 128, 32, 128 * kKiB, 3 * kMiB, false, false, {16, 8}},
    // On a GPU: shared memory of one block, and the units of one multiprocessor.
    {"sm_70", 0, 255, 96 * kKiB, 0, false, true, {64, 32}},
    {"sm_75", 0, 255, 64 * kKiB, 0, false, true, {64, 2}},
    {"sm_80", 0, 255, 164 * kKiB, 0, false, true, {64, 32}},
    {"sm_86", 0, 255, 100 * kKiB, 0, false, true, {128, 2}},
    {"sm_89", 0, 255, 100 * kKiB, 0, false, true, {128, 2}},
    {"sm_90", 0, 255, 228 * kKiB, 0, false, true, {128, 64}},
    {"sm_100", 0, 255, 228 * kKiB, 0, false, true, {128, 64}},
    {"sm_120", 0, 255, 100 * kKiB, 0, false, true, {128, 2}},
};

static const KnownTarget *find(StringRef name) {
  const auto *it = llvm::find_if(kTargets, [&](const KnownTarget &target) { return target.name == name; });
  return it == std::end(kTargets) ? nullptr : it;
}

//===----------------------------------------------------------------------===//
// What LLVM knows
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral kTripleX86 = "x86_64-unknown-linux-gnu",
                                     kTripleAArch64 = "aarch64-unknown-linux-gnu";

/// LLVM's description of a processor, with all that its features imply; null when it does not know the name.
static std::unique_ptr<llvm::MCSubtargetInfo> describe(StringRef tripleName, StringRef name) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86TargetMC();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64TargetMC();
  });
  std::string error;
  llvm::Triple triple(tripleName);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  // Asked for a name it does not know, LLVM would write to the terminal; so ask first whether it does.
  std::unique_ptr<llvm::MCSubtargetInfo> any(target->createMCSubtargetInfo(triple, "", ""));
  if (!any || !any->isCPUStringValid(name))
    return nullptr;
  return std::unique_ptr<llvm::MCSubtargetInfo>(target->createMCSubtargetInfo(triple, name, ""));
}

/// "generic" is a name on both sides, and on x86 it is too small for Keops.
static bool isX86(StringRef name) { return name != "generic" && describe(kTripleX86, name); }

/// The table row whose numbers serve an instruction set.
static const KnownTarget *findInstructionSet(bool avx512, bool avx2) {
  return avx512 ? find("x86-64-v4") : avx2 ? find("x86-64-v3") : nullptr;
}

/// The row that serves a processor without an own row; else `error` says why there is none.
static const KnownTarget *findSimilar(StringRef name, std::string &error) {
  if (name != "generic")
    if (auto info = describe(kTripleX86, name)) {
      const KnownTarget *known = findInstructionSet(info->checkFeatures("+avx512f,+avx512dq,+avx512vl"),
                                                    info->checkFeatures("+avx2,+fma,+f16c"));
      if (!known)
        error = "the processor '" + name.str() + "' lacks AVX2, FMA or F16C, which Keops needs on x86";
      return known;
    }
  if (auto info = describe(kTripleAArch64, name)) {
    if (info->checkFeatures("+neon"))
      return find("neoverse-n1");
    error = "the processor '" + name.str() + "' lacks NEON, which Keops needs on AArch64";
    return nullptr;
  }
  error = "unknown target '" + name.str() +
          "'; expected 'host', a processor that LLVM knows with AVX2 and FMA or with NEON, or one of";
  for (const KnownTarget &target : kTargets)
    error += " " + target.name.str();
  return nullptr;
}

/// This machine may be a virtual one that hides part of what its processor can do.
static const KnownTarget *findHost(StringRef name) {
  const KnownTarget *known = find(name);
  if (!isX86(name))
    return known ? known : find("neoverse-n1");
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  bool wide = features.lookup("avx512f") && features.lookup("avx512dq") && features.lookup("avx512vl");
  const KnownTarget *level =
      findInstructionSet(wide, features.lookup("avx2") && features.lookup("fma") && features.lookup("f16c"));
  return known && level && known->vectorBits == level->vectorBits ? known : level;
}

namespace {
/// This machine, asked once: the answer takes longer than a small reduction.
struct Host {
  std::string name = llvm::sys::getHostCPUName().str();
  const KnownTarget *known = findHost(name);
  std::string error;

  Host() {
    std::string ignored;
    if (!known)
      error = "this machine's processor '" + name + "' lacks AVX2, FMA or F16C, which Keops needs on x86";
    // A name whose features this machine does not have in full would give code that it cannot run.
    else if (isX86(name) && known->name != name && findSimilar(name, ignored) != known)
      name = known->name.str();
  }
};
} // namespace

/// The row of `name`, which becomes the processor's own name if it is "host".
static const KnownTarget *resolve(std::string &name, std::string &error) {
  if (name != "host") {
    const KnownTarget *known = find(name);
    return known ? known : findSimilar(name, error);
  }
  static const Host host;
  name = host.name;
  error = host.error;
  return host.known;
}

//===----------------------------------------------------------------------===//
// Door
//===----------------------------------------------------------------------===//

TargetAttr keops::lookupTarget(MLIRContext *context, StringRef name, std::string &error) {
  std::string resolved = name.str();
  const KnownTarget *known = resolve(resolved, error);
  if (!known)
    return {};
  return TargetAttr::get(context, resolved, known->vectorBits, known->registers, known->l1, known->l2, known->scalef,
                         known->gpu);
}

Throughput keops::throughputOf(TargetAttr target) {
  std::string ignored;
  const KnownTarget *known = find(target.getName());
  if (!known)
    known = target.getGpu() ? find("sm_70") : findSimilar(target.getName(), ignored);
  // Two vectors a cycle are what nearly all processors do; IR may name one that is not known.
  return known ? known->throughput : Throughput{target.getVectorBits() / 16, target.getVectorBits() / 32};
}

std::string keops::resolveTargetName(StringRef name, std::string &error) {
  std::string resolved = name.str();
  return resolve(resolved, error) ? resolved : std::string();
}

bool keops::runsHere(StringRef name) {
  std::string host = "host", wanted = name.str(), error;
  const KnownTarget *here = resolve(host, error), *known = resolve(wanted, error);
  if (!here || !known || known->gpu || isX86(host) != isX86(wanted))
    return false;
  // A generic level runs on every machine that has it; a named processor only where it is this one.
  return wanted == host || (known == find("x86-64-v3") && wanted == "x86-64-v3") ||
         (wanted == "x86-64-v4" && here->vectorBits == 512);
}

bool keops::isGPU(StringRef name) {
  const KnownTarget *known = find(name);
  return known && known->gpu;
}

std::string keops::gpuTargetFor(int capability) {
  // PTX for one processor runs on all later ones.
  std::string newest;
  int best = 0;
  for (const KnownTarget &target : kTargets) {
    int own = 0;
    if (!target.gpu || target.name.drop_front(llvm::StringRef("sm_").size()).getAsInteger(10, own))
      continue;
    if (own <= capability && own > best) {
      best = own;
      newest = target.name.str();
    }
  }
  return newest;
}

std::string keops::tripleOf(TargetAttr target) {
  if (target.getGpu())
    return "nvptx64-nvidia-cuda";
  return (isX86(target.getName()) ? kTripleX86 : kTripleAArch64).str();
}

std::string keops::featuresOf(TargetAttr target) {
  // 512-bit vectors wherever the table says so: some processors' defaults prefer 256.
  return target.getVectorBits() == 512 ? "-prefer-256-bit" : "";
}
