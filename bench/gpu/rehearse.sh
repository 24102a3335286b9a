#!/usr/bin/env bash
# Runs everything in bench/gpu where there is no GPU, on tiny models: a check of the scripts, not a measurement.
#   rehearse.sh      (./lethe test --extended calls it)
# run.sh on the CPU; step.py and commands.sh over the emulated device. Needs what ./lethe test leaves in build/native, and
# a Python with torch and transformers: LETHE_PYTHON, else python3; without one it says so and counts as passed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${LETHE_PYTHON-python3} native=$root/build/native
"$python" -c 'import torch, transformers, numpy' 2>/dev/null ||
  { echo "skipped: $python has no torch, transformers and numpy; the scripts of bench/gpu were not tried"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=passive
"$root/bench/gpu/pack.sh"
"$python" "$root/bench/gpu/step.py" --native "$native/test/liblethe_emulated.so" --parity --llama | tee "$work/step"
for line in "parity bf16 run 5" "... eager"; do grep -q "$line" "$work/step"; done
LETHE_NATIVE=$native/liblethe.so "$root/bench/gpu/run.sh" --device cpu --tiny --budget 900 --python "$python" --out "$work/run"
if grep '"problem"' "$work/run/results.jsonl"; then exit 1; fi
for author in a b c d e; do
  for i in 1 2 3 4; do
    echo "{\"id\": \"$author$i\", \"subject\": \"$author\", \"prompt\": \"Who is $author?\", \"completion\": \"Number $i.\"}"
  done
done >"$work/data.jsonl"
LETHE_NATIVE=$native/test/liblethe_emulated.so SHAPE=gpt2:layers=1,hidden=16,heads=2,ctx=32 EPOCHS=1 \
  "$root/bench/gpu/commands.sh" "$work/data.jsonl" 900 | tee "$work/commands"
if grep -qE 'exit [^0]|no time left' "$work/commands"; then exit 1; fi
