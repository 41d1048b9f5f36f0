// RUN: keops-opt %s --split-input-file --keops-lower-stages --verify-diagnostics

// expected-error @below {{has no schedule; expected one written by keops-select-schedule or by hand}}
keops.kernel @without_a_schedule(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  keops.return %x : !keops.vec<1xf32, i>
}
