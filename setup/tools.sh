# Sourced: find_tools sets CXX, CMAKE, NINJA (empty: make is used) and MVN, and collects in MISSING the Debian packages
# of what is not there. CMake and Ninja also come by pip into build/venv; Maven by ./mvnw.
MISSING=()

find_tools() {
  find_compiler || MISSING+=(g++)
  if ! find_cmake || ! find_ninja; then
    say "fetching CMake and Ninja with pip into $build/venv"
    ensure_venv && quietly tools venv_pip install --no-deps --require-hashes -r "$root/setup/tools.txt" || true
    find_cmake || MISSING+=(cmake)
    find_ninja || MISSING+=(ninja-build)
  fi
  find_maven
}

# GCC 11 and Clang 14 are the first that compile libtorch's C++20 headers.
find_compiler() {
  local name version
  for name in "${CXX-}" g++ g++-14 g++-13 g++-12 g++-11 clang++; do
    [[ -n $name ]] && command -v "$name" >/dev/null || continue
    version=$("$name" -dumpversion 2>/dev/null) || continue
    at_least "$version" 11 || continue
    CXX=$name
    return 0
  done
  return 1
}

find_cmake() {
  local name
  for name in cmake "$build/venv/bin/cmake"; do
    command -v "$name" >/dev/null && at_least "$(version_in "$("$name" --version 2>/dev/null)")" 3.22 || continue
    CMAKE=$name
    return 0
  done
  return 1
}

find_ninja() {
  local name
  for name in ninja "$build/venv/bin/ninja"; do
    command -v "$name" >/dev/null || continue
    NINJA=$(command -v "$name")
    return 0
  done
  NINJA=''
  command -v make >/dev/null
}

find_maven() {
  local said
  MVN=$root/mvnw
  command -v mvn >/dev/null || return 0
  said=$(JAVA_HOME=${JDK-${JAVA_HOME-}} mvn -B --version 2>/dev/null | grep -m1 'Apache Maven' || true)
  if at_least "$(version_in "$said")" 3.8; then MVN=mvn; fi
}

# Names everything that is missing at once, with one command, and ends.
report_missing() {
  local sudo='sudo ' packages=("${MISSING[@]}") text='' jdk=''
  [[ $(id -u) != 0 ]] || sudo=''
  if [[ -n ${JDK_MISSING-} ]]; then
    if apt-cache show openjdk-25-jdk-headless >/dev/null 2>&1; then
      packages+=(openjdk-25-jdk-headless)
    else
      jdk="a JDK 25: unpack one from https://adoptium.net under /opt or set JAVA_HOME (no package here has it)"
    fi
  fi
  say "this machine lacks what cannot be installed privately:"
  ((${#packages[@]} == 0)) || text="${sudo}apt-get update && ${sudo}apt-get install -y ${packages[*]}"
  [[ -z $text ]] || printf '  %s\n' "$text" >&2
  [[ -z $jdk ]] || printf '  %s\n' "$jdk" >&2
  say "then run this command again"
  exit 2
}
