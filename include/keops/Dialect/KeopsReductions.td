//===- KeopsReductions.td - Reductions: monoids as attributes -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each attribute here is a monoid. Adding one touches this file, its family's
// file in lib/Dialect (…Reductions.cpp) and its test.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_KEOPSREDUCTIONS_TD
#define KEOPS_DIALECT_KEOPSREDUCTIONS_TD

include "keops/Dialect/KeopsDialect.td"
include "keops/Dialect/KeopsInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Keops_Extremum : I32EnumAttr<"Extremum", "which extremum, and whether its value, its index or both", [
    I32EnumAttrCase<"Min", 0, "min">, I32EnumAttrCase<"Max", 1, "max">,
    I32EnumAttrCase<"ArgMin", 2, "argmin">, I32EnumAttrCase<"ArgMax", 3, "argmax">,
    I32EnumAttrCase<"MinArgMin", 4, "min_argmin">, I32EnumAttrCase<"MaxArgMax", 5, "max_argmax">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}
def Keops_KSmallest : I32EnumAttr<"KSmallest", "whether the k smallest values, their indices or both", [
    I32EnumAttrCase<"KMin", 0, "kmin">, I32EnumAttrCase<"ArgKMin", 1, "argkmin">,
    I32EnumAttrCase<"KMinArgKMin", 2, "kmin_argkmin">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}

def Keops_SumScheme : I32EnumAttr<"SumScheme", "how terms are added", [
    I32EnumAttrCase<"Blocks", 0, "blocks">, I32EnumAttrCase<"F64", 1, "f64">,
    I32EnumAttrCase<"Kahan", 2, "kahan">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}
def Keops_SumSchemeParameter : EnumParameter<Keops_SumScheme> {
  let defaultValue = "::keops::SumScheme::Blocks";
}

// `more` names further methods that the reduction defines; without those for derivatives it has none.
class Keops_Reduction<string name, string attrMnemonic, list<string> more = []> : AttrDef<Keops_Dialect, name,
    [DeclareAttrInterfaceMethods<Keops_ReductionInterface, ["preferredChunk"] # more>]> {
  let mnemonic = attrMnemonic;
}

/// A reduction that adds: in the numbers' type within a tile of columns and in
/// float64 across tiles (`blocks`), in float64 throughout (`f64`), or as blocks
/// with a second slot that collects the rounding errors (`kahan`).
class Keops_Summation<string name, string attrMnemonic, list<string> more = []>
    : Keops_Reduction<name, attrMnemonic, ["buildTangent", "buildAdjoint"] # more> {
  let parameters = (ins Keops_SumSchemeParameter:$scheme);
  let builders = [AttrBuilder<(ins), [{ return $_get($_ctxt, ::keops::SumScheme::Blocks); }]>];
  let assemblyFormat = "(`<` $scheme^ `>`)?";
}

def Keops_SumAttr : Keops_Summation<"Sum", "sum", ["isLinearIn", "buildFoldGradient"]> {
  let summary = "sum of each component; 0 over no column";
}

def Keops_LogSumExpAttr : Keops_Summation<"LogSumExp", "logsumexp",
    ["hasRareWork", "isExponent", "resume", "buildDensity", "buildWeightedSum", "buildFoldGradient"]> {
  let summary = "log Σ exp(F), or log Σ exp(F)·G with a second operand G";
  let description = [{
    The state is a running maximum m and the sums s of exp(F − m)·G, so nothing
    overflows. A term −inf adds nothing, +inf gives +inf, NaN gives NaN; over no
    column the result is −inf. F has dimension 1.
  }];
}

def Keops_SoftmaxAttr : Keops_Summation<"Softmax", "softmax",
    ["hasRareWork", "isExponent", "resume", "isLinearIn", "buildDensity", "buildWeightedSum"]> {
  let summary = "mean of G with weights exp(F): Σ exp(F)·G / Σ exp(F)";
  let description = [{
    The state is that of the log-sum-exp, and the sum of the weights besides, so
    nothing overflows and G may have any sign. A term −inf has weight 0; over no
    column, or none of positive weight, the result is NaN. F has dimension 1.
  }];
}

def Keops_ExtremumAttr : Keops_Reduction<"Extremum", "extremum",
    ["buildTangent", "buildAdjoint", "buildFoldGradient"]> {
  let summary = "smallest or largest of each component, and where it is";
  let description = [{
    Among equal terms the smallest index wins. NaN terms are passed over; over
    no column (or NaN only) the value is ±inf and the index 0.
  }];
  let parameters = (ins EnumParameter<Keops_Extremum>:$kind);
  let assemblyFormat = "`<` $kind `>`";
  let extraClassDeclaration = [{
    bool isMax() const { return static_cast<uint32_t>(getKind()) % 2 == 1; }
    bool givesValue() const { return getKind() != Extremum::ArgMin && getKind() != Extremum::ArgMax; }
    bool givesIndex() const { return static_cast<uint32_t>(getKind()) >= 2; }
  }];
}

def Keops_KSmallestAttr : Keops_Reduction<"KSmallest", "k_smallest",
    ["buildTangent", "buildAdjoint", "buildFoldGradient"]> {
  let summary = "the k smallest of each component in increasing order, and where they are";
  let description = [{
    Ties are ordered by index. NaN and +inf terms are passed over; ranks that no
    term fills are (+inf, 0). Results are rank-major: component `r·D + d` is
    rank r of component d.
  }];
  let parameters = (ins "int64_t":$k, EnumParameter<Keops_KSmallest>:$kind);
  let assemblyFormat = "`<` $k `,` $kind `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool givesValue() const { return getKind() != KSmallest::ArgKMin; }
    bool givesIndex() const { return getKind() != KSmallest::KMin; }
  }];
}

#endif // KEOPS_DIALECT_KEOPSREDUCTIONS_TD
