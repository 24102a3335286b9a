#!/usr/bin/env bash
# Lethe beside PyTorch on a GPU: builds the native library, checks parity, measures, and keeps every result as it comes.
#   bench/gpu/run.sh [--device cuda|cuda:N|cpu] [--tiny] [--only STAGE,STAGE] [--budget SECONDS] [--out DIR] [--python PY]
# STAGE: parity, curvature, compile, train, epoch, score, erase, whole, large, tuned; all unless named.
# Needs a Python with torch (CUDA) and transformers, CMake, nvcc, and what bench/gpu/pack.sh packed (carry/), else a JDK 25
# and target/ as pack.sh leaves it. No network, no git, no Maven. LETHE_NATIVE, a liblethe.so, saves the build.
# Ends by itself within the budget (300 s), and the table is the last it prints, on stdout; all else goes to stderr and to
# $OUT, else bench/gpu/results/DATE-TIME-GPU: results.md, results.jsonl, build.log, workers.log.
# --device cpu --tiny runs every stage on tiny shapes on a CPU: a rehearsal of the script, not a measurement.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/bench/gpu
device=cuda tiny='' only='' budget=300 out=${OUT-} python=${LETHE_PYTHON-python3}
while (($#)); do
  case $1 in
    --device) device=$2; shift ;;
    --tiny) tiny=--tiny ;;
    --only) only=$2; shift ;;
    --budget) budget=$2; shift ;;
    --out) out=$2; shift ;;
    --python) python=$2; shift ;;
    *) echo "run.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
say() { printf 'bench/gpu: %s (%d s)\n' "$*" "$SECONDS" >&2; }
fail() { say "$*"; exit 2; }

# Models, ledgers and compiled code lie apart from the results and go with the script; so do its processes.
work=$(mktemp -d) children=()
finish() {
  local status=$? child
  trap '' TERM INT HUP
  for child in "${children[@]}"; do kill "$child" 2>/dev/null; done
  wait "${children[@]}" 2>/dev/null
  rm -rf "$work"
  if [[ -s $out/results.md ]]; then cat "$out/results.md"; fi
  exit "$status"
}
trap finish EXIT
trap 'say "stopped"; exit 143' TERM INT HUP

facts=$(timeout "$budget" "$python" -c 'import importlib.util, sys, torch
missing = [name for name in ("transformers", "numpy") if not importlib.util.find_spec(name)]
device = sys.argv[1]
about = ("cpu", (0, 0)) if device == "cpu" else (torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device))
print(torch.__path__[0], about[0], "%d%d" % about[1], sep="\n")
sys.exit(f"no {missing}" if missing else 0)' "$device" 2>"$work/facts") || {
  tail -n 1 "$work/facts" >&2
  fail "$python lacks torch, transformers or numpy, or sees no $device; --python PY"
}
{ read -r torch; read -r name; read -r capability; } <<<"$facts"
libtorch=${LETHE_LIBTORCH-$torch}
out=${out:-$here/results/$(date +%F-%H%M)-${name//[^A-Za-z0-9]/-}}
[[ ! -e $out/results.md ]] || { out=''; fail "--out: there are results already"; }
mkdir -p "$out"

packed=$here/carry/lethe.tar.xz commit=''
if [[ -f $packed ]]; then
  mkdir "$work/carry"
  tar -C "$work/carry" -xJf "$packed" 2>/dev/null || "$python" -m tarfile -e "$packed" "$work/carry" ||
    fail "cannot unpack $packed"
  java=$work/carry/jdk/bin/java classpath="$work/carry/classes:$work/carry/lib/*" commit=$(<"$work/carry/commit")
elif [[ -x ${JAVA_HOME-}/bin/java && -f $root/build/bench.classpath ]]; then
  java=$JAVA_HOME/bin/java classpath="$root/target/test-classes:$root/target/classes:$(<"$root/build/bench.classpath")"
else fail "no Java or no classes: run bench/gpu/pack.sh where Maven and a JDK 25 are, or set JAVA_HOME"; fi

# ---- build beside the stages that need none: only for the GPU that is here, without tests; they wait for $work/built
native=${LETHE_NATIVE-}
if [[ -n $native ]]; then
  echo 0 >"$work/built"
else
  native=$work/native/liblethe.so
  options=(-DLETHE_LIBTORCH="$libtorch" -DBUILD_TESTING=OFF)
  [[ $device == cpu ]] || options+=(-DLETHE_CUDA=ON -DLETHE_CUDA_ARCHITECTURES="$capability")
  ! command -v ninja >/dev/null || options+=(-G Ninja)
  # Headers that torch's own include, where the toolkit lacks them.
  for folder in "$torch"/../nvidia/*/include; do
    [[ ! -d $folder ]] || export CPLUS_INCLUDE_PATH=${CPLUS_INCLUDE_PATH:+$CPLUS_INCLUDE_PATH:}$folder
  done
  say "building"
  # shellcheck disable=SC2016
  timeout "$budget" bash -c 'root=$1 work=$2
    shift 2
    build() { cmake -S "$root" -B "$work/native" "$@" && cmake --build "$work/native" --target lethe --parallel "$(nproc)"; }
    build "$@" || { echo "bench/gpu: the build failed; once more with LETHE_WERROR=OFF" >&3
      build "$@" -DLETHE_WERROR=OFF; }
    echo $? >"$work/built.part"
    mv "$work/built.part" "$work/built"' build "$root" "$work" "${options[@]}" 3>&2 >"$out/build.log" 2>&1 &
  children+=($!)
fi

left=$((budget - SECONDS))
((left > 12)) || fail "no time left of $budget s"
timeout --kill-after=2 $((left - 4)) "$python" "$here/stages.py" --device "$device" $tiny --only "$only" --out "$out" --work "$work" \
  --seconds $((left - 10)) --java "$java" --native "$native" --classpath "$classpath" --classes-of "$commit" </dev/null >&2 &
children+=($!)
wait $!
status=$?
say "results in $out"
exit "$status"
