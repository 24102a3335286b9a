# Sourced by ./lethe and setup/build.sh: fresh tells whether the last build still holds, in milliseconds, and sets what
# that build left in build/launch: LETHE_ROOT, JDK, LIBTORCH, CLASSPATH. Reads $root and $build.
launch=$build/launch

# build/launch carries the time at which its build began; a source, folder or libtorch newer than that makes it stale.
fresh() {
  [[ -f $launch && -e $build/native/liblethe.so && -e $build/app/lethe.jar ]] || return 1
  # shellcheck disable=SC1090
  source "$launch"
  [[ $LETHE_ROOT == "$root" && -x $JDK/bin/java ]] || return 1
  [[ -z ${LETHE_LIBTORCH-} || $(readlink -f -- "$LETHE_LIBTORCH") == "$LIBTORCH" ]] || return 1
  local newer
  newer=$(find "$root"/{native/include,native/src,native/ranks,native/cmake,bindings/src,src/main,setup,pom.xml,CMakeLists.txt} \
    "$LIBTORCH/lib/libtorch_cpu.so" -newer "$launch" -print -quit 2>&1) && [[ -z $newer ]]
}
