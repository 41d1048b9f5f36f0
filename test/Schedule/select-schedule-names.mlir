// RUN: keops-opt %s --keops-select-schedule=target=skylake | FileCheck %s --check-prefix=AVX2
// RUN: keops-opt %s --keops-select-schedule=target=cascadelake | FileCheck %s --check-prefix=AVX512
// RUN: keops-opt %s --keops-select-schedule=target=host | FileCheck %s --check-prefix=HOST
// RUN: not keops-opt %s --keops-select-schedule=target=nehalem 2>&1 | FileCheck %s --check-prefix=OLD

// A processor that LLVM knows and the table does not gets the numbers of its instruction set.
// AVX2:   #keops.target<"skylake", vector_bits = 256,
// AVX512: #keops.target<"cascadelake", vector_bits = 512,

// This machine's processor goes by its own name.
// HOST-NOT: "host"
// HOST:     #keops.target<"

// OLD: error: the processor 'nehalem' lacks AVX2, FMA or F16C, which Keops needs on x86
module {
}
