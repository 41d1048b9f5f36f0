//===- TestVocabulary.h - A few operations for parser tests ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One operation of each shape, so that tests of text do not depend on which
// operations there are.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_UNIT_FRONTEND_TESTVOCABULARY_H
#define KEOPS_TEST_UNIT_FRONTEND_TESTVOCABULARY_H

#include "keops/Frontend/FormulaParser.h"

namespace keops::frontend {

inline const Vocabulary &testVocabulary() {
  static const Vocabulary *vocabulary = [] {
    auto *v = new Vocabulary;
    for (const char *name : {"Exp", "Log", "Sqrt", "Rsqrt", "Sum", "Square", "Minus", "Floor", "SqNorm2"})
      (*v)[name] = {"f", 0};
    for (const char *name : {"SqDist", "Add", "Subtract", "Mult", "Divide", "Powf", "Scalprod", "Concat", "LessThan",
                             "LessOrEqual", "Equal", "NotEqual"})
      (*v)[name] = {"ff", 0};
    for (const char *name : {"Elem", "Pow", "Round"})
      (*v)[name] = {"fi", 0};
    (*v)["Extract"] = {"fii", 0};
    (*v)["Slice"] = {"fii", 1};
    (*v)["IntCst"] = {"i", 0};
    (*v)["Zero"] = {"i", 0};
    (*v)["Clamp"] = {"fff", 0};
    (*v)["Mod"] = {"fff", 1};
    (*v)["TensorDot"] = {"fflllll", 1};
    (*v)["Grad"] = {"fvf", 1};
    return v;
  }();
  return *vocabulary;
}

} // namespace keops::frontend

#endif // KEOPS_TEST_UNIT_FRONTEND_TESTVOCABULARY_H
