#!/bin/sh
# What the browser tests need and pip does not bring: Debian's Chromium, and axe-core from npm, pinned by its hash.
# Whatever cannot be had is said, and the tests that need it skip. Usage: tests/browser/setup.sh FOLDER
set -u
folder=$1
axe=axe-core@4.14.1
axe_integrity=sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==
mkdir -p "$folder"

if ! command -v chromium >/dev/null 2>&1; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root="sudo -n"
  echo "browser tests: installing Debian's chromium"
  { $as_root apt-get -qq update && $as_root apt-get -qq install -y --no-install-recommends chromium; } \
    >"$folder/chromium.log" 2>&1 ||
    echo "browser tests: no chromium: \`apt-get install chromium\` did not work here ($folder/chromium.log): they are skipped"
fi

if [ ! -s "$folder/axe-core/package/axe.min.js" ] || [ "$(cat "$folder/axe-core/pinned" 2>/dev/null)" != "$axe_integrity" ]; then
  rm -rf "$folder/axe-core"
  mkdir -p "$folder/axe-core"
  if (cd "$folder/axe-core" && npm pack --silent "$axe" >/dev/null 2>npm.log) &&
    got=sha512-$(openssl dgst -sha512 -binary "$folder"/axe-core/axe-core-*.tgz | base64 -w 0) &&
    [ "$got" = "$axe_integrity" ]; then
    tar -xzf "$folder"/axe-core/axe-core-*.tgz -C "$folder/axe-core" package/axe.min.js
    echo "$axe_integrity" >"$folder/axe-core/pinned"
  else
    echo "browser tests: no $axe (npm could not fetch it, or its hash is not the pinned one): its tests are skipped"
  fi
fi
