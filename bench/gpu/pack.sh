#!/usr/bin/env bash
# Makes bench/gpu/carry/lethe.tar.xz: what run.sh needs on a machine without Maven and JDK, within 64 MiB: a Java runtime,
# Lethe's classes with the benches', the jars they use, which commit they are of. Needs Maven and a JDK 25, no Python.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../../setup/build.sh"
find_jdk || fail 2 "no JDK 25: set JAVA_HOME"
find_maven
mkdir -p "$build"
# Any lethe.native: none is built, none is run.
step pack "compiling the benches" maven -q -Dlethe.native=none test-compile dependency:build-classpath \
  -Dmdep.includeScope=test "-Dmdep.outputFile=$build/bench.classpath"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lib" "$work/classes/dev/lethe"
"$JDK/bin/jlink" --output "$work/jdk" --strip-java-debug-attributes --no-header-files --no-man-pages --compress zip-0 \
  --add-modules java.base,java.desktop,java.logging,java.management,java.sql,java.xml,jdk.jfr,jdk.management,jdk.unsupported
find "$work/jdk" -name '*.so' -exec strip --strip-unneeded {} +
cp -r "$root/target/classes/." "$work/classes/"
cp -r "$root/target/test-classes/dev/lethe/bench" "$work/classes/dev/lethe/"
# What no command on a GPU's own data needs stays behind: tokenizers of other models, chat templates, icu4j's languages.
tr ':' '\n' <"$build/bench.classpath" |
  grep -Ev 'junit|jqwik|jmh|opentest4j|apiguardian|javacpp|pytorch|surefire|djl|tokenizers|jinjava|guava|re2j|snakeyaml|jackson-(core|databind)-2' |
  xargs -I{} cp {} "$work/lib/"
(cd "$work/lib" && zip -qd icu4j-*.jar 'com/ibm/icu/impl/data/icudata/*/*')
git -C "$root" rev-parse --short HEAD >"$work/commit" 2>/dev/null || echo unknown >"$work/commit"
mkdir -p "$root/bench/gpu/carry"
rm -rf "$root/bench/gpu/carry"/*
tar -C "$work" -c . | xz -6 -T0 >"$root/bench/gpu/carry/lethe.tar.xz"
size=$(du -sm "$root/bench/gpu/carry" | cut -f1)
say "bench/gpu/carry: $size MiB"
((size < 64)) || fail 1 "bench/gpu/carry is over 64 MiB"
