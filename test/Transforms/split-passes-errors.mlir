// RUN: keops-opt %s --keops-split-passes --split-input-file --verify-diagnostics

keops.formula @gathers_pairs(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.extremum<argmin> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xi64, i>
  // expected-error @below {{has a value for each pair, which no pass over the pairs stores; expected keops-move-rows to have written it out}}
  %2 = keops.gather %0 over j [%1] : !keops.vec<1xf32, ij>, !keops.vec<1xi64, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// -----

keops.formula @scatters_to_pairs(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.extremum<argmin> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xi64, i>
  // expected-error @below {{has a value for each pair}}
  %2 = keops.scatter %x over j [%1] : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
  %3 = keops.exp %2 : !keops.vec<1xf32, ij>
  %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<1xf32, i>
}
