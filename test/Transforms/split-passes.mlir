// RUN: keops-opt %s --keops-split-passes --split-input-file | FileCheck %s

// Reductions over one index that do not need each other are one pass: the formula stays as it is.
// CHECK-NOT:     keops.program
// CHECK-LABEL: keops.formula @one_pass(
// CHECK:         keops.reduce #keops.sum over j
// CHECK:         keops.reduce #keops.logsumexp over j
// CHECK:         keops.add
// CHECK-NEXT:    keops.return
// CHECK-NOT:     keops.program
keops.formula @one_pass(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %3 = keops.add %1, %2 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %3 : !keops.vec<1xf32, i>
}

// -----

// What a later pass needs of an earlier one is its result and the other's argument.
// CHECK-LABEL: keops.program @weights(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j>
// CHECK-NEXT:    %[[L:.*]] = keops.call @weights_0 over j (%[[X]], %[[Y]]) : ({{.*}}) -> !keops.vec<1xf32, i>
// CHECK-NEXT:    %[[S:.*]] = keops.call @weights_1 over i (%[[X]], %[[Y]], %[[L]]) : ({{.*}}) -> !keops.vec<1xf32, j>
// CHECK-NEXT:    keops.return %[[S]]
// CHECK-LABEL: keops.formula @weights_0(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
// CHECK-NEXT:    %[[F:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[L:.*]] = keops.reduce #keops.logsumexp over j (%[[F]])
// CHECK-NEXT:    keops.return %[[L]]
// CHECK-LABEL: keops.formula @weights_1(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[L:.*]]: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, j>
// CHECK-NEXT:    %[[F:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[D:.*]] = keops.sub %[[F]], %[[L]]
// CHECK-NEXT:    %[[P:.*]] = keops.exp %[[D]]
// CHECK-NEXT:    %[[S:.*]] = keops.reduce #keops.sum over i (%[[P]])
// CHECK-NEXT:    keops.return %[[S]]
keops.formula @weights(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.sub %0, %1 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, i>
  %3 = keops.exp %2 : !keops.vec<1xf32, ij>
  %4 = keops.reduce #keops.sum over i (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  keops.return %4 : !keops.vec<1xf32, j>
}

// -----

// Work for each row is done in the end of the pass that it needs, once for each row; the pass that sums reads the result.
// CHECK-LABEL: keops.formula @finishes_rows_0(
// CHECK-SAME:    -> !keops.vec<1xf32, i>
// CHECK:         %[[S:.*]] = keops.reduce #keops.sum over j
// CHECK-NEXT:    %[[EXP:.*]] = keops.exp %[[S]]
// CHECK-NEXT:    %[[T:.*]] = keops.mul %[[EXP]], %{{.*}} : <1xf32, i>, <1xf32, i>
// CHECK-NEXT:    keops.return %[[T]]
// CHECK-LABEL: keops.formula @finishes_rows_1(
// CHECK-SAME:    %[[T:.*]]: !keops.vec<1xf32, i>) -> !keops.vec<1xf32>
// CHECK-NEXT:    keops.reduce #keops.sum over i once (%[[T]])
keops.formula @finishes_rows(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.exp %1 : !keops.vec<1xf32, i>
  %3 = keops.mul %2, %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  %4 = keops.reduce #keops.sum over i once (%3) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %4 : !keops.vec<1xf32>
}

// -----

// The first sum over j waits for the one over i: with the second it is one pass.
// CHECK-LABEL: keops.program @shares_a_pass(
// CHECK-NEXT:    keops.call @shares_a_pass_0 over i
// CHECK-NEXT:    keops.call @shares_a_pass_1 over j
// CHECK-NEXT:    keops.return
// CHECK-LABEL: keops.formula @shares_a_pass_0(
// CHECK:         keops.reduce #keops.sum over i
// CHECK-LABEL: keops.formula @shares_a_pass_1(
// CHECK:         keops.reduce #keops.sum over j
// CHECK:         keops.reduce #keops.sum over j
// CHECK:         keops.div
// CHECK-NEXT:    keops.return
// CHECK-NOT:   keops.formula
keops.formula @shares_a_pass(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %first = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %columns = keops.reduce #keops.sum over i (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  %2 = keops.mul %1, %columns : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %second = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %3 = keops.div %second, %first : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %3 : !keops.vec<1xf32, i>
}

// -----

// What needs a pass but has other rows is computed where it is used; here nothing else does it.
// CHECK-LABEL: keops.program @rows_from_a_number(
// CHECK-NEXT:    %[[N:.*]] = keops.call @rows_from_a_number_0 over i (%[[X:.*]]) :
// CHECK-NEXT:    keops.call @rows_from_a_number_1 (%[[X]], %[[N]]) :
// CHECK-LABEL: keops.formula @rows_from_a_number_0(
// CHECK-SAME:    -> !keops.vec<1xf32>
// CHECK-LABEL: keops.formula @rows_from_a_number_1(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[N:.*]]: !keops.vec<1xf32>) -> !keops.vec<1xf32, i>
// CHECK-NEXT:    keops.div %[[X]], %[[N]]
keops.formula @rows_from_a_number(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  %1 = keops.div %x, %0 : !keops.vec<1xf32, i>, !keops.vec<1xf32>
  keops.return %1 : !keops.vec<1xf32, i>
}

// -----

// Results for each i and for each j; one of them an argument.
// CHECK-LABEL: keops.program @both_indices(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>)
// CHECK-NEXT:    %[[A:.*]] = keops.call @both_indices_0 over j
// CHECK-NEXT:    %[[B:.*]] = keops.call @both_indices_1 over i
// CHECK-NEXT:    keops.return %[[A]], %[[B]], %[[Y]] : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>, !keops.vec<1xf32, j>
keops.formula @both_indices(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, j>, !keops.vec<1xf32, j>) {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.sum over i (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  keops.return %1, %2, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>, !keops.vec<1xf32, j>
}

// -----

// Rows are moved between passes, and what is scattered is stored by a step of its own.
// CHECK-LABEL: keops.program @moves_rows(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, j>)
// CHECK-NEXT:    %[[P:.*]] = keops.call @moves_rows_0 over j (%[[X]], %[[Y]]) : {{.*}} -> !keops.vec<1xi64, i>
// CHECK-NEXT:    %[[N:.*]] = keops.gather %[[Y]] over j [%[[P]]]
// CHECK-NEXT:    %[[C:.*]] = keops.call @moves_rows_1 (%[[X]], %[[N]])
// CHECK-NEXT:    %[[S:.*]] = keops.scatter total %[[C]] over j [%[[P]]]
// CHECK-NEXT:    keops.return %[[S]] : !keops.vec<2xf32, j>
// CHECK-LABEL: keops.formula @moves_rows_0(
// CHECK:         %[[P:.*]] = keops.reduce #keops.extremum<argmin> over j
// CHECK-NEXT:    keops.return %[[P]]
// CHECK-LABEL: keops.formula @moves_rows_1(
// CHECK:         keops.mul
// CHECK-NOT:     keops.reduce
keops.formula @moves_rows(%x: !keops.vec<2xf32, i>, %y: !keops.vec<2xf32, j>) -> !keops.vec<2xf32, j> {
  %0 = keops.mul %x, %y : !keops.vec<2xf32, i>, !keops.vec<2xf32, j>
  %1 = keops.fold #keops.sum %0 : !keops.vec<2xf32, ij>
  %2 = keops.reduce #keops.extremum<argmin> over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xi64, i>
  %3 = keops.gather %y over j [%2] : !keops.vec<2xf32, j>, !keops.vec<1xi64, i>
  %4 = keops.mul %x, %3 : !keops.vec<2xf32, i>, !keops.vec<2xf32, i>
  %5 = keops.scatter total %4 over j [%2] : !keops.vec<2xf32, i>, !keops.vec<1xi64, i>
  keops.return %5 : !keops.vec<2xf32, j>
}

// -----

// Numbers are stored, not what a comparison of them says.
// CHECK-LABEL: keops.program @stores_numbers(
// CHECK-NEXT:    keops.call @stores_numbers_0 over j ({{.*}}) : ({{.*}}) -> !keops.vec<1xf32, i>
// CHECK-NEXT:    keops.call @stores_numbers_1 over i
// CHECK-LABEL: keops.formula @stores_numbers_1(
// CHECK:         keops.cmp
keops.formula @stores_numbers(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j> {
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %1 = keops.cmp lt %0, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  %2 = keops.select %1, %x, %y : !keops.vec<1xi1, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %3 = keops.reduce #keops.sum over i (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  keops.return %3 : !keops.vec<1xf32, j>
}
