# Sourced by the scripts of spark/: where Spark is, and spark_class, which runs one of its classes as its own bin/spark-class does.
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
out=$root/build/spark

say() { printf 'lethe: %s\n' "$*" >&2; }
fail() {
  say "$1"
  exit 2
}

[[ -f $out/lethe-spark.jar ]] || fail "Lethe's Spark module is not built: run spark/build.sh"
[[ ! $root/build/app/lethe.jar -nt $out/lethe-spark.jar ]] || fail "Lethe was built since its Spark module was: run spark/build.sh"
[[ ! -f $root/build/launch ]] || source "$root/build/launch"
JDK=${JDK:-${JAVA_HOME-}}
[[ -x $JDK/bin/java ]] || fail "no JDK 25: set JAVA_HOME"
LIBTORCH=${LETHE_LIBTORCH:-${LIBTORCH-}}
NATIVE=${LETHE_NATIVE:-$root/build/native/liblethe.so}
export JAVA_HOME=$JDK SPARK_HOME=${SPARK_HOME:-$out/home} SPARK_SCALA_VERSION=2.13
[[ -d $SPARK_HOME/jars ]] || fail "$SPARK_HOME has no folder jars: unset SPARK_HOME, or name a Spark 4.2, and run spark/build.sh"

# Spark's launcher says the command, flags of its JVMs and all (org.apache.spark.launcher), each word ended by a zero byte.
spark_class() {
  local words
  mapfile -d '' -t words < <("$JDK/bin/java" -Xmx128m -XX:+UseSerialGC -cp "$SPARK_HOME/jars/*" org.apache.spark.launcher.Main "$@"
    printf '%d\0' $?)
  ((${words[-1]} == 0)) || exit "${words[-1]}"
  exec "${words[1]#$'\n'}" "${words[@]:2:${#words[@]}-3}"
}
