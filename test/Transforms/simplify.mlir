// RUN: keops-opt %s --keops-simplify | FileCheck %s
// RUN: keops-opt %s --keops-simplify --keops-simplify > %t.twice
// RUN: keops-opt %s --keops-simplify | diff - %t.twice

// Equal values are computed once, whichever way they came to be equal.
// CHECK-LABEL: keops.formula @equal_values_are_shared
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>)
// CHECK-NEXT:    %[[D:.*]] = keops.sub %[[X]], %[[Y]]
// CHECK-NEXT:    %[[D2:.*]] = keops.mul %[[D]], %[[D]]
// CHECK-NEXT:    %[[S:.*]] = keops.fold #keops.sum %[[D2]]
// CHECK-NEXT:    %[[E:.*]] = keops.exp %[[S]]
// CHECK-NEXT:    %[[F:.*]] = keops.mul %[[S]], %[[E]]
// CHECK-NEXT:    %[[A:.*]] = keops.reduce #keops.sum {{.*}}(%[[F]])
// CHECK-NEXT:    keops.return %[[A]]
keops.formula @equal_values_are_shared(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.mul %0, %0 : !keops.vec<3xf32, ij>, !keops.vec<3xf32, ij>
  %2 = keops.fold #keops.sum %1 : !keops.vec<3xf32, ij>
  %3 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %4 = keops.ipow %3, 1 : !keops.vec<3xf32, ij>
  %5 = keops.mul %3, %4 : !keops.vec<3xf32, ij>, !keops.vec<3xf32, ij>
  %6 = keops.fold #keops.sum %5 : !keops.vec<3xf32, ij>
  %7 = keops.exp %6 : !keops.vec<1xf32, ij>
  %8 = keops.mul %2, %7 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
  %9 = keops.reduce #keops.sum over j (%8) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %9 : !keops.vec<1xf32, i>
}

// A kernel's bandwidth is inverted once per call, however many pairs divide by it.
// CHECK-LABEL: keops.formula @divisions_by_a_parameter_share_its_inverse
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[G:.*]]: !keops.vec<1xf32>)
// CHECK-DAG:     %[[ONE:.*]] = keops.constant 1.000000e+00 : <1xf32>
// CHECK:         %[[INVERSE:.*]] = keops.div %[[ONE]], %[[G]] : <1xf32>, <1xf32>
// CHECK-NOT:     keops.div
// CHECK:         keops.mul %[[X]], %[[INVERSE]]
// CHECK:         keops.mul %[[Y]], %[[INVERSE]]
// CHECK-NOT:     keops.div
// CHECK:         keops.return
keops.formula @divisions_by_a_parameter_share_its_inverse(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %g: !keops.vec<1xf32>) -> !keops.vec<1xf32, i> {
  %0 = keops.div %x, %g : !keops.vec<1xf32, i>, !keops.vec<1xf32>
  %1 = keops.div %y, %g : !keops.vec<1xf32, j>, !keops.vec<1xf32>
  %2 = keops.sub %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %3 = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %3 : !keops.vec<1xf32, i>
}

// Arguments are the arrays of a call: they stay, used or not.
// CHECK-LABEL: keops.formula @unused_values_go_and_arguments_stay
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %{{.*}}: !keops.vec<3xf32, j>)
// CHECK-NEXT:    keops.return %[[X]]
keops.formula @unused_values_go_and_arguments_stay(%x: !keops.vec<1xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %x : !keops.vec<1xf32, i>
}

// One pass over the pairs serves both, with two different monoids.
// CHECK-LABEL: keops.formula @equal_reductions_are_shared_and_different_ones_not
// CHECK-COUNT-1: keops.reduce #keops.sum
// CHECK-NOT:     keops.reduce #keops.sum
// CHECK-COUNT-1: keops.reduce #keops.extremum<max>
// CHECK-NOT:     keops.reduce
// CHECK:         keops.return
keops.formula @equal_reductions_are_shared_and_different_ones_not(%y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %1 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.extremum<max> over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %3 = keops.add %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  %4 = keops.sub %3, %2 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<1xf32, i>
}

// A sum over another index is another value.
// CHECK-LABEL: keops.formula @reductions_over_different_indices_stay_apart
// CHECK-DAG:     keops.reduce #keops.sum over i
// CHECK-DAG:     keops.reduce #keops.sum over j
keops.formula @reductions_over_different_indices_stay_apart(%p: !keops.vec<1xf32>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, j>) {
  %0 = keops.reduce #keops.sum over j (%p) : (!keops.vec<1xf32>) -> !keops.vec<1xf32, i>
  %1 = keops.reduce #keops.sum over i (%p) : (!keops.vec<1xf32>) -> !keops.vec<1xf32, j>
  keops.return %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
}

// Kernels and other functions are not formulas.
// CHECK-LABEL: func.func @other_functions_are_left_alone
// CHECK-COUNT-2: keops.constant
func.func @other_functions_are_left_alone() -> (!keops.vec<1xf32>, !keops.vec<1xf32>) {
  %0 = keops.constant 1.0 : !keops.vec<1xf32>
  %1 = keops.constant 1.0 : !keops.vec<1xf32>
  return %0, %1 : !keops.vec<1xf32>, !keops.vec<1xf32>
}
