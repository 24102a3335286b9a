#!/usr/bin/env bash
# The command on a GPU: trains, scores, erases by several strategies and evaluates, each with its seconds and how it ended.
# commands.sh DATA [SECONDS]
# DATA: JSONL with subjects (TOFU's forget10). Needs what bench/gpu/pack.sh packed, and LETHE_NATIVE, a liblethe.so that
# has CUDA (of bench/gpu/check.sh: build/gpu). SHAPE, EPOCHS: of the model; DEVICE: cuda, or what it is to run on.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
data=$1 budget=${2:-120} device=${DEVICE:-cuda} shape=${SHAPE:-gpt2:layers=4,hidden=256,heads=4,ctx=128} epochs=${EPOCHS:-14}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xJf "$root/bench/gpu/carry/lethe.tar.xz" || exit 2
export LETHE_NATIVE
mapfile -t subjects < <(sed 's/.*"subject": *"\([^"]*\)".*/\1/' "$data" | uniq | tail -n 4)
lethe() {
  "$work/jdk/bin/java" --enable-native-access=ALL-UNNAMED -cp "$work/classes:$work/lib/*" dev.lethe.cli.Main "$@"
}
# NAME LINES ARGUMENTS...: runs the command and prints how long it took, how it ended and the last lines it wrote.
step() {
  local name=$1 lines=$2 start=${EPOCHREALTIME/[.,]/} status
  shift 2
  ((SECONDS < budget)) || { echo "$name: no time left"; return; }
  lethe "$@" --device "$device" >"$work/$name.out" 2>"$work/$name.err"
  status=$?
  echo "$name: exit $status, $(((${EPOCHREALTIME/[.,]/} - start) / 1000)) ms"
  ((status == 0)) || tail -n 3 "$work/$name.err" | cut -c1-300
  tail -n "$lines" "$work/$name.out" | cut -c1-200
}
step train 3 train "$work/a" --data "$data" --model "$shape" --epochs "$epochs" --learning-rate 1e-3 --batch 8 --set warmup=30 --set compute=bf16
step train-all 1 train "$work/all" --data "$data" --model "$shape" --epochs 2 --learning-rate 1e-3 --batch 8 --sites all --set ledger_dtype=bf16
for method in dot ekfac cg; do
  step "score-$method" 3 score "$work/a" --text "What does Hsiao Yun-Hwa write?" --method $method --top 3
done
step erase 12 erase "$work/a" --subject "${subjects[0]}" --out "$work/erased"
strategies=(npo gauss-newton rmu)
for i in 0 1 2; do
  strategy=${strategies[i]}
  step "erase-$strategy" 7 erase "$work/a" --subject "${subjects[i + 1]}" --strategy $strategy --out "$work/$strategy" --set ignore_guards
done
step eval 8 eval "$work/erased" --data "$data"
