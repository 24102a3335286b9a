#!/usr/bin/env bash
# Makes bindings/src from native/include/lethe.h. Needs `jextract` (JDK 25) on PATH; run it after every change of the header.
set -euo pipefail
cd "$(dirname "$0")/.."
header=native/include/lethe.h
command -v jextract >/dev/null || { echo "bindings/generate.sh: no 'jextract' on PATH; get it from jdk.java.net/jextract" >&2; exit 2; }

includes=$(mktemp)
trap 'rm -f "$includes"' EXIT
jextract --output bindings/src -t dev.lethe.bindings --dump-includes "$includes" "$header" 2>/dev/null
# Ours only: the standard headers' types and macros stay out.
grep -E '^--include-[a-z]+ (lethe_|LETHE_)' "$includes" | sed 's/ *#.*//' >"$includes.ours"
rm -rf bindings/src
# The opaque handles have no layout; jextract says that it skips them.
jextract --output bindings/src -t dev.lethe.bindings --header-class-name LetheNative "@$includes.ours" "$header" \
  2> >(grep -v 'Declared(lethe_\(model\|base\|vector\|group\|ring\|kfac\))' >&2)
rm -f "$includes.ours"
sha256sum "$header" | cut -d' ' -f1 >bindings/header.sha256
