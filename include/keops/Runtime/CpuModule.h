//===- CpuModule.h - An artifact's code, loaded into this process ----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A module owns executable memory that holds one artifact's object code and
// knows the two entry points of each of its kernels. No linker header stands behind this one.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_CPUMODULE_H
#define KEOPS_RUNTIME_CPUMODULE_H

#include "keops/Runtime/Artifact.h"

#include <memory>
#include <string>
#include <vector>

namespace keops::runtime {

class CpuModule {
public:
  using EntryPoint = void (*)(const KernelFrame *);

  /// Links `artifact.code` into this process. On failure returns null and puts
  /// a sentence into `error`. The code is trusted as whatever runs it must
  /// trust it: bytes that no compiler wrote, or instructions that this
  /// processor lacks, are for the caller to keep out. May be called from
  /// several threads at once.
  static std::unique_ptr<CpuModule> load(const Artifact &artifact, std::string &error);
  /// Unmaps the code. No entry point may be running.
  ~CpuModule();
  CpuModule(const CpuModule &) = delete;
  CpuModule &operator=(const CpuModule &) = delete;

  /// The code of one kernel.
  struct Entries {
    EntryPoint accumulate = nullptr;
    EntryPoint finalize = nullptr;
  };
  const Entries &kernel(int64_t number) const { return entries[number]; }

private:
  struct Linker;
  explicit CpuModule(std::unique_ptr<Linker> linker);

  std::unique_ptr<Linker> linker;
  std::vector<Entries> entries;
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_CPUMODULE_H
