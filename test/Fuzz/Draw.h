//===- Draw.h - Random cases -------------------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Formulas of whatever names and reductions the front-end knows.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_FUZZ_DRAW_H
#define KEOPS_TEST_FUZZ_DRAW_H

#include "Case.h"

#include <optional>
#include <string>

namespace keops::fuzz {

/// Operations that formula text may call, and reductions that have an op; sorted.
const std::vector<std::string> &operations();
std::vector<std::string> reductions();

/// Case `number` of `seed`: a function of these alone. Consecutive numbers take turns at the names, and turns at the
/// types, so that each name is in some formula of either type. None if no formula with its name was found to mean
/// anything. Target "sim" gets small sizes.
std::optional<Case> draw(mlir::MLIRContext &context, uint64_t seed, int64_t number, const std::string &target);

} // namespace keops::fuzz

#endif // KEOPS_TEST_FUZZ_DRAW_H
