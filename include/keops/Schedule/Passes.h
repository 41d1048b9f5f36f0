//===- Passes.h - Passes of Schedule -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generated constructors, option structs and registration.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_SCHEDULE_PASSES_H
#define KEOPS_SCHEDULE_PASSES_H

#include "keops/Dialect/Keops.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace keops {
#define GEN_PASS_DECL
#include "keops/Schedule/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "keops/Schedule/Passes.h.inc"
} // namespace keops

#endif // KEOPS_SCHEDULE_PASSES_H
