//===- Explain.h - Schedules in words -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What was decided and what it should cost, for people.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_SCHEDULE_EXPLAIN_H
#define KEOPS_SCHEDULE_EXPLAIN_H

#include "keops/Dialect/Keops.h"

#include <string>

namespace keops {

/// Lines about a formula that has a schedule: the target, the schedule, what a
/// pair costs, which limit binds, and how fast that would be.
std::string explain(FormulaFuncOp formula, TargetAttr target);

} // namespace keops

#endif // KEOPS_SCHEDULE_EXPLAIN_H
