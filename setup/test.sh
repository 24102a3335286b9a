#!/usr/bin/env bash
# Builds, then runs every test: ctest, then JUnit through Maven. --extended adds the tests tagged so (minutes to hours),
# --native or --java runs one half; other arguments go to Maven, e.g. -Dtest=LedgerTest. Fails when either half does.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/build.sh"

native=yes java=yes extended='' options=()
for argument in "$@"; do
  case $argument in
    --extended) extended=yes options+=(-Dlethe.tests.excluded=none) ;;
    --native) java='' ;;
    --java) native='' ;;
    *) options+=("$argument") ;;
  esac
done

# As an embedder gets it; both in one folder, so that the artefacts are made and installed once.
embedding() {
  local work status=0
  work=$(mktemp -d)
  "$root/src/test/embedding/run.sh" "$work" && "$root/src/test/embedding/service.sh" "$work" || status=1
  rm -rf "$work"
  return "$status"
}

# In one process, then on two workers, of which one is killed.
spark() {
  "$root/spark/build.sh" && JAVA_HOME=$JDK "$MVN" -B -ntp -q -f "$root/spark/pom.xml" test && "$root/spark/test.sh"
}

lock
build_all "$native"
status=0
if [[ -n $native ]]; then
  (cd "$build/native" && "${CMAKE%cmake}ctest" --output-on-failure) || status=1
fi
if [[ -n $java ]]; then
  maven test "${options[@]}" || status=1
  [[ -z $extended ]] || exec 9>&- # what follows builds by itself, and would wait for this lock
  [[ -z $extended ]] || embedding || status=1
  [[ -z $extended ]] || spark || status=1
  [[ -z $extended ]] || "$root/bench/gpu/rehearse.sh" || status=1
fi
exit "$status"
