// RUN: keops-opt %s --split-input-file --keops-tile --verify-diagnostics

keops.formula @reduction_of_a_reduction(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.add %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.extremum<max> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.sub %0, %1 : !keops.vec<1xf32, ij>, !keops.vec<1xf32, i>
  %3 = keops.exp %2 : !keops.vec<1xf32, ij>
  // expected-error @below {{needs the result of another reduction; one pass over the pairs cannot compute both}}
  %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<1xf32, i>
}

// -----

keops.formula @reductions_over_different_indices(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, j>) {
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  // expected-error @below {{runs over another index than the first reduction of the formula}}
  %1 = keops.reduce #keops.sum over i (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, j>
  keops.return %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
}

// -----

// expected-error @below {{returns values for each i and values for each j; expected results that all keep one index: compute the others in a formula of their own}}
keops.formula @results_of_both_indices(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, j>) {
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %1 = keops.exp %y : !keops.vec<1xf32, j>
  keops.return %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
}

// -----

// expected-error @below {{returns values for each i and values for each j}}
keops.formula @arguments_of_both_indices(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, j>) {
  keops.return %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
}

// -----

keops.formula @once_and_for_each(%y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  // expected-error @below {{keeps other rows than the first reduction of the formula}}
  %1 = keops.reduce #keops.sum over j once (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32>
  %2 = keops.mul %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32>
  keops.return %2 : !keops.vec<1xf32, i>
}

// -----

keops.formula @rows_moved(%y: !keops.vec<1xf32, j>, %r: !keops.vec<1xi64, i>) -> !keops.vec<1xf32, i> {
  // expected-error @below {{moves rows, which a pass over the pairs does not}}
  %0 = keops.gather %y over j [%r] : !keops.vec<1xf32, j>, !keops.vec<1xi64, i>
  keops.return %0 : !keops.vec<1xf32, i>
}
