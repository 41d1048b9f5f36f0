# Targets of the project: one function per kind of target, so that every room is declared in three lines.

# Options shared by all C++ targets. `EXCEPTIONS` is for the rooms whose door throws; the compiler itself never does.
function(keops_target_options target)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "" ${ARGN})
  target_include_directories(${target} PUBLIC
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include)
  target_include_directories(${target} SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unused-parameter)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Precompiled headers without a time stamp, so that ccache can tell them equal.
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
  target_compile_definitions(${target} PRIVATE ${LLVM_DEFINITIONS_LIST})
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(${target} PRIVATE -fno-exceptions)
  endif()
  if(KEOPS_ASAN)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize=vptr,function
      -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

# MLIR's headers, compiled once for all rooms that do not throw: most of what a file costs is reading them.
function(keops_precompiled_headers)
  file(WRITE ${PROJECT_BINARY_DIR}/KeopsHeaders.cpp "// Holds the precompiled headers.\n")
  add_library(KeopsHeaders OBJECT ${PROJECT_BINARY_DIR}/KeopsHeaders.cpp)
  keops_target_options(KeopsHeaders)
  target_precompile_headers(KeopsHeaders PRIVATE
    <mlir/Dialect/Arith/IR/Arith.h>
    <mlir/Dialect/Func/IR/FuncOps.h>
    <mlir/Dialect/LLVMIR/LLVMDialect.h>
    <mlir/Dialect/Math/IR/Math.h>
    <mlir/Dialect/SCF/IR/SCF.h>
    <mlir/Dialect/Vector/IR/VectorOps.h>
    <mlir/IR/Builders.h>
    <mlir/IR/BuiltinOps.h>
    <mlir/IR/PatternMatch.h>
    <mlir/Pass/PassManager.h>)
endfunction()

# A room of lib/: an archive folded into the one shared library `keops`.
#   keops_library(KeopsDialect a.cpp b.cpp [EXCEPTIONS] [DEPENDS tblgen targets] [LINK rooms])
function(keops_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} OBJECT ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_EXCEPTIONS)
    keops_target_options(${name} EXCEPTIONS)
  else()
    keops_target_options(${name})
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(NOT ARG_EXCEPTIONS)
    target_precompile_headers(${name} REUSE_FROM KeopsHeaders)
  endif()
  set_property(GLOBAL APPEND PROPERTY KEOPS_ROOMS ${name})
endfunction()

# A command line tool over libkeops.
function(keops_tool name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_EXCEPTIONS)
    keops_target_options(${name} EXCEPTIONS)
  else()
    keops_target_options(${name})
  endif()
  target_link_libraries(${name} PRIVATE keops MLIR LLVM)
  set_property(GLOBAL APPEND PROPERTY KEOPS_TOOLS ${name}) # what the lit suite needs built
endfunction()

# Links LLVM's and MLIR's archives into `target`; what is left to the machine are the C and C++ libraries. The latter is
# not linked in: an exception must be the same thing in the library and in the program that catches it. Archives have no
# CMake targets here, as those would bring the shared libraries along.
function(keops_link_archives target)
  file(GLOB archives ${LLVM_LIBRARY_DIR}/libMLIR*.a ${LLVM_LIBRARY_DIR}/libLLVM*.a)
  target_link_libraries(${target} PRIVATE ${archives} libzstd.a libz.a)
  target_link_options(${target} PRIVATE -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,--strip-all -Wl,-Bsymbolic)
endfunction()

# What tools/package.sh packs lies in <build>/package and is not part of a build: the library, which shows nothing but
# the namespace keops, and a tool made of the objects of another.
function(keops_package_library name)
  add_library(${name} SHARED EXCLUDE_FROM_ALL ${ARGN})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME keops LINKER_LANGUAGE CXX
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/package/lib)
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/include)
  keops_link_archives(${name})
  target_link_options(${name} PRIVATE -Wl,--version-script,${PROJECT_SOURCE_DIR}/cmake/exports.map)
  set_target_properties(${name} PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
endfunction()

function(keops_package_tool name tool)
  add_executable(${name} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:${tool}>)
  set_target_properties(${name} PROPERTIES OUTPUT_NAME ${tool} LINKER_LANGUAGE CXX
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/package/bin BUILD_RPATH "$ORIGIN/../lib" SKIP_BUILD_RPATH OFF)
  target_link_libraries(${name} PRIVATE keops-package)
  keops_link_archives(${name})
endfunction()
