#!/usr/bin/env bash
# score.sh RUN ... : lethe score, its pass over the ledger as a Spark job. Takes what "lethe score" takes, and of Spark's
#   --master URL    where (default: this machine, local[CORES])
#   --cores N       of an executor; its one task takes them all (default: those of this machine)
#   --conf K=V      any setting of Spark's
# The checkout, the run and its ledger lie at the same paths on all machines; spark/README.md says more.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

master='' cores=$(nproc) conf=() arguments=()
while (($#)); do
  case $1 in
    --master) master=${2-} && shift ;;
    --master=*) master=${1#*=} ;;
    --cores) cores=${2-} && shift ;;
    --cores=*) cores=${1#*=} ;;
    --conf) conf+=(--conf "${2-}") && shift ;;
    --conf=*) conf+=(--conf "${1#*=}") ;;
    --spark) ;; # which brings ./lethe score here
    *) arguments+=("$1") ;;
  esac
  shift || fail "an option's value is missing"
done
[[ $cores =~ ^[1-9][0-9]*$ ]] || fail "--cores $cores: must be a number from 1"
[[ ! ${arguments[0]-} =~ ^[a-z0-9]+:// ]] || fail "${arguments[0]}: a run is read where it is mapped, on a local disk or NFS; a ledger is not \
copied out of hdfs:// and its like, for an erasure would not reach the copy"
case $master in
  local) cores=1 ;;
  "local["[0-9]*) cores=${master#"local["} cores=${cores%%[],]*} ;;
esac
[[ -n $master && $master != local* ]] || export SPARK_LOCAL_IP=127.0.0.1
umask 077

# One count of threads everywhere: by it and by the instruction set are sums repeated to the bit.
places="-Dlethe.native=\"$NATIVE\" -Dlethe.libtorch=\"$LIBTORCH\""
spark_class org.apache.spark.deploy.SparkSubmit --master "${master:-local[$cores]}" --name "lethe score" \
  --conf "spark.driver.extraClassPath=$out/lib/*" --conf "spark.executor.extraClassPath=$out/lib/*" \
  --conf "spark.driver.extraJavaOptions=$places \"-Dlog4j2.configurationFile=file:$root/spark/log4j2.properties\"" \
  --conf "spark.executor.extraJavaOptions=$places" \
  --conf "spark.executor.cores=$cores" --conf "spark.task.cpus=$cores" \
  --conf spark.executor.memory=1g --conf spark.executor.memoryOverhead=4g \
  --conf spark.hadoop.fs.permissions.umask-mode=077 --conf spark.ui.showConsoleProgress=false \
  "${conf[@]}" --class dev.lethe.cli.Main "$out/lethe-spark.jar" score --set spark=true --set "threads=$cores" \
  "${arguments[@]}"
