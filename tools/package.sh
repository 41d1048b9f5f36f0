#!/usr/bin/env bash
# Makes keops-<version>-linux-x86_64.tar.xz in build/release/package: the library with LLVM and MLIR inside, keops-run,
# the Python package as source, and the suite and benchmark for GPUs. It runs on any x86-64 Linux with the glibc of
# this machine or a newer one. With --built, what it packs is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" != --built ]; then
  # shellcheck source=tools/setup.sh
  source tools/setup.sh
  # Archives that are linked into the package.
  keops_apt_packages=(libzstd-dev zlib1g-dev)
  keops_install_debian_packages
  cmake --preset release --log-level=WARNING >/dev/null
  cmake --build --preset release --target keops-package keops-run-package
fi
folder=build/release/package
version=$(sed -n 's/^project(keops VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
name=keops-$version-linux-x86_64
root=$folder/$name
rm -rf "$root"
mkdir -p "$root"/{bin,lib,include/keops/Runtime,python/src,test}
cp "$folder/bin/keops-run" "$root/bin/"
cp "$folder/lib/libkeops.so" "$root/lib/"
cp include/keops/Keops.h "$root/include/keops/"
cp include/keops/Runtime/{Artifact,Ranges}.h "$root/include/keops/Runtime/"
cp -r python-bindings/keops "$root/python/"
cp python-bindings/src/* "$root/python/src/"
cp tools/package/build-module.py "$root/python/"
echo "$version" >"$root/python/VERSION"
cp LICENSE tools/package/README.md tools/package/gpu.sh "$root/"
cp -r test/Integration/GPU "$root/test/GPU"
mkdir "$root/test/Benchmark"
cp test/Benchmark/{gpu.py,gpu_cases.py,README.md} "$root/test/Benchmark/"
find "$root" -name __pycache__ -prune -exec rm -r {} +

# Sorted, and without the times and names of this machine.
tar -C "$folder" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - "$name" |
  xz -T0 "${KEOPS_XZ_LEVEL:--9}" >"$folder/$name.tar.xz"
bytes=$(stat -c %s "$folder/$name.tar.xz")
echo "package: $folder/$name.tar.xz, $((bytes / 1024 / 1024)) MiB"
if [ "$bytes" -gt $((30 * 1024 * 1024)) ]; then
  echo "package.sh: error: expected at most 30 MiB" >&2
  exit 1
fi
