#!/usr/bin/env bash
# What a GPU has to say first: builds the library and the GPU tests, runs them, and profiles a training step.
#   bench/gpu/check.sh [SECONDS] [OUT]
# Needs a Python with torch (CUDA) and transformers, CMake, ninja, nvcc; no JDK, no network. SECONDS: the end, whatever
# is under way. OUT: logs; default $OUT, else build/gpu/check.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
budget=${1:-330} out=${2:-${OUT:-$root/build/gpu/check}} python=${LETHE_PYTHON-python3} build=$root/build/gpu
mkdir -p "$out" "$build"
say() { printf '== %s (%d s)\n' "$*" $SECONDS; }
left() { echo $((budget - SECONDS > $1 ? budget - SECONDS - $1 : 1)); }
export PYTHONUNBUFFERED=1
step=("$python" "$root/bench/gpu/step.py" --native "$build/liblethe.so")

read -r libtorch capability headers < <("$python" -c 'import glob, os, torch
here = os.path.dirname(torch.__file__)
print(here, "%d%d" % torch.cuda.get_device_capability(), ":".join(glob.glob(os.path.dirname(here) + "/nvidia/*/include")))') ||
  { say "no torch with a GPU in $python"; exit 2; }
export CPLUS_INCLUDE_PATH=$headers  # for the toolkits that come without the libraries' headers
say "torch $libtorch, sm_$capability, $(g++ --version | head -1), $(nproc) cores"

compile() {
  timeout "$(left 2)" cmake -S "$root" -B "$build" -G Ninja -DLETHE_LIBTORCH="$libtorch" -DBUILD_TESTING=OFF -DLETHE_CUDA=ON \
    -DLETHE_CUDA_ARCHITECTURES="$capability" -DLETHE_GPU_TESTS=ON "$@" &&
    timeout "$(left 2)" cmake --build "$build" --parallel "$(nproc)" --target lethe gpu_tests -- -k 0
}
rm -f "$build/liblethe.so" "$build"/test/gpu_*_test
if ! compile >"$out/build.log" 2>&1; then
  say "the build failed; once more without -Werror"
  grep -E "error|Error" "$out/build.log" | head -20
  compile -DLETHE_WERROR=OFF >"$out/build2.log" 2>&1 ||
    { grep -E "error" -A3 "$out/build2.log" | head -60; say "the build failed again"; }
fi
[[ -f $build/liblethe.so ]] || { say "there is no library"; exit 1; }
say "built, $(grep -c "warning:" "$out/build.log") warnings"

tests=("$build"/test/gpu_kernels_*_test "$build/test/gpu_device_test" "$build"/test/gpu_device_*_test)
run_test() {
  timeout "$2" "$1" >"$1.log" 2>&1
  local status=$?
  echo "$(basename "$1"): $([[ $status == 0 ]] && echo ok || echo "status $status, $(head -12 "$1.log")")"
}
export -f run_test
printf '%s\0' "${tests[@]}" | xargs -0 -P 4 -I{} bash -c 'run_test "$@"' _ {} "$(left 1)"
say "tests ran"

timeout "$(left 5)" "${step[@]}" --parity --profile --llama 2>&1 | tee "$out/profile.txt"
say "profiled; compute-sanitizer"
check() {
  timeout "$2" compute-sanitizer --tool "$1" --error-exitcode 9 "$3" >"$3.$1.log" 2>&1
  echo "$1 $(basename "$3"): status $?, $(tail -n 1 "$3.$1.log")"
}
export -f check
for tool in memcheck racecheck; do
  (($(left 8) > 5)) && printf '%s\0' "${tests[@]}" |
    xargs -0 -P 8 -I{} bash -c 'check "$@"' _ $tool "$(left 8)" {}
done
say "done"
