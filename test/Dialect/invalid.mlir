// RUN: keops-opt %s --split-input-file --verify-diagnostics

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

// expected-error @below {{expected one dimension, got 2}}
func.func private @vec_of_two_dimensions(!keops.vec<2x3xf32>)

// -----

// expected-error @below {{expected one dimension, got 0}}
func.func private @vec_without_dimension(!keops.vec<f32>)

// -----

// expected-error @below {{expected at least one component, got 0}}
func.func private @vec_of_no_component(!keops.vec<0xf32>)

// -----

// expected-error @below {{expected elements of type f32, f64, i1 or i64, got 'f16'}}
func.func private @vec_of_unknown_elements(!keops.vec<3xf16>)

// -----

// expected-error @below {{expected the indices 'i', 'j' or 'ij', got 'ji'}}
func.func private @vec_of_unknown_indices(!keops.vec<3xf32, ji>)

// -----

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

func.func private @schedule_without_lanes() attributes {
  // expected-error @below {{expected lanes to be at least 1, got 0}}
  a = #keops.schedule<lane_axis = rows, lanes = 0, rows = 8, columns = 8, chunk = 1, unroll = 16>}

// -----

func.func private @schedule_without_columns() attributes {
  // expected-error @below {{expected columns to be at least 1, got 0}}
  a = #keops.schedule<lane_axis = rows, lanes = 8, rows = 8, columns = 0, chunk = 1, unroll = 16>}

// -----

func.func private @schedule_without_rows() attributes {
  // expected-error @below {{expected rows to be at least 1, got -8}}
  a = #keops.schedule<lane_axis = rows, lanes = 8, rows = -8, columns = 8, chunk = 1, unroll = 16>}

// -----

func.func private @schedule_without_a_chunk() attributes {
  // expected-error @below {{expected chunk to be at least 1, got 0}}
  a = #keops.schedule<lane_axis = rows, lanes = 8, rows = 8, columns = 8, chunk = 0, unroll = 16>}

// -----

func.func private @schedule_unrolls_less_than_nothing() attributes {
  // expected-error @below {{expected unroll to be at least 0, got -1}}
  a = #keops.schedule<lane_axis = rows, lanes = 8, rows = 8, columns = 8, chunk = 1, unroll = -1>}

// -----

func.func private @schedule_lanes_no_power_of_two() attributes {
  // expected-error @below {{expected lanes to be a power of two, got 12}}
  a = #keops.schedule<lane_axis = rows, lanes = 12, rows = 24, columns = 8, chunk = 1, unroll = 16>}

// -----

func.func private @schedule_rows_no_multiple_of_lanes() attributes {
  // expected-error @below {{expected rows to be a multiple of lanes = 8, got 12}}
  a = #keops.schedule<lane_axis = rows, lanes = 8, rows = 12, columns = 8, chunk = 1, unroll = 16>}

// -----

// expected-error @below {{expects K ≥ 1, got 0}}
func.func private @k_smallest_of_none() attributes {a = #keops.k_smallest<0, kmin>}

// -----

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

// expected-error @below {{'keops.formula' op expects results that depend on one index or none, got '!keops.vec<1xf32, ij>'}}
keops.formula @result_depends_on_pairs(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, ij> {
  %0 = keops.add %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  keops.return %0 : !keops.vec<1xf32, ij>
}

// -----

// expected-error @below {{'keops.formula' op expects results that depend on one index or none, got 'f32'}}
keops.formula @result_is_no_vector() -> f32 {
  keops.return
}

// -----

// expected-error @below {{'keops.formula' op expects argument 1 to depend on i, on j, or on neither, got '!keops.vec<1xf32, ij>'}}
keops.formula @argument_depends_on_pairs(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, ij>) {
  keops.return
}

// -----

// expected-error @below {{'keops.formula' op expects argument 0 to depend on i, on j, or on neither, got 'f32'}}
keops.formula @argument_is_no_vector(%x: f32) {
  keops.return
}

// -----

// expected-error @below {{'keops.formula' op expects arguments of one type of number, got 'f32' in argument 1 and 'f64' in argument 2}}
keops.formula @arguments_of_two_types(%n: !keops.vec<1xi64, j>, %x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf64, j>) {
  keops.return
}

// -----

// expected-note @below {{the types are declared here}}
keops.formula @returns_another_type(%x: !keops.vec<1xf32, i>) -> !keops.vec<2xf32, i> {
  // expected-error @below {{'keops.return' op expects the result types of its parent}}
  keops.return %x : !keops.vec<1xf32, i>
}

// -----

// expected-note @below {{the types are declared here}}
keops.formula @returns_too_little(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  // expected-error @below {{'keops.return' op expects the result types of its parent}}
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Pointwise ops
//===----------------------------------------------------------------------===//

keops.formula @dimensions_not_compatible(%x: !keops.vec<3xf32, i>, %y: !keops.vec<2xf32, j>) {
  // expected-error @below {{dimensions are not compatible: 3 and 2 (expected equal dimensions, or 1)}}
  %0 = keops.add %x, %y : !keops.vec<3xf32, i>, !keops.vec<2xf32, j>
  keops.return
}

// -----

keops.formula @element_types_differ(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf64, j>) {
  // expected-error @below {{element types differ: 'f32' and 'f64'}}
  %0 = keops.mul %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf64, j>
  keops.return
}

// -----

keops.formula @comparison_of_different_dimensions(%x: !keops.vec<3xf32, i>, %y: !keops.vec<2xf32, j>) {
  // expected-error @below {{dimensions are not compatible: 3 and 2 (expected equal dimensions, or 1)}}
  %0 = keops.cmp lt %x, %y : !keops.vec<3xf32, i>, !keops.vec<2xf32, j>
  keops.return
}

// -----

keops.formula @select_of_different_element_types(%x: !keops.vec<1xf32>, %y: !keops.vec<1xf64>) {
  %0 = keops.cmp lt %x, %x : !keops.vec<1xf32>, !keops.vec<1xf32>
  // expected-error @below {{element types differ: 'f32' and 'f64'}}
  %1 = keops.select %0, %x, %y : !keops.vec<1xi1>, !keops.vec<1xf32>, !keops.vec<1xf64>
  keops.return
}

// -----

keops.formula @arithmetic_on_row_numbers(%x: !keops.vec<1xi64, i>) {
  // expected-error @below {{operand #0 must be keops vector of floating point numbers}}
  %0 = keops.neg %x : !keops.vec<1xi64, i>
  keops.return
}

// -----

keops.formula @select_by_a_number(%x: !keops.vec<1xf32>) {
  // expected-error @below {{operand #0 must be keops vector of i1}}
  %0 = keops.select %x, %x, %x : !keops.vec<1xf32>, !keops.vec<1xf32>, !keops.vec<1xf32>
  keops.return
}

// -----

keops.formula @indicator_as_no_number(%x: !keops.vec<1xf32>) {
  %0 = keops.cmp lt %x, %x : !keops.vec<1xf32>, !keops.vec<1xf32>
  // expected-error @below {{result #0 must be keops vector of floating point numbers, but got '!keops.vec<1xi64>'}}
  %1 = keops.indicator %0 as i64 : !keops.vec<1xi1>
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

keops.formula @constant_depends_on_an_index() {
  // expected-error @below {{'keops.constant' op is the same for all pairs and expects a type without indices, got '!keops.vec<1xf32, i>'}}
  %0 = keops.constant 1.0 : !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @broadcast_of_a_vector(%x: !keops.vec<2xf32, i>) {
  // expected-error @below {{'keops.broadcast' op expects an operand of dimension 1, got dimension 2}}
  %0 = keops.broadcast %x to 3 : !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @broadcast_to_nothing(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{'keops.broadcast' op expects at least one component, got -1}}
  %0 = keops.broadcast %x to -1 : !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @concat_of_different_element_types(%x: !keops.vec<2xf32, i>, %y: !keops.vec<2xf64, i>) {
  // expected-error @below {{element types differ: 'f32' and 'f64'}}
  %0 = keops.concat %x, %y : !keops.vec<2xf32, i>, !keops.vec<2xf64, i>
  keops.return
}

// -----

keops.formula @slice_beyond_the_end(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.slice' op takes components [2, 4) of a vector of dimension 3}}
  %0 = keops.slice %x[2, 2] : !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @slice_before_the_start(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.slice' op takes components [-1, 1) of a vector of dimension 3}}
  %0 = keops.slice %x[-1, 2] : !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @slice_of_nothing(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.slice' op takes components [1, 1) of a vector of dimension 3}}
  %0 = keops.slice %x[1, 0] : !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @index_of_pairs() {
  // expected-error @below {{'keops.index' op is one number for each i or each j and expects such a type, got '!keops.vec<1xf32, ij>'}}
  %0 = keops.index : !keops.vec<1xf32, ij>
  keops.return
}

// -----

keops.formula @index_of_several_components() {
  // expected-error @below {{'keops.index' op is one number for each i or each j and expects such a type, got '!keops.vec<2xf32, i>'}}
  %0 = keops.index : !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @interleave_of_different_dimensions(%x: !keops.vec<3xf32, i>, %y: !keops.vec<2xf32, i>) {
  // expected-error @below {{alternates vectors of equal dimensions, got 3 and 2}}
  %0 = keops.interleave %x, %y : !keops.vec<3xf32, i>, !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @interleave_of_different_elements(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf64, i>) {
  // expected-error @below {{element types differ: 'f32' and 'f64'}}
  %0 = keops.interleave %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf64, i>
  keops.return
}

// -----

keops.formula @deinterleave_of_odd_dimension(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.deinterleave' op expects a vector of even dimension, got dimension 3}}
  %0 = keops.deinterleave %x[0] : !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @deinterleave_into_thirds(%x: !keops.vec<6xf32, i>) {
  // expected-error @below {{'keops.deinterleave' op takes part 0 or 1 of a vector, got 2}}
  %0 = keops.deinterleave %x[2] : !keops.vec<6xf32, i>
  keops.return
}

// -----

keops.formula @bspline_at_a_vector(%t: !keops.vec<6xf32>, %x: !keops.vec<2xf32, i>) {
  // expected-error @below {{'keops.bspline' op expects a point of dimension 1, got dimension 2}}
  %0 = keops.bspline %t at %x degree 1 : !keops.vec<6xf32>, !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @bspline_of_too_few_knots(%t: !keops.vec<3xf32>, %x: !keops.vec<1xf32, i>) {
  // expected-error @below {{'keops.bspline' op of degree 2 expects at least 4 knots, got 3}}
  %0 = keops.bspline %t at %x degree 2 : !keops.vec<3xf32>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @bspline_of_negative_degree(%t: !keops.vec<3xf32>, %x: !keops.vec<1xf32, i>) {
  // expected-error @below {{'keops.bspline' op expects a degree between 0 and 32, got -1}}
  %0 = keops.bspline %t at %x degree -1 : !keops.vec<3xf32>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @polygamma_of_negative_order(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{'keops.polygamma' op expects an order between 0 and 24, got -1}}
  %0 = keops.polygamma -1 %x : !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @recur_without_lags(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.recur' op expects a lag for each weight, and at least one, got 0 lags and 1 weights}}
  %0 = keops.recur %x by %x lags [] : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @recur_from_itself(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.recur' op expects lags of at least 1, got 0}}
  %0 = keops.recur %x by %x lags [0] : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @recur_with_fewer_weights(%x: !keops.vec<3xf32, i>, %w: !keops.vec<2xf32>) {
  // expected-error @below {{'keops.recur' op expects weights of dimension 3, as its source has, got dimension 2}}
  %0 = keops.recur %x by %w lags [1] : !keops.vec<3xf32, i>, !keops.vec<2xf32>
  keops.return
}

// -----

keops.formula @recur_of_two_types(%x: !keops.vec<3xf32, i>) {
  %w = keops.constant 1.0 : !keops.vec<3xf64>
  // expected-error @below {{element types differ: 'f32' and 'f64'}}
  %0 = keops.recur %x by %w lags [1] : !keops.vec<3xf32, i>, !keops.vec<3xf64>
  keops.return
}

// -----

keops.formula @soft_step_in_rows_of_two_lengths(%x: !keops.vec<3xf32, i>, %g: !keops.vec<1xf32>) {
  // expected-error @below {{'keops.soft_step' op expects costs in rows of one length, got 3 costs in rows of 2}}
  %0 = keops.soft_step down %x in 2 smooth %g : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  keops.return
}

// -----

keops.formula @soft_step_smoothed_by_a_vector(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.soft_step' op expects a smoothing of dimension 1, got dimension 3}}
  %0 = keops.soft_step down %x in 3 smooth %x : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @soft_dtw_smoothed_by_a_vector(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.soft_dtw' op expects a smoothing of dimension 1, got dimension 3}}
  %0 = keops.soft_dtw %x, %x smooth %x : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @pad_does_not_fit(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.pad' op puts 3 components at offset 2 of a vector of dimension 4}}
  %0 = keops.pad %x at 2 in 4 : !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @pad_before_the_start(%x: !keops.vec<3xf32, i>) {
  // expected-error @below {{'keops.pad' op puts 3 components at offset -1 of a vector of dimension 4}}
  %0 = keops.pad %x at -1 in 4 : !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @one_hot_of_a_vector(%x: !keops.vec<2xf32, i>) {
  // expected-error @below {{'keops.one_hot' op expects an operand of dimension 1, got dimension 2}}
  %0 = keops.one_hot %x in 3 : !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @one_hot_in_nothing(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{'keops.one_hot' op expects at least one component, got 0}}
  %0 = keops.one_hot %x in 0 : !keops.vec<1xf32, i>
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

keops.formula @fold_of_two_results(%x: !keops.vec<2xf32, i>) {
  // expected-error @below {{'keops.fold' op expects a reduction with one result of dimension 1, got 'Min_ArgMin'}}
  %0 = keops.fold #keops.extremum<min_argmin> %x : !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @fold_to_a_vector(%x: !keops.vec<2xf32, i>) {
  // expected-error @below {{'keops.fold' op expects a reduction with one result of dimension 1, got 'KMin'}}
  %0 = keops.fold #keops.k_smallest<2, kmin> %x : !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @tensordot_left_shape(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op expects the left shape to hold 6 components, got [2, 2]}}
  %0 = keops.tensordot %x [2, 2] by [1], %y [3] by [0] permute [0] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_right_shape_of_negative_extents(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op expects the right shape to hold 3 components, got [-1, -3]}}
  %0 = keops.tensordot %x [2, 3] by [1], %y [-1, -3] by [1] permute [0, 1] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_axis_twice(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op expects distinct contracted axes of the left operand below 2, got [1, 1]}}
  %0 = keops.tensordot %x [2, 3] by [1, 1], %y [3] by [0] permute [0] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_axis_out_of_range(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op expects distinct contracted axes of the right operand below 1, got [1]}}
  %0 = keops.tensordot %x [2, 3] by [1], %y [3] by [1] permute [0] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_number_of_axes(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op expects as many contracted axes on both sides, got 1 and 0}}
  %0 = keops.tensordot %x [2, 3] by [1], %y [3] by [] permute [0, 1] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_extents(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op contracts axes of different extents 2 and 3}}
  %0 = keops.tensordot %x [2, 3] by [0], %y [3] by [0] permute [0] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_short_permutation(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op expects a permutation of 1 axes, got []}}
  %0 = keops.tensordot %x [2, 3] by [1], %y [3] by [0] permute [] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_permutation_with_a_repetition(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf32, j>) {
  // expected-error @below {{'keops.tensordot' op expects a permutation of 2 axes, got [1, 1]}}
  %0 = keops.tensordot %x [6] by [], %y [3] by [] permute [1, 1] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// -----

keops.formula @tensordot_element_types(%x: !keops.vec<6xf32, i>, %y: !keops.vec<3xf64, j>) {
  // expected-error @below {{element types differ: 'f32' and 'f64'}}
  %0 = keops.tensordot %x [2, 3] by [1], %y [3] by [0] permute [0] : !keops.vec<6xf32, i>, !keops.vec<3xf64, j>
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

keops.formula @reduce_nothing() {
  // expected-error @below {{reduction 'Sum' expects 1 formula, got 0}}
  "keops.reduce"() <{reduction = #keops.sum, over = #keops<over j>}> : () -> ()
  keops.return
}

// -----

keops.formula @sum_of_two(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{reduction 'Sum' expects 1 formula, got 2}}
  %0 = keops.reduce #keops.sum over j (%x, %x) : (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @extremum_of_two(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{reduction 'ArgMax' expects 1 formula, got 2}}
  %0 = keops.reduce #keops.extremum<argmax> over j (%x, %x) : (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) -> !keops.vec<1xi64, i>
  keops.return
}

// -----

keops.formula @k_smallest_of_two(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{reduction 'KMin' expects 1 formula, got 2}}
  %0 = keops.reduce #keops.k_smallest<2, kmin> over j (%x, %x) : (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) -> !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @softmax_without_weights(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{reduction 'SumSoftMaxWeight' expects 2 formulas, got 1}}
  %0 = keops.reduce #keops.softmax over j (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @once_for_every_row(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{is computed once and expects operands that depend on 'j' or nothing, got '!keops.vec<1xf32, i>'}}
  %0 = keops.reduce #keops.sum over j once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Derivatives
//===----------------------------------------------------------------------===//

keops.formula @cotangent_of_another_dimension(%x: !keops.vec<3xf32, i>) {
  %0 = keops.fold #keops.sum %x : !keops.vec<3xf32, i>
  // expected-error @below {{expects a cotangent of dimension 1, as its formula has, got dimension 3}}
  %1 = keops.grad %0 wrt %x cotangent %x : !keops.vec<1xf32, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return
}

// -----

keops.formula @tangent_of_another_dimension(%x: !keops.vec<3xf32, i>) {
  %0 = keops.fold #keops.sum %x : !keops.vec<3xf32, i>
  // expected-error @below {{expects a tangent of dimension 3, as its variable has, got dimension 1}}
  %1 = keops.diff %0 wrt %x tangent %0 : !keops.vec<1xf32, i>, !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @derivative_of_two_types(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf64, i>) {
  // expected-error @below {{expects operands of one element type, got 'f64' and 'f32'}}
  %0 = keops.grad %x wrt %x cotangent %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf64, i>
  keops.return
}

// -----

keops.formula @total_of_other_rows(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) {
  // expected-error @below {{is a total and expects a cotangent that depends on what its formula depends on, 'i', got 'j'}}
  %0 = keops.grad total %x wrt %x cotangent %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

keops.formula @logsumexp_of_three(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{reduction 'LogSumExp' expects 1 or 2 formulas, got 3}}
  %0 = keops.reduce #keops.logsumexp over j (%x, %x, %x) : (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @logsumexp_of_a_vector(%x: !keops.vec<2xf32, i>) {
  // expected-error @below {{reduction 'LogSumExp' expects a formula of dimension 1, got dimension 2}}
  %0 = keops.reduce #keops.logsumexp over j (%x) : (!keops.vec<2xf32, i>) -> !keops.vec<2xf32, i>
  keops.return
}

// -----

keops.formula @weight_of_another_element_type(%x: !keops.vec<1xf32, i>, %w: !keops.vec<1xf64, j>) {
  // expected-error @below {{element types differ: 'f32' and 'f64'}}
  // expected-error @below {{failed to infer returned types}}
  %0 = keops.reduce #keops.logsumexp over j (%x, %w) : (!keops.vec<1xf32, i>, !keops.vec<1xf64, j>) -> !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @reduction_keeps_the_reduced_index(%x: !keops.vec<1xf32, j>) {
  // expected-error @below {{'keops.reduce' op inferred type(s) '!keops.vec<1xf32, i>' are incompatible with return type(s) of operation '!keops.vec<1xf32, j>'}}
  // expected-error @below {{failed to infer returned types}}
  %0 = keops.reduce #keops.sum over j (%x) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, j>
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Kernels and stages
//===----------------------------------------------------------------------===//

// expected-error @below {{'keops.kernel' op expects results that keep index i or none, got '!keops.vec<1xf32, j>'}}
keops.kernel @result_keeps_the_reduced_index(%y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j> {
  keops.return %y : !keops.vec<1xf32, j>
}

// -----

// expected-error @below {{'keops.kernel' op expects argument 0 to depend on i, on j, or on neither, got '!keops.vec<1xf32, ij>'}}
keops.kernel @kernel_argument_depends_on_pairs(%x: !keops.vec<1xf32, ij>) {
  keops.return
}

// -----

// expected-error @below {{'keops.kernel' op expects arguments of one type of number, got 'f64' in argument 0 and 'f32' in argument 1}}
keops.kernel @kernel_arguments_of_two_types(%x: !keops.vec<1xf64, i>, %y: !keops.vec<1xf32, j>) {
  keops.return
}

// -----

// expected-note @below {{the types are declared here}}
keops.kernel @kernel_returns_another_type(%x: !keops.vec<1xf32, i>) -> !keops.vec<2xf32, i> {
  // expected-error @below {{'keops.return' op expects the result types of its parent}}
  keops.return %x : !keops.vec<1xf32, i>
}

// -----

keops.kernel @computes_outside_of_stages(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{'keops.neg' op expected a stage here: computation belongs to one}}
  %0 = keops.neg %x : !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.kernel @stages_out_of_order() {
  keops.stage cols {
  }
  // expected-error @below {{'keops.stage' op comes after stage 'cols'; expected each kind once, in the order call, rows, cols, pairs, finish}}
  keops.stage rows {
  }
  keops.return
}

// -----

keops.kernel @stage_twice() {
  keops.stage rows {
  }
  // expected-error @below {{'keops.stage' op comes after stage 'rows'; expected each kind once, in the order call, rows, cols, pairs, finish}}
  keops.stage rows {
  }
  keops.return
}

// -----

func.func @stage_outside_of_a_kernel() {
  // expected-error @below {{'keops.stage' op expects parent op 'keops.kernel'}}
  keops.stage rows {
  }
  return
}

// -----

keops.kernel @rows_read_a_column(%y: !keops.vec<1xf32, j>) {
  keops.stage rows {
    // expected-error @below {{'keops.neg' op uses a value of type '!keops.vec<1xf32, j>' in stage 'rows', which runs only over 'i'}}
    %0 = keops.neg %y : !keops.vec<1xf32, j>
  }
  keops.return
}

// -----

keops.kernel @call_reads_a_row(%x: !keops.vec<1xf32, i>) {
  keops.stage call {
    // expected-error @below {{'keops.neg' op uses a value of type '!keops.vec<1xf32, i>' in stage 'call', which runs only over ''}}
    %0 = keops.neg %x : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @finish_reads_a_column(%y: !keops.vec<1xf32, j>) {
  keops.stage finish {
    // expected-error @below {{'keops.neg' op uses a value of type '!keops.vec<1xf32, j>' in stage 'finish', which runs only over 'i'}}
    %0 = keops.neg %y : !keops.vec<1xf32, j>
  }
  keops.return
}

// -----

keops.kernel @rows_accumulate(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    // expected-error @below {{'keops.accumulate' op belongs to the stage 'pairs', not 'rows'}}
    %0 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @stage_yields_another_type(%x: !keops.vec<1xf32, i>) {
  %0 = keops.stage rows -> !keops.vec<2xf32, i> {
    // expected-error @below {{'keops.yield' op expects the result types of its stage}}
    keops.yield %x : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @pairs_keep_a_scalar(%x: !keops.vec<1xf32, i>) {
  %0 = keops.stage pairs -> !keops.vec<1xf32, i> {
    // expected-error @below {{'keops.yield' op expects the results of accumulations: a stage over pairs keeps nothing else}}
    keops.yield %x : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

//===----------------------------------------------------------------------===//
// Ops of the tile level
//===----------------------------------------------------------------------===//

keops.kernel @component_of_what_is_not_stored(%x: !keops.vec<3xf32, i>) {
  keops.stage rows {
    %c0 = arith.constant 0 : index
    %0 = keops.neg %x : !keops.vec<3xf32, i>
    // expected-error @below {{'keops.component' op expects a stored vector: an argument of the kernel, a result of a stage, or a map; got a result of 'keops.neg'}}
    %1 = keops.component %0[%c0] : !keops.vec<3xf32, i>
  }
  keops.return
}

// -----

keops.kernel @component_beyond_the_end(%x: !keops.vec<3xf32, i>) {
  keops.stage rows {
    %c3 = arith.constant 3 : index
    // expected-error @below {{'keops.component' op takes component 3 of a vector of dimension 3}}
    %0 = keops.component %x[%c3] : !keops.vec<3xf32, i>
  }
  keops.return
}

// -----

keops.kernel @component_before_the_start(%x: !keops.vec<3xf32, i>) {
  keops.stage rows {
    %c = arith.constant -1 : index
    // expected-error @below {{'keops.component' op takes component -1 of a vector of dimension 3}}
    %0 = keops.component %x[%c] : !keops.vec<3xf32, i>
  }
  keops.return
}

// -----

keops.kernel @extend_loses_an_index(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.extend' op expects the operand's type with more indices, got '!keops.vec<1xf32, j>'}}
    %0 = keops.extend %x : !keops.vec<1xf32, i> to !keops.vec<1xf32, j>
  }
  keops.return
}

// -----

keops.kernel @extend_changes_the_dimension(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.extend' op expects the operand's type with more indices, got '!keops.vec<2xf32, ij>'}}
    %0 = keops.extend %x : !keops.vec<1xf32, i> to !keops.vec<2xf32, ij>
  }
  keops.return
}

// -----

keops.kernel @contract_over_nothing(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    // expected-error @below {{'keops.contract' op expects at least one component, got 0}}
    %0 = keops.contract #keops.sum over 0 {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @contract_without_a_component(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    // expected-error @below {{'keops.contract' op expects a region with one argument of type index, the component}}
    %0 = keops.contract #keops.sum over 3 {
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @contract_yields_a_vector(%x: !keops.vec<2xf32, i>) {
  keops.stage rows {
    %0 = keops.contract #keops.sum over 3 {
    ^bb0(%d: index):
      // expected-error @below {{'keops.yield' op expects a scalar of 'f32', got '!keops.vec<2xf32, i>'}}
      keops.yield %x : !keops.vec<2xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @contract_to_a_vector(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    // expected-error @below {{'keops.contract' op result #0 must be keops vector of dimension 1, but got '!keops.vec<2xf32, i>'}}
    %0 = keops.contract #keops.sum over 3 {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<2xf32, i>
  }
  keops.return
}

// -----

keops.kernel @contract_returns(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    %0 = keops.contract #keops.sum over 3 {
    ^bb0(%d: index):
      // expected-error @below {{'keops.return' op expects parent op to be one of 'keops.formula, keops.program, keops.kernel'}}
      keops.return %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @contract_ends_otherwise(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    %0 = keops.contract #keops.sum over 3 {
    ^bb0(%d: index):
      // expected-error @below {{'ub.unreachable' op ends a region of 'keops.contract'; expected 'keops.yield' there}}
      ub.unreachable
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @contract_to_two_results(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    // expected-error @below {{'keops.contract' op expects a reduction with one result of dimension 1, got 'Min_ArgMin'}}
    %0 = keops.contract #keops.extremum<min_argmin> over 3 {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @contract_to_several_ranks(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    // expected-error @below {{'keops.contract' op expects a reduction with one result of dimension 1, got 'KMin'}}
    %0 = keops.contract #keops.k_smallest<2, kmin> over 3 {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @map_returns(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    %0 = keops.map {
    ^bb0(%d: index):
      // expected-error @below {{'keops.return' op expects parent op to be one of 'keops.formula, keops.program, keops.kernel'}}
      keops.return %x : !keops.vec<1xf32, i>
    } : !keops.vec<2xf32, i>
  }
  keops.return
}

// -----

keops.kernel @map_yields_nothing() {
  keops.stage rows {
    %0 = keops.map {
    ^bb0(%d: index):
      // expected-error @below {{'keops.yield' op expects one scalar, the value of a component, got 0}}
      keops.yield
    } : !keops.vec<2xf32, i>
  }
  keops.return
}

// -----

keops.kernel @map_yields_another_element_type(%x: !keops.vec<1xf64, i>) {
  keops.stage rows {
    %0 = keops.map {
    ^bb0(%d: index):
      // expected-error @below {{'keops.yield' op expects a scalar of 'f32', got '!keops.vec<1xf64, i>'}}
      keops.yield %x : !keops.vec<1xf64, i>
    } : !keops.vec<2xf32, i>
  }
  keops.return
}

// -----

keops.kernel @map_of_itself_as_another_type(%x: !keops.vec<1xf32, i>) {
  keops.stage rows {
    // expected-error @below {{'keops.map' op expects a region with one argument of type index, the component, and perhaps one of type '!keops.vec<2xf32, i>', the vector so far}}
    %0 = keops.map {
    ^bb0(%d: index, %self: !keops.vec<3xf32, i>):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<2xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_without_a_term(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.accumulate' op has 1 regions for 2 dimensions}}
    %0 = keops.accumulate #keops.logsumexp over [1, 1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_terms_of_the_reduction(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.accumulate' op reduction 'LogSumExp' expects a formula of dimension 1, got dimension 2}}
    %0 = keops.accumulate #keops.logsumexp over [2] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<2xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_number_of_results(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.accumulate' op expects 2 results, got 1}}
    %0 = keops.accumulate #keops.extremum<min_argmin> over [1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_gives_row_numbers(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.accumulate' op expects a result of 3 row numbers, got '!keops.vec<3xf32, i>'}}
    %0 = keops.accumulate #keops.k_smallest<3, argkmin> over [1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<3xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_dimension_of_a_result(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.accumulate' op expects a result of 2 numbers, got '!keops.vec<1xf32, i>'}}
    %0 = keops.accumulate #keops.sum over [2] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_yields_a_vector(%x: !keops.vec<2xf32, i>) {
  keops.stage pairs {
    %0 = keops.accumulate #keops.sum over [2] {
    ^bb0(%d: index):
      // expected-error @below {{'keops.yield' op expects a scalar of floating point numbers, got '!keops.vec<2xf32, i>'}}
      keops.yield %x : !keops.vec<2xf32, i>
    } : !keops.vec<2xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_without_a_component(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.accumulate' op expects a region with one argument of type index, the component}}
    %0 = keops.accumulate #keops.sum over [1] {
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_returns(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    %0 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      // expected-error @below {{'keops.return' op expects parent op to be one of 'keops.formula, keops.program, keops.kernel'}}
      keops.return %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_ends_otherwise(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    %0 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      // expected-error @below {{'ub.unreachable' op ends a region of 'keops.accumulate'; expected 'keops.yield' there}}
      ub.unreachable
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_comparisons(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) {
  keops.stage pairs {
    %less = keops.cmp lt %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
    %0 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      // expected-error @below {{'keops.yield' op expects a scalar of floating point numbers, got '!keops.vec<1xi1, ij>'}}
      keops.yield %less : !keops.vec<1xi1, ij>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_terms_of_two_types(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    %0 = keops.accumulate #keops.logsumexp over [1, 1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    }, {
    ^bb0(%d: index):
      %c = keops.constant 1.0 : !keops.vec<1xf64>
      // expected-error @below {{'keops.yield' op expects a scalar of 'f32', got '!keops.vec<1xf64>'}}
      keops.yield %c : !keops.vec<1xf64>
    } : !keops.vec<1xf32, i>
  }
  keops.return
}

// -----

keops.kernel @accumulate_to_another_type(%x: !keops.vec<1xf32, i>) {
  keops.stage pairs {
    // expected-error @below {{'keops.accumulate' op expects results of 'f32', as its terms are, got '!keops.vec<1xf64, i>'}}
    %0 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf64, i>
  }
  keops.return
}

// -----

keops.formula @gather_by_rows_of_its_own_index(%y: !keops.vec<1xf32, j>, %r: !keops.vec<1xi64, j>) {
  // expected-error @below {{expects row numbers that do not depend on 'j', whose rows they are, got '!keops.vec<1xi64, j>'}}
  %0 = keops.gather %y over j [%r] : !keops.vec<1xf32, j>, !keops.vec<1xi64, j>
  keops.return
}

// -----

keops.formula @gather_by_numbers(%y: !keops.vec<1xf32, j>, %r: !keops.vec<1xf32, i>) {
  // expected-error @below {{'keops.gather' op operand #1 must be keops vector of row numbers, i64, but got '!keops.vec<1xf32, i>'}}
  %0 = keops.gather %y over j [%r] : !keops.vec<1xf32, j>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @gather_in_groups_of_rows(%y: !keops.vec<4xf32, j>, %r: !keops.vec<3xi64, i>) {
  // expected-error @below {{expects groups that divide the 3 row numbers evenly, got 2}}
  %0 = keops.gather %y over j [%r] groups 2 : !keops.vec<4xf32, j>, !keops.vec<3xi64, i>
  keops.return
}

// -----

keops.formula @gather_in_groups_of_components(%y: !keops.vec<5xf32, j>, %r: !keops.vec<4xi64, i>) {
  // expected-error @below {{expects groups that divide the operand's dimension 5 evenly, got 2}}
  %0 = keops.gather %y over j [%r] groups 2 : !keops.vec<5xf32, j>, !keops.vec<4xi64, i>
  keops.return
}

// -----

keops.formula @gather_in_no_groups(%y: !keops.vec<5xf32, j>, %r: !keops.vec<4xi64, i>) {
  // expected-error @below {{expects groups that divide the 4 row numbers evenly, got 0}}
  %0 = keops.gather %y over j [%r] groups 0 : !keops.vec<5xf32, j>, !keops.vec<4xi64, i>
  keops.return
}

// -----

keops.formula @scatter_of_too_few(%e: !keops.vec<5xf32, i>, %r: !keops.vec<2xi64, i>) {
  // expected-error @below {{expects an operand whose dimension is a multiple of the 2 row numbers, got dimension 5}}
  %0 = keops.scatter %e over j [%r] : !keops.vec<5xf32, i>, !keops.vec<2xi64, i>
  keops.return
}

// -----

keops.formula @scatter_of_columns(%e: !keops.vec<2xf32, j>, %r: !keops.vec<2xi64, i>) {
  // expected-error @below {{is a total and expects an operand that does not depend on 'j', got '!keops.vec<2xf32, j>'}}
  %0 = keops.scatter total %e over j [%r] : !keops.vec<2xf32, j>, !keops.vec<2xi64, i>
  keops.return
}

// -----

// expected-error @below {{expects calls and movements of rows only, got 'keops.exp'}}
keops.program @computes(%x: !keops.vec<1xf32, i>) {
  // expected-note @below {{it is here}}
  %0 = keops.exp %x : !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.program @stores_pairs(%x: !keops.vec<1xf32, i>, %r: !keops.vec<1xi64, i>) {
  // expected-error @below {{gives a value for each pair; a program stores what depends on one index or none}}
  %0 = keops.scatter %x over j [%r] : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
  keops.return
}

// -----

keops.formula @part(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32>
}
keops.program @calls_another(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{calls @nothing; expected the name of a keops.formula}}
  %0 = keops.call @nothing over i (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return
}

// -----

keops.formula @part(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32>
}
keops.program @calls_with_more(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{expects 1 operands, as @part has arguments, got 2}}
  %0 = keops.call @part over i (%x, %x) : (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return
}

// -----

keops.formula @part(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32>
}
keops.program @calls_with_another(%x: !keops.vec<1xf32, j>) {
  // expected-error @below {{expects an operand of type '!keops.vec<1xf32, i>', got '!keops.vec<1xf32, j>'}}
  %0 = keops.call @part over i (%x) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32>
  keops.return
}

// -----

keops.formula @part(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32>
}
keops.program @calls_for_more(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{expects 1 results, as @part has, got 2}}
  %0:2 = keops.call @part over i (%x) : (!keops.vec<1xf32, i>) -> (!keops.vec<1xf32>, !keops.vec<1xf32>)
  keops.return
}

// -----

keops.formula @part(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32>
}
keops.program @calls_for_another(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{expects a result of type '!keops.vec<1xf32>', got '!keops.vec<1xf32, i>'}}
  %0 = keops.call @part over i (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @part(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32>
}
keops.program @calls_over_another(%x: !keops.vec<1xf32, i>) {
  // expected-error @below {{expects 'over i', the index that @part reduces}}
  %0 = keops.call @part over j (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return
}

// -----

// expected-error @below {{'keops.formula' op expects argument_storage to have 1 types, one for each array, got 2}}
keops.formula @storage_of_too_many(%x: !keops.vec<1xf32, i>) attributes {argument_storage = [f16, f16]} {
  keops.return
}

// -----

// expected-error @below {{'keops.formula' op expects argument_storage 1 to be 'f32', 'f16' or 'bf16', for an array of numbers 'f32', got 'f64'}}
keops.formula @storage_of_wide_numbers(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, i>) attributes {argument_storage = [f32, f64]} {
  keops.return
}

// -----

// expected-error @below {{'keops.formula' op expects argument_storage 0 to be 'f64', for an array of numbers 'f64', got 'f16'}}
keops.formula @storage_of_short_numbers(%x: !keops.vec<1xf64, i>) attributes {argument_storage = [f16]} {
  keops.return
}

// -----

// expected-error @below {{'keops.kernel' op expects result_storage 0 to be 'f32', 'f16' or 'bf16', for an array of numbers 'f32', got 'i64'}}
keops.kernel @storage_of_rows(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> attributes {result_storage = [i64]} {
  keops.return %x : !keops.vec<1xf32, i>
}

// -----

keops.formula @trace_of_another_dimension(%x: !keops.vec<3xf32, i>) {
  %0 = keops.fold #keops.sum %x : !keops.vec<3xf32, i>
  // expected-error @below {{expects a formula of dimension 3, as its variable has, got dimension 1}}
  %1 = keops.trace %0 wrt %x weights %0 : !keops.vec<1xf32, i>, !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  keops.return
}

// -----

keops.formula @weights_of_another_dimension(%x: !keops.vec<3xf32, i>, %w: !keops.vec<2xf32>) {
  // expected-error @below {{expects weights of dimension 1 or 3, got dimension 2}}
  %0 = keops.trace %x wrt %x weights %w : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>, !keops.vec<2xf32>
  keops.return
}

// -----

keops.formula @floats(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  keops.return %x : !keops.vec<1xf32, i>
}

keops.program @array_of_another_type(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> attributes {argument_storage = [f16]} {
  // expected-error @below {{expects operand 0 as an array of 'f32', got one of 'f16'}}
  %0 = keops.call @floats(%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// -----

// expected-error @below {{expects result_storage 0 to be 'f32', 'f16' or 'bf16', for an array of numbers 'f32', got 'f64'}}
keops.program @stored_as_another_type(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> attributes {result_storage = [f64]} {
  keops.return %x : !keops.vec<1xf32, i>
}
