#!/usr/bin/env bash
# Unpacks the package $1 into an empty folder and uses it there, with nothing of this machine's LLVM at hand: keops-run,
# the C++ header, and the Python module, built by the interpreter $2. Target check-keops-package.
set -euo pipefail
package=$(realpath "$1")
python=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -C "$folder" -xf "$package"
root=$(echo "$folder"/keops-*)
say() { echo "package: $*"; }

# Only the C and C++ libraries may be needed, no newer ones than come with glibc 2.36.
for file in "$root"/bin/keops-run "$root"/lib/libkeops.so; do
  needed=$(readelf -d "$file" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
  for library in $needed; do
    case $library in
    libc.so.6 | libm.so.6 | ld-linux-x86-64.so.2 | libstdc++.so.6 | libgcc_s.so.1 | libkeops.so) ;;
    *) echo "package: error: $(basename "$file") needs $library" >&2; exit 1 ;;
    esac
  done
  newest=$(readelf -V "$file" | grep -o 'Name: GLIBC\(XX\)\?_[0-9.]*' | sed 's/Name: //' | sort -V | awk -F_ '
    { newest[$1] = $2 } END { print newest["GLIBC"], newest["GLIBCXX"] }')
  set -- $newest
  if [ "$(printf '%s\n' "${1:-0}" 2.36 | sort -V | tail -1)" != 2.36 ] ||
    [ "$(printf '%s\n' "${2:-0}" 3.4.30 | sort -V | tail -1)" != 3.4.30 ]; then
    echo "package: error: $(basename "$file") needs GLIBC_${1:-0} and GLIBCXX_${2:-0}" >&2
    exit 1
  fi
done
say "needs the C and C++ libraries alone, GLIBC_2.36 and GLIBCXX_3.4.30 or older"

# In a namespace where LLVM's folder is empty, if this machine allows that; always with an empty environment.
inside="cd / && "
[ "$(id -u)" -eq 0 ] && hide="mount -t tmpfs none /usr/lib/llvm-22 && " wrap=(unshare -m) || { hide=""; wrap=(); }
if [ -n "$hide" ] && ! "${wrap[@]}" bash -c "$hide true" 2>/dev/null; then hide="" wrap=(); fi
clean() {
  env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$folder" KEOPS_CACHE_FOLDER="$folder/cache" \
    "${wrap[@]}" bash -c "$hide$inside$1"
}
[ -n "$hide" ] && say "LLVM's folder is hidden" || say "LLVM's folder cannot be hidden here; only the environment is empty"

clean "'$root/bin/keops-run' 'Exp(-SqDist(x,y))*b' --reduce sum x=Vi\(3\):random y=Vj\(3\):random b=Vj\(1\):random --rows 500 --cols 700 --check"
clean "'$root/bin/keops-run' 'SqDist(x,y)' --reduce argkmin --k 3 x=Vi\(3\):random y=Vj\(3\):random --rows 67 --cols 70 --check"
clean "'$root/bin/keops-run' 'Exp(-SqDist(x,y))*b' --reduce sum x=Vi\(3\):random y=Vj\(3\):random b=Vj\(1\):random --rows 67 --cols 70 --target sim --check"
if clean "'$root/bin/keops-run' 'x*y' --reduce nothing x=Vi\(3\):random y=Vj\(3\):random" 2>"$folder/error"; then
  echo "package: error: a reduction that is not there was taken" >&2
  exit 1
fi
grep -q "expected one of" "$folder/error"
say "keops-run passes its checks"

clean "time '$python' '$root/python/build-module.py'"
clean "PYTHONPATH='$root/python' '$python' - <<'END'
import numpy as np
import keops
from keops.numpy import Genred
assert keops.__file__.startswith('$root'), keops.__file__
x, y = np.random.rand(67, 3), np.random.rand(70, 3)
found = Genred('Exp(-SqDist(x,y))', ['x = Vi(3)', 'y = Vj(3)'], axis=1)(x, y)
expected = np.exp(-((x[:, None] - y[None]) ** 2).sum(-1)).sum(1)[:, None]
assert abs(found - expected).max() < 1e-12
try:
    Genred('Exp(-SqDist(x,z))', ['x = Vi(3)', 'y = Vj(3)'], axis=1)(x, y)
except keops.Error as error:
    assert 'z' in str(error)
else:
    raise AssertionError('a formula with an unknown variable was taken')
END"
say "the Python module works, errors included"
