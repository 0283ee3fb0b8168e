#!/usr/bin/env bash
# Bundles the parts of three.js that render/viewer uses into assets/data/three.js, with its licence at the top.
# Pinned versions: run again, it gives the same bytes. Needs Node, npm and a way to the npm registry.
#   bash tools/build_viewer.sh && python tools/update_checksums.py
set -euo pipefail
cd "$(dirname "$0")/.."

out=$PWD/assets/data/three.js
entry=$PWD/tools/viewer_three.js
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-fund --no-audit --save-exact three@0.187.0 esbuild@0.25.10
cp "$entry" entry.js
node_modules/.bin/esbuild entry.js --bundle --minify --format=iife --global-name=THREE --target=es2022 \
    --charset=ascii --legal-comments=none --log-level=warning --outfile=bundle.js
{
    echo "/*! three.js 0.187.0, the parts that emberface's viewer uses"
    cat node_modules/three/LICENSE
    echo "*/"
    cat bundle.js
} >"$out"
! grep -qE '</script|<!--' "$out" # either would end the script that it is put into
wc -c "$out"
