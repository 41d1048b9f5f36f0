// RUN: keops-opt %s --keops-approximate-math --split-input-file --verify-diagnostics

func.func @tanh(%x: vector<8xf32>) -> vector<8xf32> {
  return %x : vector<8xf32>
}

func.func @library_name_is_taken(%x: f64) -> f64 {
  // expected-error @below {{expected '@tanh' to be free for a math function, but another symbol has this name}}
  %0 = math.tanh %x : f64
  return %0 : f64
}
