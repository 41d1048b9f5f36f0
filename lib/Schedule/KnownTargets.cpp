//===- KnownTargets.cpp - Numbers of processors -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table of constants per processor. Others that LLVM knows by name get the
// numbers of their instruction set. Cache sizes are those of one core, from the
// vendors' data sheets.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/KnownTargets.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

using namespace mlir;
using namespace keops;

namespace {
struct KnownTarget {
  llvm::StringLiteral name;
  int64_t vectorBits, registers, l1, l2;
  bool scalef, gpu;
};
} // namespace

static constexpr int64_t kKiB = 1024, kMiB = 1024 * 1024;

static constexpr KnownTarget kTargets[] = {
    {"x86-64-v3", 256, 16, 32 * kKiB, 256 * kKiB, false, false},
    {"haswell", 256, 16, 32 * kKiB, 256 * kKiB, false, false},
    {"znver2", 256, 16, 32 * kKiB, 512 * kKiB, false, false},
    {"znver3", 256, 16, 32 * kKiB, 512 * kKiB, false, false},
    {"alderlake", 256, 16, 48 * kKiB, 1280 * kKiB, false, false},
    {"x86-64-v4", 512, 32, 32 * kKiB, 1 * kMiB, true, false},
    {"skylake-avx512", 512, 32, 32 * kKiB, 1 * kMiB, true, false},
    {"icelake-server", 512, 32, 48 * kKiB, 1280 * kKiB, true, false},
    {"sapphirerapids", 512, 32, 48 * kKiB, 2 * kMiB, true, false},
    {"znver4", 512, 32, 32 * kKiB, 1 * kMiB, true, false},
    {"znver5", 512, 32, 48 * kKiB, 1 * kMiB, true, false},
    {"neoverse-n1", 128, 32, 64 * kKiB, 1 * kMiB, false, false},
    {"neoverse-v1", 128, 32, 64 * kKiB, 1 * kMiB, false, false},
    {"neoverse-v2", 128, 32, 64 * kKiB, 2 * kMiB, false, false},
    {"apple-m1", 128, 32, 128 * kKiB, 3 * kMiB, false, false},
    // On a GPU: shared memory of one block.
    {"sm_70", 0, 255, 96 * kKiB, 0, false, true},
    {"sm_75", 0, 255, 64 * kKiB, 0, false, true},
    {"sm_80", 0, 255, 164 * kKiB, 0, false, true},
    {"sm_86", 0, 255, 100 * kKiB, 0, false, true},
    {"sm_89", 0, 255, 100 * kKiB, 0, false, true},
    {"sm_90", 0, 255, 228 * kKiB, 0, false, true},
    {"sm_100", 0, 255, 228 * kKiB, 0, false, true},
};

static const KnownTarget *find(StringRef name) {
  const auto *it = llvm::find_if(kTargets, [&](const KnownTarget &target) { return target.name == name; });
  return it == std::end(kTargets) ? nullptr : it;
}

static bool isX86(StringRef name) { return llvm::X86::parseArchX86(name) != llvm::X86::CK_None; }

/// The table row whose numbers serve an x86 processor that has no own row.
static const KnownTarget *findX86(StringRef name) {
  if (!isX86(name))
    return nullptr;
  SmallVector<StringRef> features;
  llvm::X86::getFeaturesForCPU(name, features);
  auto has = [&](StringRef feature) { return llvm::is_contained(features, feature); };
  if (has("avx512f") && has("avx512dq") && has("avx512vl"))
    return find("x86-64-v4");
  return has("avx2") && has("fma") ? find("x86-64-v3") : nullptr;
}

/// This machine may be a virtual one that hides part of what its processor can do.
static const KnownTarget *findHost(StringRef name) {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  if (!isX86(name))
    return find("neoverse-n1");
  bool wide = features.lookup("avx512f") && features.lookup("avx512dq") && features.lookup("avx512vl");
  if (!wide && !(features.lookup("avx2") && features.lookup("fma")))
    return nullptr;
  const KnownTarget *known = find(name);
  if (known && (known->vectorBits == 512) == wide)
    return known;
  return find(wide ? "x86-64-v4" : "x86-64-v3");
}

/// The row of `name`, which becomes the processor's own name if it is "host".
static const KnownTarget *resolve(std::string &name, std::string &error) {
  if (name == "host") {
    name = llvm::sys::getHostCPUName().str();
    const KnownTarget *known = findHost(name);
    if (!known)
      error = "this machine's processor '" + name + "' lacks AVX2 and FMA, which Keops needs on x86";
    // A name whose features this machine does not have in full would give code that it cannot run.
    else if (isX86(name) && known->name != name && findX86(name) != known)
      name = known->name.str();
    return known;
  }
  const KnownTarget *known = find(name);
  if (!known)
    known = findX86(name);
  if (known)
    return known;
  error = "unknown target '" + name + "'; expected 'host', an x86 processor with AVX2 and FMA, or one of";
  for (const KnownTarget &target : kTargets)
    error += " " + target.name.str();
  return nullptr;
}

TargetAttr keops::lookupTarget(MLIRContext *context, StringRef name, std::string &error) {
  std::string resolved = name.str();
  const KnownTarget *known = resolve(resolved, error);
  if (!known)
    return {};
  return TargetAttr::get(context, resolved, known->vectorBits, known->registers, known->l1, known->l2, known->scalef,
                         known->gpu);
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

std::string keops::tripleOf(TargetAttr target) {
  if (target.getGpu())
    return "nvptx64-nvidia-cuda";
  return isX86(target.getName()) ? "x86_64-unknown-linux-gnu" : "aarch64-unknown-linux-gnu";
}

std::string keops::featuresOf(TargetAttr target) {
  // 512-bit vectors wherever the table says so: some processors' defaults prefer 256.
  return target.getVectorBits() == 512 ? "-prefer-256-bit" : "";
}
