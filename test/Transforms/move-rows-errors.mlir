// RUN: keops-opt %s --keops-move-rows --split-input-file --verify-diagnostics

keops.formula @not_linear(%e: !keops.vec<1xf32, i>, %r: !keops.vec<1xi64, i>) -> !keops.vec<1xf32, i> {
  // expected-error @below {{is used where it is not summed over one of its indices in a formula that is linear in it}}
  %0 = keops.scatter %e over j [%r] : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
  %1 = keops.exp %0 : !keops.vec<1xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// -----

keops.formula @affine(%e: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %r: !keops.vec<1xi64, i>) -> !keops.vec<1xf32, i> {
  // expected-error @below {{is used where it is not summed over one of its indices}}
  %0 = keops.scatter %e over j [%r] : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
  %1 = keops.add %0, %y : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}
