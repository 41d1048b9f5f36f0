//===- ReductionNames.cpp - What reductions are called ------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Core text, Python and older programs spell the same reduction in many ways;
// they differ in capitals, underscores and a suffix, none of which carries
// meaning. So names are compared without them.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/FormulaParser.h"

using namespace keops::frontend;

namespace {
struct ReductionSpelling {
  llvm::StringRef key; ///< lower case, no underscores
  ReductionInfo info;
};
} // namespace

static llvm::ArrayRef<ReductionSpelling> spellings() {
  using Weight = ReductionInfo::Weight;
  static const ReductionSpelling table[] = {
      {"sum", {"Sum", false, Weight::None}},
      {"min", {"Min", false, Weight::None}},
      {"max", {"Max", false, Weight::None}},
      {"argmin", {"ArgMin", false, Weight::None}},
      {"argmax", {"ArgMax", false, Weight::None}},
      {"minargmin", {"Min_ArgMin", false, Weight::None}},
      {"maxargmax", {"Max_ArgMax", false, Weight::None}},
      {"kmin", {"KMin", true, Weight::None}},
      {"argkmin", {"ArgKMin", true, Weight::None}},
      {"kminargkmin", {"KMin_ArgKMin", true, Weight::None}},
      {"maxsumshiftexp", {"Max_SumShiftExp", false, Weight::Optional}},
      {"maxsumshiftexpweight", {"Max_SumShiftExp", false, Weight::Required}},
      {"logsumexp", {"LogSumExp", false, Weight::Optional}},
      {"logsumexpweight", {"LogSumExp", false, Weight::Required}},
      {"sumsoftmaxweight", {"SumSoftMaxWeight", false, Weight::Required}},
      {"softmax", {"SumSoftMaxWeight", false, Weight::Required}},
      {"zero", {"Zero", false, Weight::None}},
  };
  return table;
}

std::optional<ReductionInfo> keops::frontend::findReduction(llvm::StringRef name) {
  constexpr size_t longest = 64;
  if (name.size() > longest)
    return std::nullopt;
  std::string key;
  for (char c : name.lower())
    if (c != '_')
      key += c;
  llvm::StringRef stem = key;
  stem.consume_back("reduction");
  for (const ReductionSpelling &entry : spellings())
    if (entry.key == stem)
      return entry.info;
  return std::nullopt;
}

std::vector<llvm::StringRef> keops::frontend::reductionNames() {
  std::vector<llvm::StringRef> names;
  for (const ReductionSpelling &entry : spellings())
    if (names.empty() || names.back() != entry.info.name)
      names.push_back(entry.info.name);
  return names;
}

std::optional<Diagnostic> keops::frontend::checkReduction(const Expression &reduction) {
  std::optional<ReductionInfo> info = findReduction(reduction.name);
  if (!info)
    return Diagnostic{"there is no reduction " + quoted(reduction.name), reduction.where};
  if (info->takesK && (reduction.k < 1 || reduction.k > maxDim))
    return Diagnostic{reduction.name + " keeps the K smallest values with K between 1 and " + std::to_string(maxDim) +
                          ", got " + std::to_string(reduction.k),
                      reduction.where};
  if (!info->takesK && reduction.k != 0)
    return Diagnostic{reduction.name + " takes no K, got " + std::to_string(reduction.k), reduction.where};
  bool weighted = reduction.arguments.size() > 1;
  if (weighted && info->weight == ReductionInfo::Weight::None)
    return Diagnostic{reduction.name + " takes one formula, got a weight formula too", reduction.where};
  if (!weighted && info->weight == ReductionInfo::Weight::Required)
    return Diagnostic{reduction.name + " takes a weight formula besides its formula, got none", reduction.where};
  return std::nullopt;
}
