#!/usr/bin/env bash
# Programs of others that the tests hold our files against: Blender 3.4 (Debian 12) and Khronos' glTF validator.
# Does nothing where they are already there. Needs root, or sudo, for Debian packages.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v blender >/dev/null || ! dpkg -s python3-numpy >/dev/null 2>&1; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get -qq update
    # python3-numpy: Debian's Blender runs Debian's Python, and its glTF importer needs numpy there.
    $as_root apt-get -qq install -y --no-install-recommends blender python3-numpy >/dev/null
fi
blender --version | head -n 1

# Where Node is at hand, the validator comes from npm; the test that uses it says so where it is missing.
if command -v npm >/dev/null && [ ! -d .venv/node/node_modules/gltf-validator ]; then
    mkdir -p .venv/node
    npm install --silent --no-fund --no-audit --prefix .venv/node gltf-validator@2.0.0-dev.3.10 || echo "no glTF validator"
fi
