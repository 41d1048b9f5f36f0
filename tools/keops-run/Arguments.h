//===- Arguments.h - The arrays of a call ------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An argument on the command line is an alias and where its numbers come from:
// `y=Vj(3):y.npy`. The alias is the compiler's to read; here it only says which
// array of the call it is and what its rows run over.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TOOLS_RUN_ARGUMENTS_H
#define KEOPS_TOOLS_RUN_ARGUMENTS_H

#include "Table.h"

#include <optional>

namespace keops::run {

/// What the rows of an argument run over.
enum class Index : uint8_t { I, J, None };

struct Argument {
  std::string alias;  ///< "y=Vj(3)"
  std::string source; ///< "y.npy"; empty if there is none
  std::string label;  ///< for messages: "argument 'y'", or "argument 1" if it has no name
  int64_t position = 0;
  Index index = Index::None;
};

/// Splits `word` at its first colon. `ordinal` is its place on the command
/// line, where an alias without a position stands.
Argument parseArgument(llvm::StringRef word, int64_t ordinal);

/// What the user says of the sizes, and what they turn out to be.
struct Sizes {
  std::optional<int64_t> i, j;
};

/// One table for each of the kernel's arguments, of type `type`, from the
/// sources of `arguments`; fills in `sizes`. Random numbers are standard normal
/// and depend on `seed`, the argument's position and their place in the array
/// alone; float32 numbers are rounded float64 ones.
std::vector<Table> loadArguments(const std::vector<Argument> &arguments,
                                 const std::vector<runtime::ArgumentInfo> &kernelArguments, DType type, uint64_t seed,
                                 Sizes &sizes);

} // namespace keops::run

#endif // KEOPS_TOOLS_RUN_ARGUMENTS_H
