#!/usr/bin/env bash
# Provisions what is missing and builds: liblethe.so into build/native, the jar and its dependencies into build/app, and
# build/launch, by which ./lethe knows that nothing has changed since. "--native [LIBTORCH]" builds nothing of Java (so
# Maven calls it), --if-stale nothing when another process has just done it. Everything is told on stderr.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
source "$root/setup/jdk.sh"
source "$root/setup/libtorch.sh"
source "$root/setup/tools.sh"
source "$root/setup/fresh.sh"

provision() {
  find_jdk || provision_jdk || JDK_MISSING=yes
  find_tools
  local torch=yes
  find_libtorch || torch=''
  [[ -n $torch ]] || ensure_venv || MISSING+=(python3-venv)
  ((${#MISSING[@]} == 0)) && [[ -z ${JDK_MISSING-} ]] || report_missing
  [[ -n $torch ]] || provision_libtorch
  say "JDK $(jdk_version "$JDK") at $JDK; libtorch $(torch_version "$LIBTORCH") at $LIBTORCH"
}

# A cache made for another checkout folder, or by a build tool that is gone, cannot be used again.
drop_foreign_cache() {
  local cache=$build/native/CMakeCache.txt home program
  [[ -f $cache ]] || return 0
  home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$cache")
  program=$(sed -n 's/^CMAKE_MAKE_PROGRAM:[A-Z]*=//p' "$cache")
  [[ $home == "$root" && -x $program ]] || rm -rf "$build/native"
}

# A translation unit over libtorch's headers takes up to 1.5 GB to compile.
parallel_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(($(awk '/^MemAvailable/ {print $2}' /proc/meminfo) / 1500000))
  ((memory >= 1)) || memory=1
  echo $((cores < memory ? cores : memory))
}

build_native() {
  local generator=() target=lethe first=''
  [[ -z $1 ]] || target=all
  drop_foreign_cache
  if [[ ! -f $build/native/CMakeCache.txt ]]; then
    [[ -n $NINJA ]] && generator=(-G Ninja "-DCMAKE_MAKE_PROGRAM=$NINJA") || generator=(-G 'Unix Makefiles')
    generator+=("-DCMAKE_CXX_COMPILER=$CXX")
  fi
  [[ -e $build/native/liblethe.so ]] || first=' (a few minutes, once)'
  step configure "configuring the native engine" \
    "$CMAKE" -S "$root" -B "$build/native" "${generator[@]}" "-DLETHE_LIBTORCH=$LIBTORCH"
  step native "compiling the native engine$first" \
    "$CMAKE" --build "$build/native" --target "$target" -j "$(parallel_jobs)"
}

build_java() {
  local first='' jar=$build/app/lethe.jar built
  [[ -e $jar ]] || first=' (Maven fetches what it needs, once)'
  step java "compiling Java$first" maven -q -Dmaven.test.skip=true package \
    dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$build/app/lib.new"
  built=$(find "$root/target" -maxdepth 1 -regex '.*/lethe-[0-9.]+\.jar') # not that of natives beside it
  # Programs running now keep the files they have open: new ones take their place by a rename.
  if ! cmp -s "$built" "$jar" || ! diff -rq "$build"/app/lib{.new,} >/dev/null 2>&1; then
    cp "$built" "$jar.new"
    mv "$jar.new" "$jar"
    rm -rf "$build/app/lib" "$build/app/lethe.aot"
    mv "$build/app/lib.new" "$build/app/lib"
  fi
  rm -rf "$build/app/lib.new"
  CLASSPATH=$jar$(printf ':%s' "$build"/app/lib/*.jar)
}

# Halves the JVM's part of a start (0.45 s to 0.27 s on two cores). A run without it is only slower, so it may fail.
build_startup_cache() {
  local cache=$build/app/lethe.aot
  [[ ! -e $cache ]] || return 0
  quietly startup "$JDK/bin/java" -XX:+UseSerialGC --enable-native-access=ALL-UNNAMED "-XX:AOTCacheOutput=$cache.new" \
    "-Dlethe.native=$build/native/liblethe.so" "-Dlethe.libtorch=$LIBTORCH" -cp "$CLASSPATH" \
    dev.lethe.cli.Main doctor || true
  [[ ! -e $cache.new ]] || mv "$cache.new" "$cache"
}

maven() {
  JAVA_HOME=$JDK MAVEN_OPTS="--enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow ${MAVEN_OPTS-}" \
    "$MVN" -B -ntp -Dstyle.color=never -f "$root/pom.xml" "$@"
}

write_launch() {
  {
    echo "# made by setup/build.sh; read by ./lethe"
    printf '%s=%q\n' LETHE_ROOT "$root" JDK "$JDK" LIBTORCH "$LIBTORCH" CLASSPATH "$CLASSPATH"
  } >"$build/launch.new"
  touch -r "$build/.begun" "$build/launch.new"
  mv "$build/launch.new" "$build/launch"
}

build_all() {
  touch "$build/.begun"
  provision
  build_native "$1"
  build_java
  write_launch
}

# Not when sourced. No && or || around the calls: bash would go on past a failing command inside them.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  lock
  if [[ ${1-} == --native ]]; then
    [[ -z ${2-} ]] || export LETHE_LIBTORCH=$2
    provision
    build_native ''
  elif [[ ${1-} != --if-stale ]] || ! fresh; then
    build_all ''
    build_startup_cache
  fi
fi
