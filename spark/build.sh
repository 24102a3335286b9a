#!/usr/bin/env bash
# build.sh: what spark/score.sh starts, into build/spark: lethe-spark.jar, lib/ (Lethe and what it needs) and home/jars, Spark's own
# release for machines that name no SPARK_HOME. Builds Lethe first where that is out of date, puts its jar into the local
# repository, and fetches Spark from Maven Central once (280 MB).
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../setup/common.sh"
source "$root/setup/build.sh"
source "$root/setup/fresh.sh"
out=$build/spark

if [[ -n ${LETHE_NATIVE-} ]]; then # a library of somebody else's making: Java alone is built
  find_jdk || fail 2 "no JDK 25"
  find_maven
  native=("-Dlethe.native=$LETHE_NATIVE")
else
  fresh || "$root/setup/build.sh" --if-stale
  source "$launch"
  find_maven
  native=()
fi
repository=()
[[ -z ${LETHE_REPOSITORY-} ]] || repository=("-Dmaven.repo.local=$LETHE_REPOSITORY")
step install "putting Lethe's jar into the local repository" \
  maven -q "${native[@]}" "${repository[@]}" -Dlethe.artefacts.skip -Dmaven.test.skip=true install
of_spark() { JAVA_HOME=$JDK "$MVN" -B -ntp -q -Dstyle.color=never "${repository[@]}" "$@"; }
rm -rf "$out/lib.new"
step spark "building Lethe's Spark module" of_spark -f "$root/spark/pom.xml" -Dmaven.test.skip=true package \
  dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$out/lib.new"
mv "$root/spark/target"/lethe-spark-*.jar "$out/lethe-spark.jar"
rm -rf "$out/lib"
mv "$out/lib.new" "$out/lib"
if [[ -z ${SPARK_HOME-} ]]; then
  rm -rf "$out/home/jars"
  step spark-home "laying out Spark" of_spark -f "$root/spark/home.pom.xml" dependency:copy-dependencies \
    "-DoutputDirectory=$out/home/jars"
fi
