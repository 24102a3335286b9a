#!/usr/bin/env bash
# service.sh [WORK]: examples/service as a reader would copy it. It is built from a local repository that "mvn install" filled, run
# by another user (where this one is root) with native access denied to all others, and driven by curl: train, adopt, find, erase,
# eval, a cancelled training, what is refused and how; the health ping's 99th percentile while two erasures fill the cores; its
# metrics; its end. WORK is a new folder, or one that run.sh has filled; by default one in /tmp that is removed. Five minutes.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../../../setup/common.sh"
source "$root/setup/build.sh"
find_jdk || fail 2 "no JDK 25"
find_maven
readonly PING_BAR_MS=50 PINGS=300
work=${1-}
pid=''
temporary=''
[[ -n $work ]] || { work=$(mktemp -d) && temporary=yes; }
cleanup() {
  [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true
  [[ -z $temporary ]] || rm -rf "$work"
}
trap cleanup EXIT
mkdir -p "$work/tmp" "$work/runs"
chmod 755 "$work"
repo=$work/repository
install=(-q "-Dmaven.repo.local=$repo" -Dmaven.test.skip=true)
[[ -z ${LETHE_NATIVE-} ]] || install+=("-Dlethe.native=$LETHE_NATIVE")
[[ -d $repo/dev/lethe ]] || step install "installing into an empty repository" maven "${install[@]}" install
cp -r "$root/examples/service" "$work/"
step service "building examples/service, which knows the repository alone" \
  env -C "$work/service" "JAVA_HOME=$JDK" "$MVN" -B -ntp -q "-Dmaven.repo.local=$repo" clean package

user=()
if [[ $(id -u) == 0 ]]; then
  user=("$(command -v setpriv)" --reuid=65534 --regid=65534 --clear-groups)
  chown 65534:65534 "$work/tmp" "$work/runs"
fi
cp "$root/src/main/resources/dev/lethe/demo/people.jsonl" "$work/runs"
chmod 644 "$work/runs/people.jsonl"
env -i -C / PATH=/none LC_ALL=C.UTF-8 "${user[@]}" "$JDK/bin/java" --illegal-native-access=deny "-Djava.io.tmpdir=$work/tmp" \
  "-Duser.home=$work/tmp" -jar "$work/service/target/service.jar" "$work/runs" 0 2 >"$work/out" 2>"$work/err" &
pid=$!
for _ in {1..300}; do
  url=$(cat "$work/out")
  [[ -z $url ]] && kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
failures=0
passed() { say "ok    $1"; }
failed() {
  failures=$((failures + 1))
  say "FAILED $1"
}
[[ $url == http://127.0.0.1:* ]] || { cat "$work/out" "$work/err" >&2; fail 70 "the service did not start"; }

# call METHOD PATH [JSON]: the answer's body into $body, its status into $status. $type: of the JSON; $origin: a page that sends it.
call() {
  local data=()
  [[ -z ${3-} ]] || data=(-H "Content-Type: ${type-application/json}" --data "$3")
  [[ -z ${origin-} ]] || data+=(-H "Origin: $origin")
  status=$(curl -s --noproxy '*' -o "$work/body" -w '%{http_code} %{content_type}' -X "$1" "${data[@]}" "$url/$2")
  body=$(cat "$work/body")
}
# field NAME: of the body, the first of that name, without quotes.
field() { { grep -oE "\"$1\":(\"[^\"]*\"|[^,}]*)" <<<"$body" | head -n 1 | sed -e "s/^\"$1\"://" -e 's/^"//' -e 's/"$//'; } || true; }
# answers NAME STATUS PATTERN METHOD PATH [JSON]
answers() {
  local name=$1 wanted=$2 pattern=$3
  shift 3
  call "$@"
  if [[ $status == "$wanted "* ]] && grep -qE -- "$pattern" <<<"$body"; then passed "$name"; else failed "$name: $status $body"; fi
}
# problem NAME STATUS PATTERN METHOD PATH [JSON]: refused at once, as RFC 9457 has it.
problem() {
  answers "$1" "$2" "\"status\":$2,\"detail\":\".*$3" "${@:4}"
  [[ $status == *application/problem+json ]] || failed "$1 is no problem JSON: $status"
}
# begin KIND JSON: its number into $job. state ID: of a job, its answer into $body. await ID: until it has ended.
begin() {
  call POST "$1" "$2"
  [[ $status == 202* ]] || fail 70 "$1 was not taken: $status $body"
  job=$(field id)
}
state() {
  call GET "jobs/$1"
  state=$(field state)
}
await() {
  for _ in {1..1200}; do
    state "$1"
    [[ $state == queued || $state == running ]] || return 0
    sleep 0.1
  done
  failed "job $1 does not end"
}
# becomes NAME ID STATE PATTERN
becomes() {
  await "$2"
  if [[ $state == "$3" ]] && grep -qE -- "$4" <<<"$body"; then passed "$1"; else failed "$1: $body"; fi
}
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

answers "is up" 200 '"up"' GET health
problem "no such path" 404 'nothing' GET nothing
problem "no path at all" 404 'GET /"' GET ''
problem "no such method" 405 'GET /train' GET train
problem "no JSON" 400 'end-of-input' POST train '{'
problem "an unknown field" 400 'epoch' POST train '{"data":"people.jsonl","epoch":3}'
problem "a file elsewhere" 400 'outside' POST train '{"data":"../service/pom.xml","model":"gpt2","out":"x"}'
ln -s "$work/service" "$work/runs/link"
ln -s "$work/tmp/elsewhere" "$work/runs/away"
problem "a link that leads elsewhere" 400 'outside' POST train '{"data":"link/pom.xml","model":"gpt2","out":"x"}'
problem "a run behind a link" 400 'away is not one name' POST train '{"data":"people.jsonl","model":"gpt2","out":"away"}'
problem "a run in another" 400 'not one name' POST train '{"data":"people.jsonl","model":"gpt2","out":"first/ledger/x"}'
origin=http://page.example problem "a page's request" 403 'web pages' POST erase '{"run":"first","out":"x","subject":"dave"}'
origin=http://page.example problem "a page's question" 403 'web pages' GET jobs
type=text/plain problem "a form's request" 415 'application/json' POST erase '{"run":"first","out":"x","subject":"dave"}'
problem "a file that is not there" 404 'nobody.jsonl' POST train '{"data":"nobody.jsonl","model":"gpt2","out":"x"}'
problem "a number out of range" 400 'epochs is 0' POST train '{"data":"people.jsonl","model":"gpt2","out":"x","epochs":0}'
problem "a shape that is none" 400 'heads' POST train '{"data":"people.jsonl","model":"gpt2:layers=2,hidden=64,heads=5","out":"x"}'
problem "no such job" 404 'no job 77' GET jobs/77

tiny='"data":"people.jsonl","model":"gpt2:layers=2,hidden=64,heads=2,ctx=64","learningRate":2e-3,"holdout":0.2'
begin train "{$tiny,\"epochs\":20,\"out\":\"first\"}"
first=$job
begin train "{$tiny,\"epochs\":20,\"out\":\"second\"}"
becomes "trains" "$first" 'done' '"records":'
becomes "trains another beside it" "$job" 'done' '"records":'
begin train "{$tiny,\"out\":\"first\"}"
becomes "trains into no run" "$job" failed '"status":409,"detail":"[^"]*already holds a run'
answers "finds" 200 '"recordId":"[^"]*","score":100.0,"reason":"subject dave"' POST find '{"run":"first","subject":"dave"}'
found=$(grep -o '"recordId"' <<<"$body" | wc -l)
problem "finds nobody" 400 'unknown subject nobody' POST find '{"run":"first","subject":"nobody"}'
problem "finds by nothing" 400 'one of ids, subject and text' POST find '{"run":"first"}'
curl -s --noproxy '*' -Z --parallel-immediate --parallel-max 50 -o /dev/null -w '%{http_code} %header{retry-after}\n' \
  -H 'Content-Type: application/json' --data '{"run":"first","text":"Dave","fuzzy":50}' "$url/find?[1-50]" >"$work/finds" 2>/dev/null || true
counts=$(sort "$work/finds" | uniq -c | awk '{ $1 = $1; print }' | paste -sd ';')
if [[ $counts =~ ^[0-9]+\ 200\;[0-9]+\ 503\ 1$ ]]; then passed "finds for two at once: $counts"; else failed "finds for two at once: $counts"; fi
begin eval '{"run":"first","data":"people.jsonl","subject":"dave"}'
becomes "evaluates" "$job" 'done' '"loss":'
before=$(field loss)
begin adopt '{"data":"people.jsonl","model":"first/model","out":"adopted"}'
becomes "adopts a folder of Hugging Face's" "$job" 'done' '"records":'

begin train "{$tiny,\"epochs\":100000,\"out\":\"long\"}"
long=$job
for _ in {1..300}; do
  state "$long"
  steps=$(field 'done')
  [[ $steps =~ ^[0-9]+$ ]] && ((steps > 300)) && break
  sleep 0.1
done
begin resume '{"run":"long"}'
becomes "two trainings in one run" "$job" failed '"status":409,"detail":"[^"]*at work in it'
answers "is told to cancel" 202 '"id":' DELETE "jobs/$long"
becomes "cancels a training" "$long" cancelled '"status":499'
steps=$(field 'done')
begin resume '{"run":"long"}'
for _ in {1..300}; do
  state "$job"
  further=$(field 'done')
  [[ $further =~ ^[0-9]+$ ]] && break
  sleep 0.1
done
if ((further > steps)); then passed "goes on with it, cancelled after step $steps, at $further"; else failed "goes on with it: $body"; fi
call DELETE "jobs/$job"
becomes "cancels it again" "$job" cancelled '"status":499'
begin erase '{"run":"second","out":"worse","subject":"dave","strategy":"grad-ascent"}'
becomes "a guard refuses" "$job" failed '"status":422,"detail":"erasure refused, nothing was changed'

# Pings count while both erasures run; one process of curl sends fifty over one connection.
begin erase '{"run":"first","out":"first-2","subject":"dave"}'
one=$job
begin erase '{"run":"second","out":"second-2","subject":"dave"}'
two=$job
: >"$work/pings"
both() {
  state "$one"
  [[ $state == running ]] || return 1
  state "$two"
  [[ $state == running ]]
}
for _ in {1..100}; do
  ! both || break
  sleep 0.02
done
while both; do
  curl -s --noproxy '*' -o /dev/null -w '%{time_total}\n' "$url/health?[1-50]" >"$work/some"
  ! both || cat "$work/some" >>"$work/pings"
done
becomes "erases" "$one" 'done' "\"records\":$found,"
becomes "erases from another run at once" "$two" 'done' "\"records\":$found,"
pings=$(wc -l <"$work/pings")
read -r p50 p99 most < <(sort -g "$work/pings" | awk '{ at[NR] = 1000 * $1 } END { print at[int((NR + 1) / 2)], at[int(NR * 0.99 + 0.999)], at[NR] }')
say "      $pings health pings while two erasures ran: median $p50 ms, p99 $p99 ms, most $most ms"
if ((pings >= PINGS)) && above "$PING_BAR_MS" "$p99"; then passed "pings under $PING_BAR_MS ms"; else failed "pings"; fi
begin eval '{"run":"first-2","data":"people.jsonl","subject":"dave"}'
becomes "evaluates the new run" "$job" 'done' '"loss":'
after=$(field loss)
if above "$after" "$(awk -v b="$before" 'BEGIN { print b + 1 }')"; then passed "Dave's loss is $after, was $before"; else failed "Dave's loss is $after, was $before"; fi
problem "finds Dave no more" 400 'subject dave' POST find '{"run":"first-2","subject":"dave"}'

call GET metrics
for line in "lethe_jobs_ended_total{kind=\"train\",state=\"done\"} 2.0" "lethe_jobs_ended_total{kind=\"train\",state=\"cancelled\"} 1.0" \
  "lethe_jobs_ended_total{kind=\"erase\",state=\"done\"} 2.0" "lethe_jobs_ended_total{kind=\"erase\",state=\"failed\"} 1.0" \
  "lethe_records_erased_total $((2 * found)).0"; do
  if grep -qxF -- "$line" <<<"$body"; then passed "counts $line"; else failed "counts $line: $body"; fi
done
if ! grep -vqE '^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[a-z]+"(,[a-z]+="[a-z]+")*\})? [0-9.E]+)$' <<<"$body" &&
  grep -qE '^process_resident_memory_bytes [0-9.E]+$' <<<"$body"; then
  passed "$(grep '^process' <<<"$body" | awk '{ printf "holds %d MB, told in the form that Prometheus reads", $2 / 1e6 }')"
else
  failed "metrics: $body"
fi

begin resume '{"run":"long"}'
for _ in {1..100}; do
  state "$job"
  [[ $state == running ]] && break
  sleep 0.1
done
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
pid=''
if [[ $code == 143 && ! -s $work/err && -z $(find "$work/runs" -name '*.erasing' -o -name '*.part-*') && -z $(ls -A "$work/tmp") ]]; then
  passed "ends when told, in the middle of a training, and leaves nothing"
else
  failed "ends with $code: $(cat "$work/err"; ls -A "$work/tmp")"
fi
((failures == 0)) || fail 70 "$failures checks failed"
say "all is well"
