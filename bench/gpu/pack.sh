#!/usr/bin/env bash
# Makes bench/gpu/carry: what run.sh needs on a machine without Maven and JDK, within 64 MiB: a Java runtime, the classes,
# the jars they use. Run it after bench/compare --check, which compiles the benches and lists their jars.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
carry=$root/bench/gpu/carry
jdk=${JAVA_HOME:?set JAVA_HOME to a JDK 25}
[[ -f $root/build/bench.classpath && -d $root/target/test-classes/dev/lethe/bench ]] ||
  { echo "pack.sh: run bench/compare --check first" >&2; exit 2; }
rm -rf "$carry"
mkdir -p "$carry/lib" "$carry/classes/dev/lethe"
"$jdk/bin/jlink" --output "$carry/jdk" --strip-debug --no-header-files --no-man-pages --compress zip-9 \
  --add-modules java.base,java.logging,java.management,java.sql,java.xml,jdk.jfr,jdk.management,jdk.unsupported
cp -r "$root/target/classes/." "$carry/classes/"
cp -r "$root/target/test-classes/dev/lethe/bench" "$carry/classes/dev/lethe/"
# What only the commands need stays behind: finding records, tokenizers of other models.
tr ':' '\n' <"$root/build/bench.classpath" |
  grep -Ev 'junit|jqwik|jmh|opentest4j|apiguardian|javacpp|pytorch|surefire|lucene|djl|tokenizers|jna|commons|error_prone|gson' |
  xargs -I{} cp {} "$carry/lib/"
size=$(du -sm "$carry" | cut -f1)
echo "bench/gpu/carry: $size MiB"
((size < 64)) || { echo "pack.sh: over 64 MiB: $(du -sm "$carry"/* | tr '\n' ' ')" >&2; exit 1; }
