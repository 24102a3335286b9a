#!/usr/bin/env bash
# cluster.sh [WORKERS [CORES [FOLDER]]]: a cluster of this machine alone, for trying things out: Spark's own Master and so many Workers
# (2) of so many cores (1) and 1 GB each on the loopback address, until it is killed. The first line on stdout is the URL for
# score.sh --master; FOLDER (build/spark/cluster) gets logs, the workers' folders and a file NAME.pid each.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
workers=${1:-2} cores=${2:-1} folder=${3:-$out/cluster}
[[ $workers =~ ^[1-9][0-9]?$ && $cores =~ ^[1-9][0-9]*$ ]] || fail "cluster.sh [WORKERS [CORES [FOLDER]]]: numbers from 1, up to 99 workers"
export SPARK_LOCAL_IP=127.0.0.1
umask 077
mkdir -p "$folder"

pids=()
trap '((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true' EXIT
trap 'exit 0' TERM INT
# begin NAME CLASS ARGUMENTS...
begin() {
  local name=$1
  shift
  (spark_class "$@" >"$folder/$name.log" 2>&1) &
  pids+=($!)
  echo $! >"$folder/$name.pid"
}
# says NAME PATTERN: waits for it in the log
says() {
  local i
  for ((i = 0; i < 600; i++)); do
    grep -oEm1 -- "$2" "$folder/$1.log" 2>/dev/null && return 0
    kill -0 "$(cat "$folder/$1.pid")" 2>/dev/null || break
    sleep 0.2
  done
  fail "the $1 did not start; see $folder/$1.log"
}
begin master org.apache.spark.deploy.master.Master --host 127.0.0.1 --port 0 --webui-port 0
url=$(says master 'spark://127.0.0.1:[0-9]+')
for ((w = 1; w <= workers; w++)); do
  begin "worker-$w" org.apache.spark.deploy.worker.Worker --host 127.0.0.1 --cores "$cores" --memory 1g --webui-port 0 \
    --work-dir "$folder/work-$w" "$url"
done
for ((w = 1; w <= workers; w++)); do
  says "worker-$w" 'Successfully registered with master' >/dev/null
done
echo "$url"
wait
