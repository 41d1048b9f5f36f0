// RUN: keops-opt %s --keops-factorize | FileCheck %s
// RUN: keops-opt %s --keops-factorize --keops-factorize > %t.twice
// RUN: keops-opt %s --keops-factorize | diff - %t.twice
// RUN: keops-opt %s --pass-pipeline="builtin.module(keops.formula(keops-factorize{group=false distribute=false hoist=false softmax=false reuse=false}))" > %t.off
// RUN: keops-opt %s | diff - %t.off

//===----------------------------------------------------------------------===//
// group
//===----------------------------------------------------------------------===//

// Two products for each pair become one, and one for each column.
// CHECK-LABEL: keops.formula @factors_of_equal_indices_first(
// CHECK-SAME:    %[[K:.*]]: !keops.vec<1xf32, i>, %[[B:.*]]: !keops.vec<1xf32, j>, %[[C:.*]]: !keops.vec<1xf32, j>)
// CHECK:         %[[E:.*]] = keops.exp
// CHECK-NEXT:    %[[BC:.*]] = keops.mul %[[B]], %[[C]] : <1xf32, j>, <1xf32, j>
// CHECK-NEXT:    %[[T:.*]] = keops.mul %[[E]], %[[BC]] : <1xf32, ij>, <1xf32, j>
// CHECK-NEXT:    keops.reduce #keops.sum over j (%[[T]])
keops.formula @factors_of_equal_indices_first(%x: !keops.vec<1xf32, i>, %b: !keops.vec<1xf32, j>, %c: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.add %x, %b : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.mul %1, %b : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %3 = keops.mul %2, %c : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<1xf32, i>
}

// Numbers are multiplied before vectors: D + 1 products for each pair, not 2 D.
// CHECK-LABEL: keops.formula @numbers_before_vectors(
// CHECK-COUNT-1: keops.mul %{{.*}} : <1xf32, ij>, <1xf32, ij>
// CHECK-NEXT:    keops.mul %{{.*}} : <1xf32, ij>, <3xf32, ij>
// CHECK-NOT:     keops.mul
// CHECK:         keops.return
keops.formula @numbers_before_vectors(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<3xf32, i> {
  %d = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %s = keops.fold #keops.sum %d : !keops.vec<3xf32, ij>
  %e = keops.exp %s : !keops.vec<1xf32, ij>
  %0 = keops.mul %d, %e : !keops.vec<3xf32, ij>, !keops.vec<1xf32, ij>
  %1 = keops.mul %0, %s : !keops.vec<3xf32, ij>, !keops.vec<1xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %2 : !keops.vec<3xf32, i>
}

// A number leaves a sum over components.
// CHECK-LABEL: keops.formula @numbers_outside_of_components(
// CHECK:         %[[V:.*]] = keops.mul %{{.*}}, %{{.*}} : <3xf32, i>, <3xf32, j>
// CHECK-NEXT:    %[[S:.*]] = keops.fold #keops.sum %[[V]]
// CHECK-NEXT:    keops.mul %{{.*}}, %[[S]] : <1xf32, ij>, <1xf32, ij>
// CHECK-NOT:     keops.mul
// CHECK:         keops.return
keops.formula @numbers_outside_of_components(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %b: !keops.vec<1xf32, j>, %a: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %a, %b : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.mul %x, %1 : !keops.vec<3xf32, i>, !keops.vec<1xf32, ij>
  %3 = keops.mul %2, %y : !keops.vec<3xf32, ij>, !keops.vec<3xf32, j>
  %4 = keops.fold #keops.sum %3 : !keops.vec<3xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %5 : !keops.vec<1xf32, i>
}

// A sign and a number go to what is computed once.
// CHECK-LABEL: keops.formula @signs_are_computed_once(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[G:.*]]: !keops.vec<1xf32>)
// CHECK:         %[[C:.*]] = keops.mul %[[G]], %{{.*}} : <1xf32>, <1xf32>
// CHECK:         %[[S:.*]] = keops.mul %{{.*}}, %[[C]] : <1xf32, ij>, <1xf32>
// CHECK-NEXT:    keops.exp %[[S]]
keops.formula @signs_are_computed_once(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %g: !keops.vec<1xf32>) -> !keops.vec<1xf32, i> {
  %half = keops.constant 0.5 : !keops.vec<1xf32>
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.abs %0 : !keops.vec<1xf32, ij>
  %2 = keops.mul %1, %g : !keops.vec<1xf32, ij>, !keops.vec<1xf32>
  %3 = keops.neg %2 : !keops.vec<1xf32, ij>
  %4 = keops.mul %3, %half : !keops.vec<1xf32, ij>, !keops.vec<1xf32>
  %5 = keops.exp %4 : !keops.vec<1xf32, ij>
  %6 = keops.reduce #keops.sum over j (%5) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %6 : !keops.vec<1xf32, i>
}

// One division for each pair instead of two.
// CHECK-LABEL: keops.formula @divisions_share_their_denominator(
// CHECK-COUNT-1: keops.div
// CHECK-NOT:     keops.div
// CHECK:         keops.return
keops.formula @divisions_share_their_denominator(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.cos %0 : !keops.vec<1xf32, ij>
  %3 = keops.div %0, %1 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
  %4 = keops.div %3, %2 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %5 : !keops.vec<1xf32, i>
}

// Where a product decides a jump, another rounding would be another result.
// CHECK-LABEL: keops.formula @jumps_keep_their_roundings(
// CHECK:         %[[A:.*]] = keops.mul %{{.*}}, %{{.*}} : <1xf32, i>, <1xf32, j>
// CHECK-NEXT:    %[[B:.*]] = keops.mul %[[A]], %{{.*}} : <1xf32, ij>, <1xf32, j>
// CHECK-NEXT:    keops.floor %[[B]]
keops.formula @jumps_keep_their_roundings(%x: !keops.vec<1xf32, i>, %b: !keops.vec<1xf32, j>, %c: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %b : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.mul %0, %c : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %2 = keops.floor %1 : !keops.vec<1xf32, ij>
  %3 = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %3 : !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// distribute
//===----------------------------------------------------------------------===//

// Three operations for each pair become one.
// CHECK-LABEL: keops.formula @a_common_factor_leaves_a_sum(
// CHECK-SAME:    %{{.*}}: !keops.vec<1xf32, i>, %[[B:.*]]: !keops.vec<1xf32, j>, %[[C:.*]]: !keops.vec<1xf32, j>)
// CHECK:         %[[E:.*]] = keops.exp
// CHECK-NEXT:    %[[SUM:.*]] = keops.sub %[[B]], %[[C]] : <1xf32, j>, <1xf32, j>
// CHECK-NEXT:    %[[T:.*]] = keops.mul %[[E]], %[[SUM]]
// CHECK-NEXT:    keops.reduce #keops.sum over j (%[[T]])
keops.formula @a_common_factor_leaves_a_sum(%x: !keops.vec<1xf32, i>, %b: !keops.vec<1xf32, j>, %c: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.add %x, %b : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.mul %1, %b : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %3 = keops.mul %c, %1 : !keops.vec<1xf32, j>, !keops.vec<1xf32, ij>
  %4 = keops.sub %2, %3 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %5 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.formula @a_common_denominator_leaves_a_sum(
// CHECK-COUNT-1: keops.div
// CHECK-NOT:     keops.div
// CHECK:         keops.return
keops.formula @a_common_denominator_leaves_a_sum(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.div %x, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, ij>
  %3 = keops.div %y, %1 : !keops.vec<1xf32, j>, !keops.vec<1xf32, ij>
  %4 = keops.add %2, %3 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %5 : !keops.vec<1xf32, i>
}

// Two sums over pairs with a common factor are one.
// CHECK-LABEL: keops.formula @a_common_factor_joins_reductions(
// CHECK-SAME:    %{{.*}}: !keops.vec<1xf32, i>, %[[B:.*]]: !keops.vec<1xf32, j>, %[[C:.*]]: !keops.vec<1xf32, j>)
// CHECK:         %[[SUM:.*]] = keops.add %[[B]], %[[C]]
// CHECK-COUNT-1: keops.reduce
// CHECK-NOT:     keops.reduce
// CHECK:         keops.return
keops.formula @a_common_factor_joins_reductions(%x: !keops.vec<1xf32, i>, %b: !keops.vec<1xf32, j>, %c: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.add %x, %b : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.mul %1, %b : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %3 = keops.mul %1, %c : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %4 = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %5 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %6 = keops.mul %4, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  %7 = keops.mul %5, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  %8 = keops.add %6, %7 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %8 : !keops.vec<1xf32, i>
}

// Nothing is gained where a term is used elsewhere, or has no factor in common.
// CHECK-LABEL: keops.formula @what_costs_as_much_stays(
// CHECK-COUNT-2: keops.mul
// CHECK-NEXT:    keops.add
// CHECK-NEXT:    keops.mul
// CHECK-NOT:     keops.mul
// CHECK:         keops.return
keops.formula @what_costs_as_much_stays(%x: !keops.vec<1xf32, i>, %b: !keops.vec<1xf32, j>, %c: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.add %x, %b : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.mul %1, %b : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %3 = keops.mul %1, %c : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %4 = keops.add %2, %3 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
  %5 = keops.mul %4, %2 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
  %6 = keops.reduce #keops.sum over j (%5) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %6 : !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// hoist
//===----------------------------------------------------------------------===//

// A vector of the row leaves the sum: one sum instead of three.
// CHECK-LABEL: keops.formula @row_vectors_leave_a_sum(
// CHECK-SAME:    %[[V:.*]]: !keops.vec<3xf32, i>, %[[K:.*]]: !keops.vec<1xf32, j>)
// CHECK-NEXT:    %[[S:.*]] = keops.reduce #keops.sum over j (%[[K]]) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
// CHECK-NEXT:    %[[R:.*]] = keops.mul %[[S]], %[[V]] : <1xf32, i>, <3xf32, i>
// CHECK-NEXT:    keops.return %[[R]]
keops.formula @row_vectors_leave_a_sum(%v: !keops.vec<3xf32, i>, %k: !keops.vec<1xf32, j>) -> !keops.vec<3xf32, i> {
  %0 = keops.mul %v, %k : !keops.vec<3xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @column_factors_leave_a_sum_over_rows(
// CHECK-SAME:    %{{.*}}: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>)
// CHECK:         %[[S:.*]] = keops.reduce #keops.sum<kahan> over i (%{{.*}})
// CHECK-NEXT:    %[[R:.*]] = keops.mul %[[Y]], %[[S]] : <1xf32, j>, <1xf32, j>
// CHECK-NEXT:    keops.return %[[R]]
keops.formula @column_factors_leave_a_sum_over_rows(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.mul %1, %y : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %3 = keops.reduce #keops.sum<kahan> over i (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  keops.return %3 : !keops.vec<1xf32, j>
}

// A matrix of the row is applied to the sum of vectors.
// CHECK-LABEL: keops.formula @matrices_leave_a_sum(
// CHECK-SAME:    %[[M:.*]]: !keops.vec<9xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>)
// CHECK-NEXT:    %[[S:.*]] = keops.reduce #keops.sum over j (%[[Y]])
// CHECK-NEXT:    keops.tensordot %[[M]] [3, 3] by [1], %[[S]] [3] by [0] permute [0]
keops.formula @matrices_leave_a_sum(%m: !keops.vec<9xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<3xf32, i> {
  %0 = keops.tensordot %m [3, 3] by [1], %y [3] by [0] permute [0] : !keops.vec<9xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// A sum of components is one sum over pairs; of all components it would be three.
// CHECK-LABEL: keops.formula @dot_products_stay_in_a_sum(
// CHECK:         %[[DOT:.*]] = keops.fold #keops.sum
// CHECK:         keops.reduce #keops.sum over j (%[[DOT]])
keops.formula @dot_products_stay_in_a_sum(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.fold #keops.sum %0 : !keops.vec<3xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// A mean is linear in what it is the mean of, not in its weights.
// CHECK-LABEL: keops.formula @factors_leave_a_mean(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>)
// CHECK-NEXT:    %[[W:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[S:.*]] = keops.reduce #keops.softmax over j (%[[W]], %[[Y]])
// CHECK-NEXT:    keops.mul %[[X]], %[[S]] : <1xf32, i>, <1xf32, i>
keops.formula @factors_leave_a_mean(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.softmax over j (%0, %0) : (!keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}

// Extrema and log-sum-exp are not linear.
// CHECK-LABEL: keops.formula @only_linear_reductions_give_factors_away(
// CHECK:         %[[T:.*]] = keops.mul
// CHECK-NEXT:    %[[A:.*]] = keops.reduce #keops.extremum<max> over j (%[[T]])
// CHECK-NEXT:    %[[B:.*]] = keops.reduce #keops.logsumexp over j (%[[T]])
// CHECK-NEXT:    keops.return %[[A]], %[[B]]
keops.formula @only_linear_reductions_give_factors_away(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.extremum<max> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %1, %2 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}

// What does not vary at all is summed as it is.
// CHECK-LABEL: keops.formula @constants_are_summed(
// CHECK-NEXT:    %[[S:.*]] = keops.reduce #keops.sum over j (%{{.*}}) : (!keops.vec<1xf32, i>)
// CHECK-NEXT:    keops.return %[[S]]
keops.formula @constants_are_summed(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.reduce #keops.sum over j (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// Sums that differ by a factor only are one sum.
// CHECK-LABEL: keops.formula @multiples_share_their_sum(
// CHECK-COUNT-1: keops.reduce
// CHECK-NOT:     keops.reduce
// CHECK:         keops.return
keops.formula @multiples_share_their_sum(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %two = keops.constant 2.0 : !keops.vec<1xf32>
  %0 = keops.add %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.neg %1 : !keops.vec<1xf32, ij>
  %3 = keops.mul %two, %1 : !keops.vec<1xf32>, !keops.vec<1xf32, ij>
  %4 = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %5 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4, %5 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// softmax and reuse
//===----------------------------------------------------------------------===//

// Two passes become one.
// CHECK-LABEL: keops.formula @sums_with_a_density_take_one_pass(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[B:.*]]: !keops.vec<2xf32, j>)
// CHECK-NEXT:    %[[F:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[S:.*]] = keops.reduce #keops.softmax over j (%[[F]], %[[B]])
// CHECK-NEXT:    keops.return %[[S]]
keops.formula @sums_with_a_density_take_one_pass(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %b: !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.sub %0, %1 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, i>
  %3 = keops.exp %2 : !keops.vec<1xf32, ij>
  %4 = keops.mul %b, %3 : !keops.vec<2xf32, j>, !keops.vec<1xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<2xf32, ij>) -> !keops.vec<2xf32, i>
  keops.return %5 : !keops.vec<2xf32, i>
}

// The other index has another log-sum-exp.
// CHECK-LABEL: keops.formula @densities_over_another_index_stay(
// CHECK-NOT:     keops.reduce #keops.softmax
// CHECK:         keops.return
keops.formula @densities_over_another_index_stay(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.sub %0, %1 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, i>
  %3 = keops.exp %2 : !keops.vec<1xf32, ij>
  %4 = keops.reduce #keops.sum over i (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  keops.return %4 : !keops.vec<1xf32, j>
}

// Σ k⟨x, b⟩ is ⟨x, Σ k b⟩, which costs nothing where Σ k b is wanted too.
// CHECK-LABEL: keops.formula @dot_products_with_known_sums(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[B:.*]]: !keops.vec<3xf32, j>)
// CHECK:         %[[S:.*]] = keops.reduce #keops.sum over j
// CHECK-NEXT:    %[[P:.*]] = keops.mul %[[X]], %[[S]] : <3xf32, i>, <3xf32, i>
// CHECK-NEXT:    %[[DOT:.*]] = keops.fold #keops.sum %[[P]]
// CHECK-NEXT:    keops.return %[[S]], %[[DOT]]
keops.formula @dot_products_with_known_sums(%x: !keops.vec<3xf32, i>, %y: !keops.vec<1xf32, j>, %b: !keops.vec<3xf32, j>) -> (!keops.vec<3xf32, i>, !keops.vec<1xf32, i>) {
  %0 = keops.exp %y : !keops.vec<1xf32, j>
  %1 = keops.mul %0, %b : !keops.vec<1xf32, j>, !keops.vec<3xf32, j>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<3xf32, j>) -> !keops.vec<3xf32, i>
  %3 = keops.mul %x, %b : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %4 = keops.fold #keops.sum %3 : !keops.vec<3xf32, ij>
  %5 = keops.mul %4, %0 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %6 = keops.reduce #keops.sum over j (%5) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2, %6 : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
}
