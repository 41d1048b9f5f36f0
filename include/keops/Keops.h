//===- Keops.h - The header of a C++ user ----------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reductions of formulas over pairs, a_i = ⊕_j F(p, x_i, y_j), compiled while
// the program runs and never storing the M×N array:
//
//   keops::Formula x = keops::rowVariable(0, 3), y = keops::columnVariable(1, 3),
//                  b = keops::columnVariable(2, 1);
//   keops::Reduction f = keops::sum(keops::exp(-keops::sqdist(x, y)) * b, keops::Over::Columns);
//   keops::Engine engine;
//   keops::Kernel k = engine.compile(f, keops::DType::F32);
//   k({out}, {X, Y, B});
//
// No compiler header stands behind this one. Errors are thrown as keops::Error.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_KEOPS_H
#define KEOPS_KEOPS_H

#include "keops/Runtime/Artifact.h"
#include "keops/Runtime/Ranges.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#define KEOPS_API __attribute__((visibility("default")))

namespace keops {

using runtime::DType;
using runtime::Ranges;

/// A sentence for the user: what was expected and what came.
class KEOPS_API Error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

namespace frontend {
struct Expression;
}

/// Which index is reduced away: columns (the result has a row per i) or rows.
enum class Over { Rows, Columns };

/// A symbolic vector for each pair (i, j). Cheap to copy; sub-formulas are
/// shared. Dimensions are checked when the formula is compiled.
class KEOPS_API Formula {
public:
  /// A number.
  Formula(double value);
  Formula(int value) : Formula(static_cast<double>(value)) {}
  /// From formula text and aliases, for example
  /// `Formula::parse("Exp(-SqDist(x,y))*b", {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)"})`. The text may be a reduction.
  static Formula parse(const std::string &text, const std::vector<std::string> &aliases);
  /// The operation that formula text calls `name`, applied to `operands`, with
  /// integer arguments after them: `Formula::call("Elem", {x}, {2})`.
  static Formula call(const std::string &name, const std::vector<Formula> &operands,
                      const std::vector<int64_t> &integers = {});
  /// Formula text that parses to this formula, given `aliases`, by whose names it calls the variables.
  std::string str(const std::vector<std::string> &aliases = {}) const;
  /// Number of components. Throws Error if the operands of an operation do not fit it.
  int64_t dim() const;
  /// True if it holds a reduction, as text may, and depends on one index or none.
  bool isReduction() const;
  /// Of such a formula: the index that it does not depend on. The gradient in a column variable has a row for each
  /// column, and so removes rows; that in a parameter has one row, and counts as removing columns.
  Over reducedIndex() const;
  /// `aliases`, and a declaration for each further variable of this formula,
  /// such as the cotangent that `Grad(F,v)` makes.
  std::vector<std::string> declarations(const std::vector<std::string> &aliases) const;

  explicit Formula(std::shared_ptr<const frontend::Expression> expression) : expression(std::move(expression)) {}
  std::shared_ptr<const frontend::Expression> expression;
};

/// Argument number `position` of the call, one vector of `dim` components for
/// each row i, for each column j, or the same for all pairs.
KEOPS_API Formula rowVariable(int64_t position, int64_t dim);
KEOPS_API Formula columnVariable(int64_t position, int64_t dim);
KEOPS_API Formula parameter(int64_t position, int64_t dim);

KEOPS_API Formula operator+(const Formula &, const Formula &);
KEOPS_API Formula operator-(const Formula &, const Formula &);
KEOPS_API Formula operator*(const Formula &, const Formula &);
KEOPS_API Formula operator/(const Formula &, const Formula &);
KEOPS_API Formula operator-(const Formula &);
KEOPS_API Formula exp(const Formula &);
KEOPS_API Formula log(const Formula &);
KEOPS_API Formula sqrt(const Formula &);
KEOPS_API Formula sqdist(const Formula &, const Formula &);
KEOPS_API Formula dot(const Formula &, const Formula &);
/// (∂f/∂x)ᵀ e and (∂f/∂x) u for each pair, x a variable.
KEOPS_API Formula gradient(const Formula &f, const Formula &x, const Formula &e);
KEOPS_API Formula diff(const Formula &f, const Formula &x, const Formula &u);

/// A derivative of a reduction in the direction `direction`: of its result for
/// a gradient, of the variable for a tangent.
struct KEOPS_API Derivative {
  Formula variable;
  Formula direction;
  bool isTangent = false;
};

/// A reduction of a formula: the name as in formula text ("Sum", "LogSumExp",
/// "ArgKMin", …), its formula, an optional weight formula and K. The name is
/// empty where the formula is a reduction itself.
struct KEOPS_API Reduction {
  std::string name;
  Formula formula;
  Over over = Over::Columns;
  int64_t k = 0;
  std::shared_ptr<const Formula> weight;
  /// Declarations of all arguments of the call, used or not; when empty, the
  /// variables of the formula are the arguments.
  std::vector<std::string> aliases;
  /// Derivatives of the reduction, the innermost first.
  std::vector<Derivative> derivatives = {};
};
/// What goes with the name of a reduction.
struct KEOPS_API ReductionKind {
  enum class Weight { None, Optional, Required };

  std::string name; ///< as in `Reduction::name`
  bool takesK = false;
  Weight weight = Weight::None;
  bool adds = false;      ///< so that `Sums` mean something
  bool isComputed = true; ///< false for names that are understood, but have no kernel
};
/// The reduction of this name, in any of its spellings ("Min_ArgMin",
/// "MinArgMin", "min_argmin"); none if there is none.
KEOPS_API std::optional<ReductionKind> findReduction(const std::string &name);
/// All reductions that can be computed.
KEOPS_API std::vector<ReductionKind> allReductions();
/// All operations that formula text may call, sorted, with what they take:
/// "Elem(formula, integer)".
KEOPS_API std::vector<std::string> allOperations();

/// The gradient of Σ ⟨e, f⟩ with respect to the variable `x`: a row for each row
/// of x. Without `e` the cotangent is one more argument of the call, after all
/// others, with the rows and the dimension of f.
KEOPS_API Reduction gradient(const Reduction &f, const Formula &x, const Formula &e);
KEOPS_API Reduction gradient(const Reduction &f, const Formula &x);
/// The tangent of f for the tangent `u` of the variable `x`.
KEOPS_API Reduction diff(const Reduction &f, const Formula &x, const Formula &u);
KEOPS_API Reduction sum(const Formula &, Over);
KEOPS_API Reduction logsumexp(const Formula &, Over);
KEOPS_API Reduction argkmin(const Formula &, int64_t k, Over);

/// How reductions that add do so: in the arrays' type for some columns and in
/// float64 across those blocks; in float64 throughout; or by blocks whose
/// rounding errors are collected and taken off in the end (Kahan).
enum class Sums { Blocks, Float64, Kahan };

/// How distances in exponentials are computed: as they are; or on GPUs, `Fast`, by scalar products, which takes
/// half the operations, where the data of a call lose at most 10⁻⁴ of an exponential by it, or
/// 2·10⁻¹³ in float64.
enum class Precision { Exact, Fast };

/// Where code is compiled for and how.
struct KEOPS_API CompileOptions {
  /// "host", or a processor name that LLVM knows; "cuda" for the first GPU, "cuda:1" for the
  /// second; "sm_90" and its like for code that a GPU would run; or "sim": GPU code on
  /// a simulator, which is for small sizes and finds faults.
  std::string target = "host";
  Sums sums = Sums::Blocks; ///< others are refused by reductions that do not add
  /// On a GPU: its own functions, within some 1e-6 of the exact values, or functions as accurate as a CPU's.
  bool fastMath = true;
  Precision precision = Precision::Exact;
};

/// An axis along which arrays are stacked, one for each batch. `stride` is in
/// elements and may be anything: 0 where all batches share one array.
struct KEOPS_API BatchAxis {
  int64_t size = 1;
  int64_t stride = 0;
};
/// An array of `rows` × `dim` elements that the caller owns, or many of them.
/// Strides are in elements and may be 0 or negative; an absent one is that of
/// contiguous row-major elements. `dim` complex elements, of C64 or C128, are
/// 2·`dim` components (re, im, re, im, …) of F32 or F64; those of a row lie next
/// to each other.
struct KEOPS_API ConstArray {
  const void *data = nullptr;
  int64_t rows = 0;
  int64_t dim = 0;
  DType type = DType::F32;
  std::optional<int64_t> rowStride = std::nullopt;
  std::optional<int64_t> componentStride = std::nullopt;
  /// Outermost first. Axes of different arrays meet as in NumPy: the last ones
  /// first, and an array without an axis, or of size 1 along it, has the same
  /// elements for each batch.
  std::vector<BatchAxis> batch = {};
};
/// A contiguous row-major array of axes `batch`, `rows`, `dim` that a kernel
/// fills; of complex elements too where pairs of components are such.
struct KEOPS_API Array {
  void *data = nullptr;
  int64_t rows = 0;
  int64_t dim = 0;
  DType type = DType::F32;
  std::vector<int64_t> batch = {};
};

/// Told how much of a call is done, from 0 to 1 and never less than before, by the thread that called, between the
/// tasks that it does itself. Must not throw.
using Progress = std::function<void(double)>;

/// A compiled reduction. Cheap to copy, safe to call from several threads.
class KEOPS_API Kernel {
public:
  struct Impl;
  explicit Kernel(std::shared_ptr<Impl> impl) : impl(std::move(impl)) {}

  /// Checks every array, then computes. Sizes come from the arrays; a kernel
  /// without row (column) arguments has one row (column). `outputs` may not
  /// overlap the inputs. Throws Error and writes nothing if an array does not fit.
  ///
  /// With `ranges`, only the pairs that they name are reduced, the same in each
  /// batch; rows of no cluster get what a reduction over nothing gives. With `progress`, the call tells how far it is:
  /// a processor as it computes, a GPU when it is done, or after each piece of arrays that go through its memory in
  /// pieces. Results are the same.
  void operator()(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs, int threads = 0,
                  const Ranges *ranges = nullptr, const Progress *progress = nullptr) const;
  /// Of a kernel for a GPU: queues the computation on `stream`, a CUstream or cudaStream_t (null: the default one), and
  /// returns. All arrays lie on that GPU. They and this kernel must stay until the work is done. A call like an earlier
  /// one, with other addresses at most, waits for nothing, and what memory it works in comes and goes in the order of
  /// the stream, so the stream may be captured in a graph. The call above takes arrays of the host, for GPUs too, and
  /// waits for the result, and so does this one with `progress`, which is told the end.
  void enqueue(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs, void *stream,
               const Ranges *ranges = nullptr, const Progress *progress = nullptr) const;
  /// A kernel has variants for sizes that want other code, compiled when first
  /// needed. `prepare` compiles what a call with these inputs will run, so that
  /// the call itself compiles nothing; `isPrepared` says that this was done.
  /// Throws Error if an input or the ranges do not fit.
  bool isPrepared(const std::vector<ConstArray> &inputs, const Ranges *ranges = nullptr) const;
  void prepare(const std::vector<ConstArray> &inputs, const Ranges *ranges = nullptr) const;

  const std::vector<runtime::ArgumentInfo> &arguments() const;
  const std::vector<runtime::ResultInfo> &results() const;
  /// Rows that a result has for these inputs; throws Error as the call does.
  int64_t resultRows(const std::vector<ConstArray> &inputs, size_t result = 0) const;
  /// Sizes of the batch axes that the results have for these inputs.
  std::vector<int64_t> resultBatch(const std::vector<ConstArray> &inputs) const;
  /// The schedule, and what the compiler knows about its cost, in words.
  std::string explain() const;
  /// The kernel for many rows as text after a phase of the compiler: "formula",
  /// "expanded", "simplified", "factorized", "split", "scheduled", "tiled",
  /// "staged", "approximated" and "llvm" are IR; "llvmir" and "asm" are what
  /// LLVM makes of it. Throws Error for other words.
  std::string text(const std::string &phase) const;
  /// Milliseconds spent compiling or loading this kernel.
  double compileMilliseconds() const;
  /// Where the kernel's code came from when this process first asked for it:
  /// "disk" or "compiled".
  const char *origin() const;
  /// Reference value of chosen rows of all results in float64, with an error
  /// bound for each for arithmetic in the arrays' type; both row-major,
  /// one vector per result. `inputs` are those of one batch.
  void interpret(const std::vector<ConstArray> &inputs, const std::vector<int64_t> &rows,
                 std::vector<std::vector<double>> &values, std::vector<std::vector<double>> &bounds) const;

private:
  std::shared_ptr<Impl> impl;
};

/// Owns caches and the thread pool. Explicit, no globals; safe to share
/// between threads.
class KEOPS_API Engine {
public:
  struct Options {
    int threads = 0; ///< 0: one per core
    bool diskCache = true;
    std::string cacheFolder; ///< empty: from the environment, else the user's cache directory
    /// The library of the CUDA driver, opened when a GPU is first asked for.
    std::string cudaLibrary = "libcuda.so.1";
    /// Multiprocessors of the GPU that the target "sim" stands for: how columns are split over blocks, and so the last
    /// digits of a result, depends on them.
    int simulatedMultiprocessors = 132;
  };
  Engine();
  explicit Engine(const Options &options);
  ~Engine();

  /// Where kernels are kept on disk; empty if they are not.
  std::string cacheFolder() const;

  /// Compiles, or finds in memory or on disk. `type` is that of all arrays of
  /// numbers: F32, F64, or F16 or BF16, which are computed with in float32 and
  /// rounded once, when a result is stored.
  Kernel compile(const Reduction &reduction, DType type, const CompileOptions &options = {});
  /// A reduction string, as in formula text: "Sum_Reduction(Exp(-SqDist(x,y))*b, 0)".
  Kernel compile(const std::string &reductionText, const std::vector<std::string> &aliases, DType type,
                 const CompileOptions &options = {});
  /// Several reductions of the same arguments as one kernel:
  /// `compile({f, gradient(f, x, e)}, DType::F32)`. Where they keep the same index,
  /// what they share is computed once for each pair. Results come in order, those of one reduction
  /// together. The aliases of the first one serve all.
  Kernel compile(const std::vector<Reduction> &reductions, DType type, const CompileOptions &options = {});
  Kernel compile(const std::vector<std::string> &reductionTexts, const std::vector<std::string> &aliases, DType type,
                 const CompileOptions &options = {});

  /// GPUs that this process may use. Throws Error if there is no driver, or no device.
  int countGPUs() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace keops

#endif // KEOPS_KEOPS_H
