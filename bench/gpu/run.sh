#!/usr/bin/env bash
# Lethe beside PyTorch on a GPU: builds the native library, checks parity, measures, and keeps every result as it comes.
#   bench/gpu/run.sh [--device cuda|cuda:N|cpu] [--tiny] [--budget SECONDS] [--out DIR] [--python PY]
# Needs a Python with torch (CUDA) and transformers, CMake, nvcc, a JDK or the runtime that bench/gpu/pack.sh made, and the
# built jars or classes (carry/, else target/). No network, no Maven. Results: $OUT, else bench/gpu/results/DATE-GPU.
# --device cpu --tiny runs every stage on tiny shapes on a CPU: a rehearsal of the script, not a measurement.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/bench/gpu carry=$root/bench/gpu/carry
device=cuda tiny= budget=540 out=${OUT-} python=${LETHE_PYTHON-python3}
started=$SECONDS
while (($#)); do
  case $1 in
    --device) device=$2; shift ;;
    --tiny) tiny=--tiny ;;
    --budget) budget=$2; shift ;;
    --out) out=$2; shift ;;
    --python) python=$2; shift ;;
    *) echo "run.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
say() { printf 'bench/gpu: %s (%d s)\n' "$*" $((SECONDS - started)) >&2; }
fail() { say "$*"; exit 2; }

"$python" -c 'import torch, transformers, numpy' 2>/dev/null || fail "$python lacks torch, transformers or numpy; --python PY"
libtorch=${LETHE_LIBTORCH-$("$python" -c 'import torch, os; print(os.path.dirname(torch.__file__))')}
name=$("$python" -c 'import sys, torch; d = sys.argv[1]
print(d if d == "cpu" else torch.cuda.get_device_name(d))' "$device" 2>/dev/null) || fail "$python sees no $device"
out=${out:-$here/results/$(date +%F)-${name//[^A-Za-z0-9]/-}}
mkdir -p "$out"

if [[ -x $carry/jdk/bin/java ]]; then java=$carry/jdk/bin/java
elif [[ -n ${JAVA_HOME-} && -x $JAVA_HOME/bin/java ]]; then java=$JAVA_HOME/bin/java
else fail "no Java: set JAVA_HOME, or carry one (bench/gpu/pack.sh)"; fi
if [[ -d $carry/classes ]]; then classpath="$carry/classes:$carry/lib/*"
elif [[ -f $root/build/bench.classpath ]]; then
  classpath="$root/target/test-classes:$root/target/classes:$(<"$root/build/bench.classpath")"
else fail "no classes: run bench/gpu/pack.sh where Maven is, or bench/compare --check once"; fi

# ---- build: only for the GPU that is here, without tests
native=${LETHE_NATIVE-}
if [[ -z $native ]]; then
  options=(-DLETHE_LIBTORCH="$libtorch" -DBUILD_TESTING=OFF)
  if [[ $device != cpu ]]; then
    capability=$("$python" -c 'import sys, torch; print("%d%d" % torch.cuda.get_device_capability(sys.argv[1]))' "$device")
    options+=(-DLETHE_CUDA=ON -DLETHE_CUDA_ARCHITECTURES="$capability")
  fi
  command -v ninja >/dev/null && options+=(-G Ninja)
  say "building"
  { timeout $((budget / 2)) cmake -S "$root" -B "$root/build/gpu" "${options[@]}" &&
      timeout $((budget / 2)) cmake --build "$root/build/gpu" --target lethe --parallel "$(nproc)"; } >"$out/build.log" 2>&1 ||
    { tail -n 25 "$out/build.log" >&2; fail "the build failed; its log is $out/build.log"; }
  native=$root/build/gpu/liblethe.so
fi
say "built"

left=$((budget - SECONDS + started))
timeout --kill-after=5 "$left" "$python" "$here/stages.py" --device "$device" $tiny --out "$out" --seconds $((left - 8)) \
  --java "$java" --native "$native" --classpath "$classpath"
status=$?
((status == 124 || status == 137)) && say "time is up; what was measured is kept"
say "results in $out/results.md"
[[ -s $out/results.md ]] || exit 1
exit $((status == 124 || status == 137 ? 0 : status))
