//===- ReductionNames.cpp - What reductions are called ------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Core text, Python and older programs spell the same reduction in many ways;
// they differ in capitals, underscores and a suffix, none of which carries
// meaning. So names are compared without them. Whoever wants to know a name, and
// what goes with it, asks here.
//
//===----------------------------------------------------------------------===//

#include "ReductionNames.h"

using namespace keops;
using namespace keops::frontend;

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

namespace {
struct ReductionSpelling {
  /// The monoid, for a K and a scheme of summation; null if there is none.
  using Make = mlir::Attribute (*)(mlir::MLIRContext *, int64_t k, SumScheme);

  llvm::StringRef key; ///< lower case, no underscores
  ReductionInfo info;
  Make make;
};
} // namespace

template <typename Attr>
static mlir::Attribute makeSum(mlir::MLIRContext *context, int64_t, SumScheme scheme) {
  return Attr::get(context, scheme);
}

template <Extremum kind>
static mlir::Attribute makeExtremum(mlir::MLIRContext *context, int64_t, SumScheme) {
  return ExtremumAttr::get(context, kind);
}

template <KSmallest kind>
static mlir::Attribute makeKSmallest(mlir::MLIRContext *context, int64_t k, SumScheme) {
  return KSmallestAttr::get(context, k, kind);
}

static llvm::ArrayRef<ReductionSpelling> spellings() {
  using Weight = ReductionInfo::Weight;
  static const ReductionSpelling table[] = {
      {"sum", {"Sum", false, Weight::None, true}, makeSum<SumAttr>},
      {"logsumexp", {"LogSumExp", false, Weight::Optional, true}, makeSum<LogSumExpAttr>},
      {"logsumexpweight", {"LogSumExp", false, Weight::Required, true}, makeSum<LogSumExpAttr>},
      {"sumsoftmaxweight", {"SumSoftMaxWeight", false, Weight::Required, true}, makeSum<SoftmaxAttr>},
      {"softmax", {"SumSoftMaxWeight", false, Weight::Required, true}, makeSum<SoftmaxAttr>},
      {"min", {"Min"}, makeExtremum<Extremum::Min>},
      {"max", {"Max"}, makeExtremum<Extremum::Max>},
      {"argmin", {"ArgMin"}, makeExtremum<Extremum::ArgMin>},
      {"argmax", {"ArgMax"}, makeExtremum<Extremum::ArgMax>},
      {"minargmin", {"Min_ArgMin"}, makeExtremum<Extremum::MinArgMin>},
      {"maxargmax", {"Max_ArgMax"}, makeExtremum<Extremum::MaxArgMax>},
      {"kmin", {"KMin", true}, makeKSmallest<KSmallest::KMin>},
      {"argkmin", {"ArgKMin", true}, makeKSmallest<KSmallest::ArgKMin>},
      {"kminargkmin", {"KMin_ArgKMin", true}, makeKSmallest<KSmallest::KMinArgKMin>},
      {"maxsumshiftexp", {"Max_SumShiftExp", false, Weight::Optional, false, /*isComputed=*/false}, nullptr},
      {"maxsumshiftexpweight", {"Max_SumShiftExp", false, Weight::Required, false, /*isComputed=*/false}, nullptr},
      {"zero", {"Zero", false, Weight::None, false, /*isComputed=*/false}, nullptr},
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

std::vector<ReductionInfo> keops::frontend::allReductions() {
  std::vector<ReductionInfo> all;
  for (const ReductionSpelling &entry : spellings())
    if (all.empty() || all.back().name != entry.info.name)
      all.push_back(entry.info);
  return all;
}

ReductionInterface keops::frontend::reductionOf(mlir::MLIRContext *context, const Expression &reduction,
                                                SumScheme scheme) {
  for (const ReductionSpelling &entry : spellings())
    if (entry.info.name == reduction.name)
      return entry.make ? llvm::cast<ReductionInterface>(entry.make(context, reduction.k, scheme))
                        : ReductionInterface();
  return {};
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
