#!/usr/bin/env bash
# Compiles every kernel with nvcc, warnings and register spills as errors, without linking anything.
#   compile.sh [--resources] [OUT] [ARCH...]    OUT: build/kernels, ARCH: 90; for all that are built: 80 90 100
# --resources also prints registers and shared memory of each kernel. Without nvcc it says so and exits 77 (skipped).
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
resources=
if [[ ${1:-} == --resources ]]; then resources=1; shift; fi
out=${1:-$here/../../build/kernels}
shift || true
architectures=("$@")
[[ $# -gt 0 ]] || architectures=(90)

nvcc=${NVCC:-$(command -v nvcc || true)}
for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
  [[ -n $nvcc || ! -x $home/bin/nvcc ]] || nvcc=$home/bin/nvcc
done
if [[ -z $nvcc ]]; then
  echo "skipped: no nvcc on PATH, in CUDA_HOME or in /usr/local/cuda; the kernels were not compiled"
  exit 77
fi
mkdir -p "$out"
known=" $("$nvcc" --list-gpu-arch | sed 's/compute_//' | tr '\n' ' ')"

compile() {  # FILE ARCH; what is newer than its sources stays
  local source=$1 object
  object=$2/$(basename "$source" .cu).sm_$3
  if [[ ! -e $object.o ||
      -n $(find "$here" -name '*.h' -newer "$object.o" -o -path "$source" -newer "$object.o") ]]; then
    if ! "$nvcc" -std=c++20 -O3 -arch="sm_$3" -Werror all-warnings -Xptxas -v -c "$source" -o "$object.new" \
        >"$object.log" 2>&1; then
      cat "$object.log"
      exit 255
    fi
    if grep -B3 -E '[1-9][0-9]* bytes spill' "$object.log"; then
      echo "$(basename "$source") spills registers on sm_$3"
      exit 255
    fi
    mv "$object.new" "$object.o"
  fi
}
export -f compile
export nvcc here
for architecture in "${architectures[@]}"; do
  if [[ $known != *" $architecture "* ]]; then
    echo "sm_$architecture: not known to this nvcc"
    continue
  fi
  printf '%s\0' "$here"/*.cu |
    xargs -0 -P "$(nproc)" -I{} bash -c 'set -euo pipefail; compile "$@"' _ {} "$out" "$architecture"
  echo "sm_$architecture: $(ls "$here"/*.cu | wc -l) files, no warnings, no spills"
  if [[ -n $resources ]]; then
    sed -n -e "s/.*Compiling entry function '\([^']*\)'.*/\1/p" \
      -e 's/.*Used \([0-9]*\) registers.*/  \1 registers &/p' \
      "$out"/*.sm_"$architecture".log | c++filt | sed -e 's/ptxas info *: //' -e 's/Used [0-9]* registers, //'
  fi
done
