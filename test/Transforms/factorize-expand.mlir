// RUN: keops-opt %s --keops-factorize | FileCheck %s
// RUN: keops-opt %s --pass-pipeline="builtin.module(keops.formula(keops-factorize{expand=true}))" | FileCheck %s --check-prefix=EXPAND

// The value of a Gaussian product and its gradient in x: one exponential for each pair, and what leaves a sum has left
// it. Differences are taken exactly, unless they may be expanded: then the gradient needs the value and Σ k b y.
// CHECK-LABEL:  keops.formula @value_and_gradient(
// CHECK-SAME:     %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>, %[[B:.*]]: !keops.vec<1xf32, j>, %[[E:.*]]: !keops.vec<1xf32, i>)
// CHECK:          %[[D:.*]] = keops.sub %[[X]], %[[Y]]
// CHECK-COUNT-1:  keops.exp
// CHECK:          %[[KB:.*]] = keops.mul %{{.*}}, %[[B]]
// CHECK-NEXT:     %[[VALUE:.*]] = keops.reduce #keops.sum over j (%[[KB]])
// CHECK-NEXT:     %[[TERM:.*]] = keops.mul %[[KB]], %[[D]] : <1xf32, ij>, <3xf32, ij>
// CHECK-NEXT:     %[[SUM:.*]] = keops.reduce #keops.sum over j (%[[TERM]])
// CHECK-NOT:      keops.reduce
// CHECK:          keops.return %[[VALUE]],
// EXPAND-LABEL: keops.formula @value_and_gradient(
// EXPAND-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>
// EXPAND-COUNT-1: keops.exp
// EXPAND:         %[[VALUE:.*]] = keops.reduce #keops.sum over j
// EXPAND:         %[[PART:.*]] = keops.mul %[[VALUE]], %[[X]] : <1xf32, i>, <3xf32, i>
// EXPAND:         %[[KBY:.*]] = keops.mul %{{.*}}, %[[Y]] : <1xf32, ij>, <3xf32, j>
// EXPAND:         %[[SUM:.*]] = keops.reduce #keops.sum over j (%[[KBY]])
// EXPAND-NOT:     keops.reduce
// EXPAND:         keops.sub %[[PART]], %[[SUM]]
// EXPAND:         keops.return %[[VALUE]],
keops.formula @value_and_gradient(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %b: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> (!keops.vec<1xf32, i>, !keops.vec<3xf32, i>) {
  %two = keops.constant 2.0 : !keops.vec<1xf32>
  %1 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %2 = keops.mul %1, %1 : !keops.vec<3xf32, ij>, !keops.vec<3xf32, ij>
  %3 = keops.fold #keops.sum %2 : !keops.vec<3xf32, ij>
  %4 = keops.neg %3 : !keops.vec<1xf32, ij>
  %5 = keops.exp %4 : !keops.vec<1xf32, ij>
  %6 = keops.mul %5, %b : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %7 = keops.reduce #keops.sum over j (%6) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %8 = keops.neg %6 : !keops.vec<1xf32, ij>
  %9 = keops.mul %8, %two : !keops.vec<1xf32, ij>, !keops.vec<1xf32>
  %10 = keops.mul %9, %1 : !keops.vec<1xf32, ij>, !keops.vec<3xf32, ij>
  %11 = keops.reduce #keops.sum over j (%10) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  %12 = keops.mul %11, %e : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  keops.return %7, %12 : !keops.vec<1xf32, i>, !keops.vec<3xf32, i>
}
