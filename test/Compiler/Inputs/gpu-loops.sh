# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# gpu-loops.sh FILE COUNT-SASS TRANSLATE-ARGUMENTS...: for each processor, PTX is made and assembled without a spill, and
# the words after "--" count its hottest loop.
set -euo pipefail
stem=$1
shift
translate=()
while [ "$1" != -- ]; do
  translate+=("$1")
  shift
done
shift
for processor in sm_80 sm_90 sm_100; do
  keops-translate "${translate[@]}" --to=ptx --target=$processor -o "$stem.ptx"
  # The optimizer joins reads of shared memory into words of 16 bytes, which must begin at multiples of 16.
  if grep -F .shared "$stem.ptx" | grep -E '^ *\.' | grep -v -F '.align 16'; then
    echo "$processor: expected shared memory aligned to 16 bytes"
    exit 1
  fi
  ptxas -arch=$processor --warn-on-spills "$stem.ptx" -o "$stem.cubin" 2>&1 | tee "$stem.warnings"
  if grep -i -q spill "$stem.warnings"; then
    echo "$processor: expected no register to be spilled"
    exit 1
  fi
  counted=$("$@" "$stem.cubin" --processor $processor)
  echo "$processor: $counted"
done
