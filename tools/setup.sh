#!/usr/bin/env bash
# Installs what a build and the tests of Keops need on Debian 12, and nothing that is already there: Debian packages,
# and a Python environment in .venv. Run it, or source it from a script that has done `set -euo pipefail` and works in
# the root of the repository. Doing it twice does no harm and takes no time.

keops_apt_packages=(
  llvm-22-dev libmlir-22-dev mlir-22-tools llvm-22-tools clang-22 lld-22 libclang-rt-22-dev
  cmake ninja-build ccache g++ libgtest-dev python3 python3-venv python3-dev
)
keops_requirements=python-bindings/requirements.txt

keops_install_debian_packages() {
  # shellcheck disable=SC2016  # dpkg-query's own variables
  local format='${db:Status-Status} ${Package}\n' installed package missing=() root=()
  installed=$(dpkg-query --show --showformat "$format" "${keops_apt_packages[@]}" 2>/dev/null || true)
  for package in "${keops_apt_packages[@]}"; do
    grep -qx "installed $package" <<<"$installed" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  echo "setup: installing Debian packages: ${missing[*]}"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The environment is right when it was filled from the present requirements by an interpreter that still runs.
keops_make_venv() {
  local stamp=.venv/keops-requirements.txt
  if cmp -s "$keops_requirements" "$stamp" && .venv/bin/python -c '' 2>/dev/null; then
    return 0
  fi
  if ! .venv/bin/python -c '' 2>/dev/null; then
    echo "setup: creating the Python environment .venv with $(python3 --version)"
    python3 -m venv --clear .venv
  fi
  echo "setup: installing Python packages from $keops_requirements"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$keops_requirements"
  cp "$keops_requirements" "$stamp"
}

# Makes `import keops` in .venv find the package of the build tree $1.
keops_link_package() {
  local site
  site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$PWD/$1/python" >"$site/keops-build-tree.pth"
}

# Configures and builds preset $1: all of it, or the targets that follow.
keops_build() {
  echo "setup: configuring and building build/$1"
  cmake --preset "$1" --log-level=WARNING >/dev/null
  cmake --build --preset "$1" ${2:+--target "${@:2}"}
  keops_link_package "build/$1"
}

[ "${BASH_SOURCE[0]}" = "$0" ] && { set -euo pipefail; cd "$(dirname "$0")/.."; }
keops_install_debian_packages
keops_make_venv
