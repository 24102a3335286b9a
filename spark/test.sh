#!/usr/bin/env bash
# test.sh [WORK]: Spark's own Master and two Workers on the loopback address score a ledger that one process scores too: in peace, with
# a worker and its executor killed (-9) in the middle, and with the driver killed before it has a result; then what is said of damage, of
# executors without Lethe, without its native library, with one of another ABI. WORK is a new folder, by default one in /tmp that is
# removed. The module is built (spark/build.sh). Ten minutes.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
export SPARK_LOCAL_IP=127.0.0.1
work=${1-}
temporary=''
[[ -n $work ]] || { work=$(mktemp -d) && temporary=yes; }
mkdir -p "$work"
started=()
cleanup() {
  ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null || true
  [[ -z $temporary ]] || { sleep 1 && rm -rf "$work"; }
}
trap cleanup EXIT
failures=0
passed() { say "ok    $1"; }
failed() {
  failures=$((failures + 1))
  say "FAILED $1"
}

lethe() {
  "$JDK/bin/java" -XX:+UseSerialGC --enable-native-access=ALL-UNNAMED "-Dlethe.native=$NATIVE" "-Dlethe.libtorch=$LIBTORCH" \
    -cp "$out/lib/*" dev.lethe.cli.Main "$@"
}
# An exact head keeps every softmax error: a large ledger of few records.
lethe train "$work/run" --data "$root/src/main/resources/dev/lethe/demo/people.jsonl" --epochs 1 --sites all --set head_top_k=0 \
  --set threads=1 --model gpt2:layers=2,hidden=64,heads=2,ctx=64 --quiet
question=(--text "Dave lives in a town by the sea." --method cosine --top 0 --quiet)
lethe score "$work/run" "${question[@]}" --set threads=1 --json "$work/one.json" >/dev/null

"$root/spark/cluster.sh" 2 1 "$work/cluster" >"$work/url" &
started+=($!)
for _ in {1..600}; do
  [[ -s $work/url ]] || { kill -0 "${started[0]}" && sleep 0.2; }
done
master=$(cat "$work/url")

# score NAME ARGUMENTS...: by the cluster, into NAME.json, NAME.err and $code
score() {
  local name=$1
  shift
  code=0
  "$root/spark/score.sh" "$work/run" "${question[@]}" --cores 1 --json "$work/$name.json" "$@" >/dev/null 2>"$work/$name.err" || code=$?
}
same() {
  if [[ $code == 0 ]] && cmp -s "$work/one.json" "$work/$1.json"; then passed "$2"; else failed "$2: $code $(tail -n 3 "$work/$1.err")"; fi
}
# log WORKER: of its executor of the latest job. pid FILE: as Spark's log says it.
log() { find "$work/cluster/work-$1" -name stderr -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d' ' -f2-; }
pid() { sed -n 's/.*Started daemon with process name: \([0-9]*\)@.*/\1/p' "$1" | head -n 1; }
# begin NAME ARGUMENTS...: as score, beside; returns once an executor of the second worker has finished a task
begin() {
  local before
  before=$(log 2)
  score "$@" &
  job=$!
  for _ in {1..1200}; do
    kill -0 "$job" 2>/dev/null || break
    [[ -n $(log 2) && $(log 2) != "$before" ]] && grep -q 'Finished task' "$(log 2)" && return 0
    sleep 0.1
  done
  failed "$1: no task of the second worker was seen to end"
}

score local
same local "this process's local mode gives the bytes of one process"
score two --master "$master" --conf "spark.lethe.parquet=$work/two.parquet"
same two "two workers give the bytes of one process"
[[ -f $work/two.parquet/_SUCCESS && -s $(log 1) && -s $(log 2) ]] || failed "both workers took part, and there is Parquet"

begin driver --master "$master" --conf spark.lethe.partitionBytes=1m --conf "spark.lethe.parquet=$work/driver.parquet"
kill -KILL "$(pgrep -P "$job")"
wait "$job" || true
if [[ -z $(find "$work" -name '*driver.json*' -o -name '*driver.parquet*') ]]; then
  passed "a driver that is killed leaves nothing half-written"
else
  failed "a driver that is killed leaves $(find "$work" -name '*driver*')"
fi

# refused NAME CODE PATTERN ARGUMENTS...
refused() {
  local name=$1 wanted=$2 pattern=$3
  shift 3
  score "$name" --master "$master" "$@"
  if [[ $code == "$wanted" && ! -e $work/$name.json ]] && grep -qE -- "$pattern" "$work/$name.err"; then
    passed "$name: $(grep -oE -- "$pattern" "$work/$name.err" | head -n 1)"
  else
    failed "$name: $code $(tail -n 5 "$work/$name.err")"
  fi
}
refused no-natives 2 'executor [01] on 127.0.0.1: .*nowhere/liblethe.so[^;]*' \
  --conf "spark.executor.extraJavaOptions=-Dlethe.native=/nowhere/liblethe.so"
echo 'int lethe_abi_version(void) { return 99; }' >"$work/other.c"
cc -shared -fPIC -o "$work/other.so" "$work/other.c"
refused another-abi 2 'executor [01] on 127.0.0.1: .*other.so has ABI version 99 [^;]*' \
  --conf "spark.executor.extraJavaOptions=-Dlethe.native=$work/other.so -Dlethe.libtorch=$LIBTORCH"
refused no-lethe 2 "put the driver's jars of Lethe there and name them in spark.executor.extraClassPath" \
  --conf spark.executor.extraClassPath=/nowhere
cp -r "$work/run" "$work/whole"
middle=$(($(stat -c %s "$work/run/ledger/segment-000000.ledger") / 2))
printf 'x' | dd of="$work/run/ledger/segment-000000.ledger" bs=1 seek="$middle" conv=notrunc status=none
refused damaged 4 'executor [01] on 127.0.0.1: [^ ]*segment-000000.ledger at byte [0-9]*: the payload does not match its checksum'
rm -rf "$work/run"
mv "$work/whole" "$work/run"

begin killed --master "$master" --conf spark.lethe.partitionBytes=1m
kill -KILL "$(cat "$work/cluster/worker-2.pid")" "$(pid "$(log 2)")"
wait "$job" || true
code=0
same killed "a worker and its executor killed in the middle change nothing"
grep -q 'Lost executor' "$work/killed.err" || failed "Spark lost no executor: $(tail -n 3 "$work/killed.err")"

((failures == 0)) || { say "$failures checks failed"; exit 70; }
say "all is well"
