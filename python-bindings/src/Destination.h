//===- Destination.h - Arrays that users give for results -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `out=`: what fits a result, and what becomes of it if a kernel cannot write
// there. Where PyTorch copies results into tensors itself, because it follows
// their derivatives, the same rule says which tensors fit.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_PYTHON_DESTINATION_H
#define KEOPS_PYTHON_DESTINATION_H

#include "Arrays.h"

#include <string>
#include <vector>

namespace keops::python {

/// One array that the user gave to write a result into. Where a kernel cannot
/// write to it directly, because it is strided or holds arguments, a new array
/// takes its place and is copied at the end.
class Destination {
public:
  /// What a kernel gives. `mayPair` says that complex elements may take its components in pairs.
  struct Result {
    DType type;
    std::vector<int64_t> shape;
    bool mayPair;
  };

  Destination(nanobind::handle given, const std::string &what, Result result, const std::vector<ArrayView> &arguments,
              Library library, nanobind::handle like);

  /// That of the result, or of pairs of its components.
  DType type() const { return elementType; }
  void *data() const { return isDirect ? view.data() : memory; }
  void finish() const {
    if (!isDirect)
      copyInto(given, made, library);
  }

private:
  nanobind::handle given;
  Library library;
  ArrayView view;
  nanobind::object made;
  void *memory = nullptr;
  DType elementType = DType::F32;
  bool isDirect = true;
};

/// The arrays in `out` for `count` results, and what messages call one of them.
std::vector<nanobind::handle> splitOut(nanobind::handle out, size_t count, Library library);
std::string nameOfOut(size_t number, size_t count);

/// Throws if the tensor `given` cannot take the values of the tensor `result`. Neither needs to have memory.
void checkTensorOut(nanobind::handle given, nanobind::handle result, const std::string &what, bool mayPair);

/// What messages call a GPU, or with a negative number the processor.
std::string deviceText(int device);

} // namespace keops::python

#endif // KEOPS_PYTHON_DESTINATION_H
