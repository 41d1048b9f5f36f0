// RUN: keops-opt %s --keops-expand-derivatives --split-input-file --verify-diagnostics

keops.formula @op_without_derivative(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  // expected-note @below {{it is here}}
  %0 = builtin.unrealized_conversion_cast %x : !keops.vec<1xf32, i> to !keops.vec<1xf32, i>
  // expected-error @below {{meets 'builtin.unrealized_conversion_cast', which has no derivative}}
  %1 = keops.grad %0 wrt %x cotangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}

// -----

keops.formula @highest_order(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  // expected-note @below {{it is here}}
  %0 = keops.polygamma 24 %x : !keops.vec<1xf32, i>
  // expected-error @below {{meets 'keops.polygamma', which is of the highest order that is computed}}
  %1 = keops.grad %0 wrt %x cotangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}

// -----

keops.formula @derivative_in_knots(%t: !keops.vec<4xf32>, %x: !keops.vec<1xf32, i>) -> !keops.vec<4xf32, i> {
  // expected-note @below {{it is here}}
  %0 = keops.bspline %t at %x degree 2 : !keops.vec<4xf32>, !keops.vec<1xf32, i>
  // expected-error @below {{meets 'keops.bspline', which has a derivative in its point, but none in its knots}}
  %1 = keops.grad %0 wrt %t cotangent %x : !keops.vec<1xf32, i>, !keops.vec<4xf32>, !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<4xf32, i>
}

// -----

keops.formula @reduction_for_each_pair(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  // expected-error @below {{meets a reduction and expects to be a total then}}
  %2 = keops.grad %1 wrt %x cotangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @not_linear(%x: !keops.vec<1xf32, i>) {
  // expected-note @below {{this operation}}
  %0 = keops.exp %x : !keops.vec<1xf32, i>
  // expected-error @below {{expects a formula that is linear in the variable, but 'keops.exp' is not linear in what depends on it}}
  %1 = keops.diff linear %0 wrt %x tangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @two_variable_factors(%x: !keops.vec<1xf32, i>) {
  %0 = keops.neg %x : !keops.vec<1xf32, i>
  // expected-note @below {{this operation}}
  %1 = keops.mul %0, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  // expected-error @below {{'keops.mul' is not linear in what depends on it}}
  %2 = keops.grad linear %1 wrt %x cotangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

// Its derivative is zero, and still it depends on the variable.
keops.formula @jump_as_a_factor(%x: !keops.vec<1xf32, i>) {
  // expected-note @below {{this operation}}
  %0 = keops.floor %x : !keops.vec<1xf32, i>
  %1 = keops.mul %0, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  // expected-error @below {{'keops.floor' is not linear in what depends on it}}
  %2 = keops.grad linear %1 wrt %x cotangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @affine(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, i>) {
  // expected-note @below {{this operation}}
  %0 = keops.add %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  // expected-error @below {{'keops.add' is not linear in what depends on it}}
  %1 = keops.diff linear %0 wrt %x tangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @constant(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, i>) {
  // expected-error @below {{expects a formula that is linear in the variable, but it does not depend on it linearly}}
  %0 = keops.diff linear %y wrt %x tangent %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @components_of_each_other(%x: !keops.vec<257xf32, i>) {
  %0 = keops.reverse %x : !keops.vec<257xf32, i>
  // expected-error @below {{meets 'keops.reverse', which makes components of each other, and then needs a derivative for each of 257 components, of which it writes out at most 256}}
  %1 = keops.trace %0 wrt %x weights %x : !keops.vec<257xf32, i>, !keops.vec<257xf32, i>, !keops.vec<257xf32, i>
  keops.return
}
