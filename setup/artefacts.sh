#!/usr/bin/env bash
# artefacts.sh LIBLETHE OUT PLATFORM TORCH JAVA_HOME: what the jars of native code hold, for Maven (pom.xml, profile artefacts).
# OUT/native is liblethe.so, stripped, which looks for libtorch beside itself alone; OUT/libtorch.jar the libraries of the wheel
# of torch TORCH that it was built with, and their licences: made once a libtorch, for it takes half a minute.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
source "$root/setup/libtorch.sh"
liblethe=$1 out=$2 platform=$3 wanted=$4 java=$5

cache=$(dirname -- "$liblethe")/CMakeCache.txt
[[ -f $liblethe && -f $cache ]] || fail 2 "$liblethe: not a library in a build folder; run ./lethe build, or leave these jars" \
  "out with -Dlethe.artefacts.skip"
cached() { sed -n "s/^$1:[A-Z]*=//p" "$cache"; }
torch=$(cached LETHE_LIBTORCH)
version=$(torch_version "$torch")
[[ ! -e $torch/lib/libtorch_cuda.so ]] || fail 2 "libtorch at $torch has CUDA; jars are made over one for the CPU: give" \
  "-Dlibtorch=DIR on a clean build, or leave them out with -Dlethe.artefacts.skip"
[[ $version == "$wanted" ]] || fail 2 "libtorch at $torch is $version; jars are made over $wanted"

# about FOLDER KEY=VALUE...: what NativeJar reads first.
about() {
  local folder=$1
  shift
  printf '%s\n' "$@" >"$folder/about.properties"
}

folder=$out/native/dev/lethe/native/$platform
rm -rf "$out/native"
mkdir -p "$folder" "$out/native/META-INF"
quietly artefacts "$(cached CMAKE_COMMAND)" --install "$(dirname -- "$liblethe")" --prefix "$folder" --strip ||
  fail 70 "liblethe.so cannot be installed; see $build/log/artefacts.log"
about "$folder" files=liblethe.so "libtorch=${version%.*}"
cp "$root/LICENSE" "$root/NOTICE" "$out/native/META-INF"

# What a library of libtorch asks for in its own folder, itself included.
closure() {
  local name
  [[ -e $torch/lib/$1 && " ${libraries[*]} " != *" $1 "* ]] || return 0
  libraries+=("$1")
  for name in $(readelf -d "$torch/lib/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    closure "$name"
  done
}

jar=$out/libtorch.jar
[[ ! $jar -nt $torch/lib/libtorch_cpu.so || ! $jar -nt ${BASH_SOURCE[0]} ]] || exit 0
licences=("$torch"/../torch-"$version"*.dist-info/licenses)
[[ -d ${licences[0]} ]] || fail 2 "$torch is of no wheel: its licences are not there"
say "packing libtorch $version (once)"
libraries=()
closure libtorch_cpu.so
rm -rf "$out/libtorch" "$jar"
folder=$out/libtorch/dev/lethe/libtorch/$platform
mkdir -p "$folder" "$out/libtorch/META-INF"
for name in "${libraries[@]}"; do
  cp -lL "$torch/lib/$name" "$folder/$name" 2>/dev/null || cp -L "$torch/lib/$name" "$folder/$name"
done
about "$folder" "files=${libraries[*]}" "version=$version"
cp -r "${licences[0]}" "$out/libtorch/META-INF/"
printf 'Automatic-Module-Name: dev.lethe.libtorch.cpu\n' >"$out/libtorch.manifest"
cd "$out/libtorch"
find . -type f -printf '%P\n' | LC_ALL=C sort >"$out/libtorch.files"
"$java/bin/jar" --create --date=2026-01-01T00:00:00Z --file="$jar.new" --manifest="$out/libtorch.manifest" @"$out/libtorch.files"
mv "$jar.new" "$jar"
rm -rf "$out/libtorch" "$out/libtorch.manifest" "$out/libtorch.files"
