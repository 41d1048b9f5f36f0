// RUN: keops-opt %s --keops-move-rows --split-input-file | FileCheck %s

// A value of a few pairs is computed from what is gathered.
// CHECK-LABEL: keops.formula @gathers_arguments(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, j>, %[[R:.*]]: !keops.vec<1xi64, i>)
// CHECK-NEXT:    %[[NEAR:.*]] = keops.gather %[[Y]] over j [%[[R]]] : <2xf32, j>, <1xi64, i>
// CHECK-NEXT:    %[[D:.*]] = keops.mul %[[X]], %[[NEAR]] : <2xf32, i>, <2xf32, i>
// CHECK-NEXT:    %[[S:.*]] = keops.fold #keops.sum %[[D]] : <2xf32, i>
// CHECK-NEXT:    keops.return %[[S]]
keops.formula @gathers_arguments(%x: !keops.vec<2xf32, i>, %y: !keops.vec<2xf32, j>, %r: !keops.vec<1xi64, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<2xf32, i>, !keops.vec<2xf32, j>
  %1 = keops.fold #keops.sum %0 : !keops.vec<2xf32, ij>
  %2 = keops.gather %1 over j [%r] : !keops.vec<1xf32, ij>, !keops.vec<1xi64, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// -----

// Each row number is one copy; the rows are gathered together.
// CHECK-LABEL: keops.formula @two_ranks(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[R:.*]]: !keops.vec<2xi64, i>)
// CHECK-NEXT:    %[[NEAR:.*]] = keops.gather %[[Y]] over j [%[[R]]] : <1xf32, j>, <2xi64, i>
// CHECK-NEXT:    %[[A:.*]] = keops.slice %[[NEAR]][0, 1]
// CHECK-NEXT:    %[[FA:.*]] = keops.mul %[[X]], %[[A]]
// CHECK-NEXT:    %[[B:.*]] = keops.slice %[[NEAR]][1, 1]
// CHECK-NEXT:    %[[FB:.*]] = keops.mul %[[X]], %[[B]]
// CHECK-NEXT:    keops.concat %[[FA]], %[[FB]]
keops.formula @two_ranks(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %r: !keops.vec<2xi64, i>) -> !keops.vec<2xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.gather %0 over j [%r] : !keops.vec<1xf32, ij>, !keops.vec<2xi64, i>
  keops.return %1 : !keops.vec<2xf32, i>
}

// -----

// Of each component its own row.
// CHECK-LABEL: keops.formula @groups(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[R:.*]]: !keops.vec<2xi64, i>)
// CHECK:         %[[A:.*]] = keops.slice %[[NEAR:.*]][0, 1]
// CHECK-NEXT:    %[[FA:.*]] = keops.mul %[[X]], %[[A]] : <2xf32, i>, <1xf32, i>
// CHECK-NEXT:    %[[B:.*]] = keops.slice %[[NEAR]][1, 1]
// CHECK-NEXT:    %[[FB:.*]] = keops.mul %[[X]], %[[B]] : <2xf32, i>, <1xf32, i>
// CHECK-NEXT:    %[[A0:.*]] = keops.slice %[[FA]][0, 1]
// CHECK-NEXT:    %[[B1:.*]] = keops.slice %[[FB]][1, 1]
// CHECK-NEXT:    keops.concat %[[A0]], %[[B1]]
keops.formula @groups(%x: !keops.vec<2xf32, i>, %y: !keops.vec<1xf32, j>, %r: !keops.vec<2xi64, i>) -> !keops.vec<2xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<2xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.gather %0 over j [%r] groups 2 : !keops.vec<2xf32, ij>, !keops.vec<2xi64, i>
  keops.return %1 : !keops.vec<2xf32, i>
}

// -----

// Over the scattered index a few terms are left …
// CHECK-LABEL: keops.formula @sums_a_few_terms(
// CHECK-SAME:    %[[E:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>, %[[R:.*]]: !keops.vec<1xi64, i>)
// CHECK-NEXT:    %[[NEAR:.*]] = keops.gather %[[Y]] over j [%[[R]]]
// CHECK-NEXT:    %[[T:.*]] = keops.mul %[[E]], %[[NEAR]] : <1xf32, i>, <3xf32, i>
// CHECK-NEXT:    keops.return %[[T]]
keops.formula @sums_a_few_terms(%e: !keops.vec<1xf32, i>, %y: !keops.vec<3xf32, j>, %r: !keops.vec<1xi64, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.scatter %e over j [%r] : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
  %1 = keops.mul %0, %y : !keops.vec<1xf32, ij>, !keops.vec<3xf32, j>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %2 : !keops.vec<3xf32, i>
}

// -----

// … over the other one they go to their rows, with all that multiplies them.
// CHECK-LABEL: keops.formula @sums_to_rows(
// CHECK-SAME:    %[[E:.*]]: !keops.vec<1xf32, i>, %[[X:.*]]: !keops.vec<3xf32, i>, %[[R:.*]]: !keops.vec<1xi64, i>, %[[C:.*]]: !keops.vec<1xi1>)
// CHECK-NEXT:    %[[ZERO:.*]] = keops.constant 0.0
// CHECK-NEXT:    %[[K:.*]] = keops.select %[[C]], %[[E]], %[[ZERO]] : <1xi1>, <1xf32, i>, <1xf32>
// CHECK-NEXT:    %[[T:.*]] = keops.mul %[[X]], %[[K]] : <3xf32, i>, <1xf32, i>
// CHECK-NEXT:    %[[S:.*]] = keops.scatter total %[[T]] over j [%[[R]]] : <3xf32, i>, <1xi64, i>
// CHECK-NEXT:    keops.return %[[S]] : !keops.vec<3xf32, j>
keops.formula @sums_to_rows(%e: !keops.vec<1xf32, i>, %x: !keops.vec<3xf32, i>, %r: !keops.vec<1xi64, i>, %c: !keops.vec<1xi1>) -> !keops.vec<3xf32, j> {
  %zero = keops.constant 0.0 : !keops.vec<1xf32>
  %0 = keops.scatter %e over j [%r] : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
  %1 = keops.select %c, %0, %zero : !keops.vec<1xi1>, !keops.vec<1xf32, ij>, !keops.vec<1xf32>
  %2 = keops.mul %x, %1 : !keops.vec<3xf32, i>, !keops.vec<1xf32, ij>
  %3 = keops.reduce #keops.sum over i (%2) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, j>
  keops.return %3 : !keops.vec<3xf32, j>
}

// -----

// Arguments that are gathered stay gathered, and formulas without moves as they are.
// CHECK-LABEL: keops.formula @nothing_to_do(
// CHECK-NEXT:    %[[G:.*]] = keops.gather
// CHECK-NEXT:    keops.return %[[G]]
keops.formula @nothing_to_do(%y: !keops.vec<3xf32, j>, %r: !keops.vec<1xi64, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.gather %y over j [%r] : !keops.vec<3xf32, j>, !keops.vec<1xi64, i>
  keops.return %0 : !keops.vec<3xf32, i>
}
