//===- Passes.td - Target-blind rewriting of formulas -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// keops → keops, without knowledge of a target.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TRANSFORMS_PASSES_TD
#define KEOPS_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def KeopsExpandDerivatives : Pass<"keops-expand-derivatives", "::keops::FormulaFuncOp"> {
  let summary = "Write out keops.grad and keops.diff";
  let description = [{
    Replaces each derivative by the formula that computes it, through the rules
    of the ops between variable and value, in the order of the formula: an inner
    derivative is written out before the one that differentiates it.

    ```mlir
    %f = keops.exp %x : <3xf32, i>
    %g = keops.grad %f wrt %x cotangent %e : <3xf32, i>, <3xf32, i>, <3xf32, i>
    // becomes
    %f = keops.exp %x : <3xf32, i>
    %g = keops.mul %e, %f : <3xf32, i>, <3xf32, i>
    ```

    The result may depend on fewer indices than the derivative's type said; the
    types of what uses it, those of the formula's results included, follow.
    Values that nothing uses any more are removed.

    It is an error if an op or a reduction on the way has no derivative, if a
    reduction is on the way of a `keops.grad` without `total`, and if a value
    that is said to be `linear` is not.
  }];
}

def KeopsSimplify : Pass<"keops-simplify", "::keops::FormulaFuncOp"> {
  let summary = "Fold constants, share common values, and move work to where it is done less often";
  let description = [{
    Runs the ops' own folders and canonicalisations to a fixed point, then
    merges equal values and removes unused ones. A division by what depends on
    fewer indices becomes a product with an inverse, which is then computed once
    per row, column or call:

    ```mlir
    %3 = keops.div %d, %g : <1xf32, ij>, <1xf32>
    // becomes
    %one = keops.constant 1.0 : <1xf32>
    %inverse = keops.div %one, %g : <1xf32>, <1xf32>
    %3 = keops.mul %d, %inverse : <1xf32, ij>, <1xf32>
    ```

    Values change by roundings only. Arguments stay, used or not.
  }];
}

def KeopsFactorize : Pass<"keops-factorize", "::keops::FormulaFuncOp"> {
  let summary = "Share factors, and move them out of sums over pairs";
  let description = [{
    Rewrites products and sums so that a pair needs fewer operations; which ops
    are products, sums, or linear in an operand is for the ops to say. A rewriting
    that would not lower the number of operations per pair is not done.

    `group`: factors of equal indices are multiplied first, so that only their
    product is a pair's own work, and numbers outside of sums over components.

    ```mlir
    %0 = keops.mul %k, %b : <1xf32, ij>, <1xf32, j>
    %1 = keops.mul %0, %c : <1xf32, ij>, <1xf32, j>
    // becomes
    %0 = keops.mul %b, %c : <1xf32, j>, <1xf32, j>
    %1 = keops.mul %k, %0 : <1xf32, ij>, <1xf32, j>
    ```

    `distribute`: common factors leave a sum of two, whether its terms are
    products or sums over pairs.

    ```mlir
    %0 = keops.mul %a, %b : <1xf32, ij>, <1xf32, j>
    %1 = keops.mul %a, %c : <1xf32, ij>, <1xf32, j>
    %2 = keops.add %0, %1 : <1xf32, ij>, <1xf32, ij>
    // becomes
    %0 = keops.add %b, %c : <1xf32, j>, <1xf32, j>
    %2 = keops.mul %a, %0 : <1xf32, ij>, <1xf32, j>
    ```

    `hoist`: what does not depend on the index of a linear reduction is applied
    to its result.

    ```mlir
    %0 = keops.mul %a, %k : <3xf32, i>, <1xf32, ij>
    %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
    // becomes
    %0 = keops.reduce #keops.sum over j (%k) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    %1 = keops.mul %0, %a : <1xf32, i>, <3xf32, i>
    ```

    `softmax`: a sum with the density of another reduction becomes one reduction
    of its own, so that it waits for no other: Σ exp(F − log Σ exp(F)) G.

    `reuse`: Σ k⟨a, b⟩ becomes ⟨a, Σ k b⟩ where Σ k b is there anyway.

    These change values by roundings only, about as many as before, except where
    a part overflows, underflows or is infinite and the whole is not.

    `expand` is another matter and off by default: Σ c (x − y) becomes
    x Σ c − Σ c y, whose error grows with the distance of the points from the
    origin over their distance from each other.

    Equal values are merged and unused ones removed. Values behind an op that
    jumps keep their roundings.
  }];
  let options = [
    Option<"group", "group", "bool", "true", "Multiply factors of equal indices first">,
    Option<"distribute", "distribute", "bool", "true", "Take common factors out of sums of two">,
    Option<"hoist", "hoist", "bool", "true", "Apply linear ops to sums instead of to their terms">,
    Option<"softmax", "softmax", "bool", "true", "Sum with the density of a reduction in one pass">,
    Option<"reuse", "reuse", "bool", "true", "Make sums from linear ops of sums that are there">,
    Option<"expand", "expand", "bool", "false", "Expand differences of what depends on one index each">,
  ];
}

def KeopsMoveRows : Pass<"keops-move-rows", "::keops::FormulaFuncOp"> {
  let summary = "Compute for rows what is asked of a few pairs";
  let description = [{
    A `keops.gather` of a value that depends on the gathered index becomes the
    same formula of gathered arguments, once for each row number. So does a sum of
    a value that is linear in a `keops.scatter`, and zero where that is: over the
    scattered index, the terms that are left are added; over the other one, a
    `keops.scatter total` adds them to the rows that they belong to. None of it
    takes a pass over the pairs.

    ```mlir
    %d = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
    %c = keops.scatter %e over j [%places] : <1xf32, i>, <1xi64, i>
    %t = keops.mul %c, %d : <1xf32, ij>, <1xf32, ij>
    %s = keops.reduce #keops.sum over j (%t) : (<1xf32, ij>) -> <1xf32, i>
    // becomes
    %near = keops.gather %y over j [%places] : <1xf32, j>, <1xi64, i>
    %d = keops.mul %x, %near : <1xf32, i>, <1xf32, i>
    %s = keops.mul %e, %d : <1xf32, i>, <1xf32, i>
    ```

    Arguments, results of reductions and row numbers are gathered; what is
    computed from them is computed again. A scatter that is used in another way
    is an error.
  }];
}

def KeopsFoldScales : Pass<"keops-fold-scales", "::keops::FormulaFuncOp"> {
  let summary = "Write exponentials of pairs as powers of two where the factor is free";
  let description = [{
    For processors with an instruction for 2^x, in f32. The factor log₂ e goes down
    to values of rows or columns alone; where it cannot, nothing is done. What sums
    over pairs need of the same values, linearly, such as the difference in a
    gradient, is scaled with them, and the sum loses the factor again.

    ```mlir
    %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
    %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
    %2 = keops.fold #keops.sum %1 : <3xf32, ij>
    %3 = keops.neg %2 : <1xf32, ij>
    %4 = keops.exp %3 : <1xf32, ij>
    // becomes, with c = √log₂ e
    %5 = keops.mul %x, %c : <3xf32, i>, <1xf32>
    %6 = keops.mul %y, %c : <3xf32, j>, <1xf32>
    %7 = keops.sub %5, %6 : <3xf32, i>, <3xf32, j>
    …
    %8 = keops.exp2 %9 : <1xf32, ij>
    ```
  }];
}

def KeopsExpandDistances : Pass<"keops-expand-distances", "::keops::FormulaFuncOp"> {
  let summary = "Write squared distances in exponents as scalar products, where that is accurate enough";
  let description = [{
    ‖x − y‖² = ‖x‖² + ‖y‖² − 2⟨x, y⟩, around the middle of all x. What the exponent
    loses by it is bounded by the largest ‖x‖² and ‖y‖² of the call and a factor
    that all pairs share. A choice, the same for the whole call, takes the
    distance as it was where the bound is above 10⁻⁴ (2·10⁻¹³ in f64) or no number.
    Both read the same two vectors. The attribute `keops.either` says that both are
    right, so that code may be made for each alone. Left as they are: distances of
    which a part is used otherwise, as by a gradient, and those that are not in an
    exponent (of an op, or of a reduction such as log-sum-exp), where small
    distances count.

    ```mlir
    %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
    %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
    %2 = keops.fold #keops.sum %1 : <3xf32, ij>
    %3 = keops.neg %2 : <1xf32, ij>
    %4 = keops.exp %3 : <1xf32, ij>
    // becomes, with the middle m and L from the number of components
    %accurate = keops.cmp le %largestNorms, %L : <1xf32>, <1xf32>
    %shift = keops.select %accurate, %m, %zero : <1xi1>, <3xf32>, <1xf32>
    %scale = keops.select %accurate, %minusTwo, %one : <1xi1>, <1xf32>, <1xf32>
    %x' = keops.sub %x, %shift : <3xf32, i>, <3xf32>
    %y' = keops.sub %y, %shift : <3xf32, j>, <3xf32>
    %u = keops.mul %x', %scale : <3xf32, i>, <1xf32>
    %expanded = …                                                // Σ u·y' + ‖y'‖² + ‖x'‖²
    %0 = keops.sub %u, %y' : <3xf32, i>, <3xf32, j>
    …
    %5 = keops.select %accurate, %expanded, %2 {keops.either} : <1xi1>, <1xf32, ij>, <1xf32, ij>
    %3 = keops.neg %5 : <1xf32, ij>
    %4 = keops.exp %3 : <1xf32, ij>
    ```
  }];
}

def KeopsSplitPasses : Pass<"keops-split-passes", "::mlir::ModuleOp"> {
  let summary = "Cut a formula whose reductions need each other into passes";
  let description = [{
    A formula becomes a `keops.program` and formulas with reductions over one
    index that do not need each other, which is what one pass over the pairs can
    compute. Reductions that may share a pass do. What a later pass needs of an
    earlier one is computed there as far as it has that pass's rows, once per row,
    and becomes a result of the one and an argument of the other.

    ```mlir
    keops.formula @f(%x: …, %y: …, %e: …) -> !keops.vec<1xf32> {
      %0 = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
      %1 = keops.reduce #keops.sum over j (%0) : (<1xf32, ij>) -> <1xf32, i>
      %2 = keops.mul %1, %e : <1xf32, i>, <1xf32, i>
      %3 = keops.reduce #keops.sum over i once (%2) : (<1xf32, i>) -> <1xf32>
      keops.return %3 : <1xf32>
    }
    // becomes
    keops.program @f(%x: …, %y: …, %e: …) -> !keops.vec<1xf32> {
      %0 = keops.call @f_0 over j (%x, %y, %e) : (…) -> !keops.vec<1xf32, i>   // %2 of above
      %1 = keops.call @f_1 over i (%0) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
      keops.return %1 : !keops.vec<1xf32>
    }
    ```

    A formula that is one pass is left as it is. It is an error if an op that
    moves rows has a value for each pair.
  }];
}

#endif // KEOPS_TRANSFORMS_PASSES_TD
