//===- Artifact.h - What the compiler hands to the runtime -----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An artifact is code for one target plus what is needed to launch it: which
// arrays it takes, which it makes, and how much memory each call works in. It
// is plain data, so it can be stored in a file and launched by a runtime that
// knows nothing of the compiler.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_ARTIFACT_H
#define KEOPS_RUNTIME_ARTIFACT_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keops::runtime {

/// Storage type of one array element. Kernels do not know complex numbers: to
/// them such an array holds pairs of real ones.
enum class DType : uint8_t { F32 = 0, F64 = 1, I64 = 2, F16 = 3, BF16 = 4, C64 = 5, C128 = 6 };

/// Bytes of one element.
inline int64_t sizeOf(DType type) {
  constexpr int64_t bytes[] = {4, 8, 8, 2, 2, 8, 16};
  return bytes[static_cast<int>(type)];
}
/// "float32", "bfloat16", "complex64" and so on, as NumPy calls them.
const char *nameOf(DType type);
/// The type of the two parts of a complex number; of others, the type itself.
inline DType realType(DType type) { return type == DType::C64 ? DType::F32 : type == DType::C128 ? DType::F64 : type; }
/// Real numbers in one element.
inline int64_t partsOf(DType type) { return realType(type) == type ? 1 : 2; }

/// What the rows of an array run over, seen from the kernel: `Row` is the
/// index that the result keeps, `Column` the one that is reduced away. In a
/// program it is the first result that has an index which says what `Row` is.
enum class Axis : uint8_t { Row = 0, Column = 1, Parameter = 2 };

/// One array that the kernel reads: `dim` components a row.
struct ArgumentInfo {
  Axis axis = Axis::Parameter;
  DType type = DType::F32;
  int64_t dim = 1;
};

/// One array that the kernel writes: `dim` components a row, which the caller
/// may view as `shape` (its product is `dim`; empty means {dim}). Results of a
/// kernel all have a row for each of its rows.
struct ResultInfo {
  DType type = DType::F32;
  int64_t dim = 1;
  std::vector<int64_t> shape;
  Axis axis = Axis::Row;
};

/// How one kernel is launched.
struct LaunchRule {
  /// Stem of the symbols `<entry>_accumulate` and `<entry>_finalize`; on a GPU, the symbol itself, and the stem of
  /// `<entry>_merge` if there are states.
  std::string entry;
  std::vector<ArgumentInfo> arguments;
  std::vector<ResultInfo> results;
  int64_t rowsPerBlock = 0;   ///< largest `rowEnd - rowBegin` of one call
  int64_t rowGranularity = 1; ///< rows are handled in groups of this many; good block sizes are multiples
  int64_t columnsPerTile = 0; ///< column splits are multiples of this
  int64_t stateBytes = 0;     ///< memory of one block's reduction state, a multiple of 64
  int64_t scratchBytes = 0;   ///< memory that one call works in, a multiple of 64
  int64_t threads = 0;        ///< of a block on a GPU
  int64_t sharedBytes = 0;    ///< of a block on a GPU, beside what the code itself declares
  int64_t scatterGroups = 0;  ///< of a kernel of a GPU that scatters rows, the `groups` of its steps; 0: it does not
};

/// An array that a step of a program reads or writes: number `number` among
/// what the caller gives, what the caller gets, or what steps leave for others.
struct StepArray {
  enum class Kind : uint8_t { Argument = 0, Result = 1, Temporary = 2 };
  Kind kind = Kind::Argument;
  int64_t number = 0;
};

/// One step of a program. The operation says what `inputs` and `outputs` are:
///
/// - Launch: those of kernel number `kernel`.
/// - Gather: from (operand, row numbers) to the result of `keops.gather`.
/// - Scatter: from (operand, row numbers) to the result of a total `keops.scatter`.
/// - Copy: from one array to another.
///
/// `rows` is what the rows of the outputs run over, and `columns` what a kernel
/// reduces, what a gather takes rows of, and what a scatter sums over. On a GPU
/// a kernel moves rows as well; elsewhere the runtime does, and there is none.
struct Step {
  enum class Operation : uint8_t { Launch = 0, Gather = 1, Scatter = 2, Copy = 3 };
  static constexpr int64_t NoKernel = -1;
  Operation operation = Operation::Launch;
  Axis rows = Axis::Row;
  Axis columns = Axis::Column;
  int64_t kernel = NoKernel;
  int64_t groups = 1;
  std::vector<StepArray> inputs;
  std::vector<StepArray> outputs;
};

/// Compiled code and how it is called. Without steps it is one kernel, and the
/// artifact is its launch rule. With steps it is a program: arguments and results
/// are those of the whole, and the other fields of the rule mean nothing.
struct Artifact : LaunchRule {
  std::string target;                    ///< processor name, for example "znver3"
  std::string code;                      ///< bytes of a relocatable object file; PTX for a GPU
  std::string explanation;               ///< the schedule in words, for people
  std::vector<LaunchRule> kernels;       ///< of a program
  std::vector<ArgumentInfo> temporaries; ///< of a program
  std::vector<Step> steps;               ///< in this order

  bool isProgram() const { return !steps.empty(); }
  int64_t numKernels() const { return isProgram() ? static_cast<int64_t>(kernels.size()) : 1; }
  const LaunchRule &kernel(int64_t number) const { return isProgram() ? kernels[number] : *this; }
};

/// Serialises to bytes; `deserialize` gives the same artifact back, or nothing
/// when the bytes are not a whole artifact. It never reads past the end.
std::string serialize(const Artifact &artifact);
std::optional<Artifact> deserialize(const std::string &bytes);

/// The one argument of both entry points, `void(const KernelFrame *)`.
///
/// `<entry>_accumulate` reduces rows [rowBegin, rowEnd) over all intervals and
/// leaves the reduction's state in `state`. `<entry>_finalize` merges
/// `numStates` consecutive states (each `stateBytes` long, made for the same
/// rows) in order and writes rows [rowBegin, rowEnd) of the outputs.
/// Compiled code reads this struct by field offset: change both together.
struct KernelFrame {
  const void *const *inputs = nullptr;       ///< one per argument
  const int64_t *rowStrides = nullptr;       ///< per argument, in elements
  const int64_t *componentStrides = nullptr; ///< per argument, in elements
  void *const *outputs = nullptr;            ///< one per result, row-major and contiguous
  const int64_t *intervals = nullptr;        ///< pairs [begin, end) of columns
  int64_t numIntervals = 0;
  int64_t rowBegin = 0;
  int64_t rowEnd = 0;
  void *state = nullptr; ///< 64-byte aligned
  int64_t numStates = 1;
  void *scratch = nullptr; ///< `scratchBytes`, 64-byte aligned
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_ARTIFACT_H
