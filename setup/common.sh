# Sourced by the scripts of setup/: paths, messages, the build lock, and step(), which runs a long command with its
# output in build/log and a sign of life on stderr.
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$root/build
mkdir -p "$build/log"

say() { printf 'lethe: %s\n' "$*" >&2; }

# fail STATUS MESSAGE...: 2 something is missing or wrong on this machine, 70 a step of ours failed.
fail() {
  local status=$1
  shift
  say "$@"
  exit "$status"
}

# Only one build at a time in a checkout; the lock goes with the process.
lock() {
  exec 9>"$build/.lock"
  flock -n 9 || { say "another build is running in $build; waiting for it"; flock 9; }
}

# Reads a command's output and shows the last line: rewritten on a terminal, every 30 s elsewhere.
show_progress() {
  local line='' part status shown=0
  while true; do
    status=0
    IFS= read -r -t 1 part || status=$?
    ((status == 0 || status > 128)) || break
    part=${part//$'\r'/}
    part=${part//$'\e[0m'/}
    [[ -z $part ]] || line=$part
    if [[ -t 2 ]]; then
      printf '\r\033[K  %3d s  %.100s' "$SECONDS" "$line" >&2
    elif ((SECONDS - shown >= 30)); then
      shown=$SECONDS
      say "  ${SECONDS} s  ${line:0:100}"
    fi
  done
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# quietly NAME COMMAND...: runs it with the output in build/log/NAME.log; returns its status.
quietly() {
  local log=$build/log/$1.log
  shift
  SECONDS=0
  set +o pipefail
  "$@" </dev/null 2>&1 9>&- | tee "$log" | show_progress
  local status=${PIPESTATUS[0]}
  set -o pipefail
  return "$status"
}

# step NAME MESSAGE COMMAND...: as quietly, but says what it does and ends the build when it fails.
step() {
  local name=$1 message=$2 status=0
  shift 2
  say "$message"
  quietly "$name" "$@" || status=$?
  ((status == 0)) && return
  tail -n 40 "$build/log/$name.log" >&2
  fail 70 "$name failed with status $status; all of its output is in $build/log/$name.log"
}

# verify FILE SHA256: whether a downloaded file is the one that was pinned.
verify() {
  local found
  found=$(sha256sum <"$1")
  [[ ${found%% *} == "$2" ]] || { say "$1 is not what was asked for: SHA-256 ${found%% *}, pinned is $2"; return 1; }
}

# version_in TEXT: the first dotted number in it. at_least HAVE WANT: compares two of them.
version_in() { grep -oEm1 '[0-9]+(\.[0-9]+)+' <<<"$1" | head -n 1; }
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }
