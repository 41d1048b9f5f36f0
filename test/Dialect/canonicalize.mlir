// RUN: keops-opt %s --keops-simplify | FileCheck %s

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

// abs(−(2·3 − 0.5))/2 = 2.75, to 2; 0.5² = 0.25; round(0.5) = 1; √4·exp(0)·cos(0) = 2.
// CHECK-LABEL: keops.formula @constants_fold
// CHECK-NEXT:    %[[SUM:.*]] = keops.constant 5.250000e+00 : <1xf32>
// CHECK-NEXT:    keops.return %[[SUM]]
keops.formula @constants_fold() -> !keops.vec<1xf32> {
  %zero = keops.constant 0.0 : !keops.vec<1xf32>
  %half = keops.constant 0.5 : !keops.vec<1xf32>
  %two = keops.constant 2.0 : !keops.vec<1xf32>
  %three = keops.constant 3.0 : !keops.vec<1xf32>
  %four = keops.constant 4.0 : !keops.vec<1xf32>
  %0 = keops.mul %two, %three : !keops.vec<1xf32>, !keops.vec<1xf32>
  %1 = keops.sub %0, %half : !keops.vec<1xf32>, !keops.vec<1xf32>
  %2 = keops.neg %1 : !keops.vec<1xf32>
  %3 = keops.abs %2 : !keops.vec<1xf32>
  %4 = keops.div %3, %two : !keops.vec<1xf32>, !keops.vec<1xf32>
  %5 = keops.floor %4 : !keops.vec<1xf32>
  %6 = keops.powf %half, %two : !keops.vec<1xf32>, !keops.vec<1xf32>
  %7 = keops.round %half : !keops.vec<1xf32>
  %8 = keops.sqrt %four : !keops.vec<1xf32>
  %9 = keops.exp %zero : !keops.vec<1xf32>
  %10 = keops.cos %zero : !keops.vec<1xf32>
  %11 = keops.mul %8, %9 : !keops.vec<1xf32>, !keops.vec<1xf32>
  %12 = keops.mul %11, %10 : !keops.vec<1xf32>, !keops.vec<1xf32>
  %13 = keops.add %5, %6 : !keops.vec<1xf32>, !keops.vec<1xf32>
  %14 = keops.add %13, %7 : !keops.vec<1xf32>, !keops.vec<1xf32>
  %15 = keops.add %14, %12 : !keops.vec<1xf32>, !keops.vec<1xf32>
  keops.return %15 : !keops.vec<1xf32>
}

// What a constant computes keeps its meaning at the edges.
// CHECK-LABEL: keops.formula @constants_fold_to_infinities_and_nan
// CHECK-DAG:     %[[LOW:.*]] = keops.constant 0xFFF0000000000000 : <1xf64>
// CHECK-DAG:     %[[NAN:.*]] = keops.constant 0x{{[7F]}}FF8000000000000 : <1xf64>
// CHECK:         keops.return %[[LOW]], %[[NAN]]
keops.formula @constants_fold_to_infinities_and_nan() -> (!keops.vec<1xf64>, !keops.vec<1xf64>) {
  %zero = keops.constant 0.0 : !keops.vec<1xf64>
  %below = keops.constant -1.0 : !keops.vec<1xf64>
  %0 = keops.log %zero : !keops.vec<1xf64>
  %1 = keops.sqrt %below : !keops.vec<1xf64>
  keops.return %0, %1 : !keops.vec<1xf64>, !keops.vec<1xf64>
}

// The result has the dimension of the op, not of an operand.
// CHECK-LABEL: keops.formula @constants_of_different_dimensions_fold
// CHECK:         %[[SUM:.*]] = keops.constant 5.000000e+00 : <3xf32>
// CHECK-NEXT:    keops.return %[[SUM]]
keops.formula @constants_of_different_dimensions_fold() -> !keops.vec<3xf32> {
  %two = keops.constant 2.0 : !keops.vec<1xf32>
  %three = keops.constant 3.0 : !keops.vec<3xf32>
  %0 = keops.add %two, %three : !keops.vec<1xf32>, !keops.vec<3xf32>
  keops.return %0 : !keops.vec<3xf32>
}

//===----------------------------------------------------------------------===//
// Neutral elements
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @neutral_elements_vanish
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    keops.return %[[X]]
keops.formula @neutral_elements_vanish(%x: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %zero = keops.constant 0.0 : !keops.vec<1xf32>
  %one = keops.constant 1.0 : !keops.vec<1xf32>
  %0 = keops.add %x, %zero : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  %1 = keops.add %zero, %0 : !keops.vec<1xf32>, !keops.vec<3xf32, i>
  %2 = keops.sub %1, %zero : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  %3 = keops.mul %2, %one : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  %4 = keops.mul %one, %3 : !keops.vec<1xf32>, !keops.vec<3xf32, i>
  %5 = keops.div %4, %one : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  keops.return %5 : !keops.vec<3xf32, i>
}

// x·1 with a vector of ones has three components: x alone would not do.
// CHECK-LABEL: keops.formula @neutral_vector_broadcasts
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>)
// CHECK:         %[[ONES:.*]] = keops.constant 1.000000e+00 : <3xf32>
// CHECK:         %[[MUL:.*]] = keops.mul %[[X]], %[[ONES]]
// CHECK-NEXT:    keops.return %[[MUL]]
keops.formula @neutral_vector_broadcasts(%x: !keops.vec<1xf32, i>) -> !keops.vec<3xf32, i> {
  %ones = keops.constant 1.0 : !keops.vec<3xf32>
  %0 = keops.mul %x, %ones : !keops.vec<1xf32, i>, !keops.vec<3xf32>
  keops.return %0 : !keops.vec<3xf32, i>
}

// Not neutral: 0 on the left of a difference, 1 on the left of a quotient, in a power or an angle.
// CHECK-LABEL: keops.formula @neutral_elements_have_a_side
// CHECK-DAG:     keops.sub
// CHECK-DAG:     keops.div
// CHECK-DAG:     keops.atan2
// CHECK-DAG:     keops.powf
keops.formula @neutral_elements_have_a_side(%x: !keops.vec<1xf32, i>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %zero = keops.constant 0.0 : !keops.vec<1xf32>
  %one = keops.constant 1.0 : !keops.vec<1xf32>
  %0 = keops.sub %zero, %x : !keops.vec<1xf32>, !keops.vec<1xf32, i>
  %1 = keops.div %one, %x : !keops.vec<1xf32>, !keops.vec<1xf32, i>
  %2 = keops.atan2 %x, %zero : !keops.vec<1xf32, i>, !keops.vec<1xf32>
  %3 = keops.powf %one, %x : !keops.vec<1xf32>, !keops.vec<1xf32, i>
  keops.return %0, %1, %2, %3 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// What infinities and NaN forbid
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @product_with_zero_stays
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>)
// CHECK:         %[[ZERO:.*]] = keops.constant 0.000000e+00
// CHECK:         %[[MUL:.*]] = keops.mul %[[X]], %[[ZERO]]
// CHECK-NEXT:    keops.return %[[MUL]]
keops.formula @product_with_zero_stays(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %zero = keops.constant 0.0 : !keops.vec<1xf32>
  %0 = keops.mul %x, %zero : !keops.vec<1xf32, i>, !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.formula @difference_with_itself_stays
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>)
// CHECK-NEXT:    %[[SUB:.*]] = keops.sub %[[X]], %[[X]]
// CHECK-NEXT:    keops.return %[[SUB]]
keops.formula @difference_with_itself_stays(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.formula @quotient_with_itself_stays
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>)
// CHECK-NEXT:    %[[DIV:.*]] = keops.div %[[X]], %[[X]]
// CHECK-NEXT:    keops.return %[[DIV]]
keops.formula @quotient_with_itself_stays(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.div %x, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.formula @logarithm_of_exponential_stays
// CHECK:         keops.exp
// CHECK:         keops.log
keops.formula @logarithm_of_exponential_stays(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.exp %x : !keops.vec<1xf32, i>
  %1 = keops.log %0 : !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// Negation
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @double_negation_vanishes
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    keops.return %[[X]]
keops.formula @double_negation_vanishes(%x: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.neg %x : !keops.vec<3xf32, i>
  %1 = keops.neg %0 : !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @negated_difference_turns_round
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    %[[SUB:.*]] = keops.sub %[[Y]], %[[X]] : <3xf32, i>, <1xf32, i>
// CHECK-NEXT:    keops.return %[[SUB]]
keops.formula @negated_difference_turns_round(%x: !keops.vec<1xf32, i>, %y: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<3xf32, i>
  %1 = keops.neg %0 : !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// A second difference would cost more than a negation.
// CHECK-LABEL: keops.formula @negated_difference_of_two_uses_stays
// CHECK-NEXT:    %[[SUB:.*]] = keops.sub
// CHECK-NEXT:    %[[NEG:.*]] = keops.neg %[[SUB]]
// CHECK-NEXT:    keops.return %[[SUB]], %[[NEG]]
keops.formula @negated_difference_of_two_uses_stays(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, i>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  %1 = keops.neg %0 : !keops.vec<1xf32, i>
  keops.return %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// Powers
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @first_power_vanishes
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    keops.return %[[X]]
keops.formula @first_power_vanishes(%x: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.ipow %x, 1 : !keops.vec<3xf32, i>
  keops.return %0 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @other_powers_stay
// CHECK-DAG:     keops.ipow %{{.*}}, -1
// CHECK-DAG:     keops.ipow %{{.*}}, 2
keops.formula @other_powers_stay(%x: !keops.vec<3xf32, i>) -> (!keops.vec<3xf32, i>, !keops.vec<3xf32, i>) {
  %0 = keops.ipow %x, -1 : !keops.vec<3xf32, i>
  %1 = keops.ipow %x, 2 : !keops.vec<3xf32, i>
  keops.return %0, %1 : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
}

//===----------------------------------------------------------------------===//
// Division
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @division_by_fewer_indices_becomes_a_product
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>)
// CHECK-DAG:     %[[ONE:.*]] = keops.constant 1.000000e+00 : <1xf32>
// CHECK-DAG:     %[[INVERSE:.*]] = keops.div %[[ONE]], %[[Y]] : <1xf32>, <3xf32, j>
// CHECK:         %[[PRODUCT:.*]] = keops.mul %[[X]], %[[INVERSE]] : <3xf32, i>, <3xf32, j>
// CHECK-NEXT:    keops.reduce #keops.sum {{.*}}(%[[PRODUCT]])
keops.formula @division_by_fewer_indices_becomes_a_product(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<3xf32, i> {
  %0 = keops.div %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @division_by_a_constant_becomes_a_product
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>)
// CHECK:         %[[QUARTER:.*]] = keops.constant 2.500000e-01 : <1xf32>
// CHECK:         %[[PRODUCT:.*]] = keops.mul %[[X]], %[[QUARTER]]
// CHECK-NEXT:    keops.return %[[PRODUCT]]
keops.formula @division_by_a_constant_becomes_a_product(%x: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %four = keops.constant 4.0 : !keops.vec<1xf32>
  %0 = keops.div %x, %four : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  keops.return %0 : !keops.vec<3xf32, i>
}

// Nothing would be computed less often.
// CHECK-LABEL: keops.formula @division_by_the_same_indices_stays
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    %[[DIV:.*]] = keops.div %[[X]], %[[Y]]
// CHECK-NEXT:    keops.return %[[DIV]]
keops.formula @division_by_the_same_indices_stays(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.div %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return %0 : !keops.vec<3xf32, i>
}

//===----------------------------------------------------------------------===//
// Slices and folds
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @whole_slice_vanishes
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    keops.return %[[X]]
keops.formula @whole_slice_vanishes(%x: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.slice %x[0, 3] : !keops.vec<3xf32, i>
  keops.return %0 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @slice_of_one_part_reads_the_part
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, i>)
// CHECK-NEXT:    %[[LEFT:.*]] = keops.slice %[[X]][1, 2] : <3xf32, i>
// CHECK-NEXT:    keops.return %[[LEFT]], %[[Y]] :
keops.formula @slice_of_one_part_reads_the_part(%x: !keops.vec<3xf32, i>, %y: !keops.vec<2xf32, i>) -> (!keops.vec<2xf32, i>, !keops.vec<2xf32, i>) {
  %0 = keops.concat %x, %y : !keops.vec<3xf32, i>, !keops.vec<2xf32, i>
  %1 = keops.slice %0[1, 2] : !keops.vec<5xf32, i>
  %2 = keops.slice %0[3, 2] : !keops.vec<5xf32, i>
  keops.return %1, %2 : !keops.vec<2xf32, i>, !keops.vec<2xf32, i>
}

// CHECK-LABEL: keops.formula @slice_across_both_parts_stays
// CHECK:         %[[BOTH:.*]] = keops.concat
// CHECK-NEXT:    %[[ACROSS:.*]] = keops.slice %[[BOTH]][2, 2] : <5xf32, i>
// CHECK-NEXT:    keops.return %[[ACROSS]]
keops.formula @slice_across_both_parts_stays(%x: !keops.vec<3xf32, i>, %y: !keops.vec<2xf32, i>) -> !keops.vec<2xf32, i> {
  %0 = keops.concat %x, %y : !keops.vec<3xf32, i>, !keops.vec<2xf32, i>
  %1 = keops.slice %0[2, 2] : !keops.vec<5xf32, i>
  keops.return %1 : !keops.vec<2xf32, i>
}

// The slice's type says pairs, the part depends on i alone.
// CHECK-LABEL: keops.formula @slice_that_would_change_its_type_stays
// CHECK:         %[[BOTH:.*]] = keops.concat
// CHECK-NEXT:    keops.slice %[[BOTH]][0, 2] : <5xf32, ij>
keops.formula @slice_that_would_change_its_type_stays(%x: !keops.vec<3xf32, i>, %y: !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i> {
  %0 = keops.concat %x, %y : !keops.vec<3xf32, i>, !keops.vec<2xf32, j>
  %1 = keops.slice %0[0, 2] : !keops.vec<5xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<2xf32, ij>) -> !keops.vec<2xf32, i>
  keops.return %2 : !keops.vec<2xf32, i>
}

// CHECK-LABEL: keops.formula @sum_of_one_component_vanishes
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>)
// CHECK-NEXT:    keops.return %[[X]]
keops.formula @sum_of_one_component_vanishes(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.fold #keops.sum %x : !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// A position is 0 and an extremum passes over NaN: neither is the component.
// CHECK-LABEL: keops.formula @other_folds_of_one_component_stay
// CHECK-DAG:     keops.fold #keops.extremum<argmin>
// CHECK-DAG:     keops.fold #keops.extremum<max>
keops.formula @other_folds_of_one_component_stay(%x: !keops.vec<1xf32, i>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %0 = keops.fold #keops.extremum<argmin> %x : !keops.vec<1xf32, i>
  %1 = keops.fold #keops.extremum<max> %x : !keops.vec<1xf32, i>
  keops.return %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// Pairs of components, conditions
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @part_of_a_pair_is_what_it_was_made_of
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    keops.return %[[X]], %[[Y]] :
keops.formula @part_of_a_pair_is_what_it_was_made_of(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, i>) -> (!keops.vec<3xf32, i>, !keops.vec<3xf32, i>) {
  %0 = keops.interleave %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  %1 = keops.deinterleave %0[0] : !keops.vec<6xf32, i>
  %2 = keops.deinterleave %0[1] : !keops.vec<6xf32, i>
  keops.return %1, %2 : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @both_parts_of_a_vector_are_the_vector
// CHECK-SAME:    %[[Z:.*]]: !keops.vec<6xf32, i>)
// CHECK-NEXT:    keops.return %[[Z]] :
keops.formula @both_parts_of_a_vector_are_the_vector(%z: !keops.vec<6xf32, i>) -> !keops.vec<6xf32, i> {
  %0 = keops.deinterleave %z[0] : !keops.vec<6xf32, i>
  %1 = keops.deinterleave %z[1] : !keops.vec<6xf32, i>
  %2 = keops.interleave %0, %1 : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return %2 : !keops.vec<6xf32, i>
}

// CHECK-LABEL: keops.formula @parts_the_other_way_round_stay
// CHECK:         keops.interleave
keops.formula @parts_the_other_way_round_stay(%z: !keops.vec<6xf32, i>) -> !keops.vec<6xf32, i> {
  %0 = keops.deinterleave %z[1] : !keops.vec<6xf32, i>
  %1 = keops.deinterleave %z[0] : !keops.vec<6xf32, i>
  %2 = keops.interleave %0, %1 : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return %2 : !keops.vec<6xf32, i>
}

// The part depends on no index, its pair on i.
// CHECK-LABEL: keops.formula @part_that_would_change_its_type_stays
// CHECK:         keops.deinterleave
keops.formula @part_that_would_change_its_type_stays(%x: !keops.vec<3xf32, i>, %p: !keops.vec<3xf32>) -> !keops.vec<3xf32, i> {
  %0 = keops.interleave %x, %p : !keops.vec<3xf32, i>, !keops.vec<3xf32>
  %1 = keops.deinterleave %0[1] : !keops.vec<6xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @indicator_that_is_not_zero_is_its_condition
// CHECK:         %[[LESS:.*]] = keops.cmp lt
// CHECK-NOT:     keops.cmp
// CHECK:         keops.select %[[LESS]]
keops.formula @indicator_that_is_not_zero_is_its_condition(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %zero = keops.constant 0.0 : !keops.vec<1xf32>
  %0 = keops.cmp lt %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  %1 = keops.indicator %0 as f32 : !keops.vec<3xi1, i>
  %2 = keops.cmp ne %1, %zero : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  %3 = keops.select %2, %x, %y : !keops.vec<3xi1, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return %3 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @indicator_that_is_not_one_stays
// CHECK:         keops.indicator
// CHECK:         keops.cmp ne
keops.formula @indicator_that_is_not_one_stays(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %one = keops.constant 1.0 : !keops.vec<1xf32>
  %0 = keops.cmp lt %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  %1 = keops.indicator %0 as f32 : !keops.vec<3xi1, i>
  %2 = keops.cmp ne %1, %one : !keops.vec<3xf32, i>, !keops.vec<1xf32>
  %3 = keops.select %2, %x, %y : !keops.vec<3xi1, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return %3 : !keops.vec<3xf32, i>
}
