#!/usr/bin/env bash
# run.sh [WORK]: Lethe as an embedder gets it. "mvn install" fills an empty local repository; an empty Maven project in a folder
# with spaces and umlauts, with the pom and the program of docs/embedding.md, knows Lethe from there alone; as another user
# (where this one is root) it trains, erases and verifies, on the class path and the module path, with native access denied to all
# others, with a /tmp that is read-only or mounted noexec. Then what is said where something is missing; then that a second
# build gives the same bytes. WORK is a new folder, by default one in /tmp that is removed. Needs Maven Central; ten minutes.
set -euo pipefail
export LC_ALL=C.UTF-8 # for the folder with umlauts, whatever the caller has
source "$(dirname -- "${BASH_SOURCE[0]}")/../../../setup/common.sh"
source "$root/setup/build.sh"
find_jdk || fail 2 "no JDK 25"
find_maven
work=${1-}
[[ -n $work ]] || { work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT; }
mkdir -p "$work"
chmod 755 "$work"
repo=$work/repository
home=$work/home
place="$work/Größe mit Lücken"
project=$place/app
lib=$project/target/lib
native=${LETHE_NATIVE:-$build/native/liblethe.so}
install=(-q "-Dmaven.repo.local=$repo" -Dmaven.test.skip=true)
[[ -z ${LETHE_NATIVE-} ]] || install+=("-Dlethe.native=$native")
failures=0

passed() { say "ok    $1"; }
failed() {
  failures=$((failures + 1))
  say "FAILED $1"
  cat "$work/out" "$work/err" >&2
}

# Between the fences of the first block of LANGUAGE in docs/embedding.md.
block() { awk -v open="\`\`\`$1" '$0 == "```" && on { exit } on; $0 == open { on = 1 }' "$root/docs/embedding.md"; }

step install "installing into an empty repository" maven "${install[@]}" install
for file in lethe/0.1.0/lethe-0.1.0{,-linux-x86_64,-sources,-javadoc}.jar lethe/0.1.0/lethe-0.1.0{.pom,-cyclonedx.json} \
  lethe-libtorch-cpu/2.13.0/lethe-libtorch-cpu-2.13.0{-linux-x86_64.jar,.pom}; do
  [[ -s $repo/dev/lethe/$file ]] || fail 70 "mvn install did not make $file"
done
packed=$build/artefacts/native/dev/lethe/native/linux-x86_64/liblethe.so
torch=$(sed -n 's/^LETHE_LIBTORCH:[A-Z]*=//p' "${native%/*}/CMakeCache.txt")
[[ -s $packed ]] || fail 70 "no $packed"
! readelf -d "$packed" | grep -E 'R(UN)?PATH' | grep -v '\[\$ORIGIN\]' ||
  fail 70 "liblethe.so looks for libtorch elsewhere than beside itself"
! grep -qaF -e "$root" -e "$torch" "$packed" ||
  fail 70 "liblethe.so names a folder of this machine"

mkdir -p "$project/src/main/java" "$home"
{
  cat <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>forget</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.release>25</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
POM
  block xml
  cat <<'POM'
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-compiler-plugin</artifactId>
        <version>3.14.1</version>
      </plugin>
    </plugins>
  </build>
</project>
POM
} >"$project/pom.xml"
block java >"$project/src/main/java/Forget.java"
cat >"$project/src/main/java/Open.java" <<'JAVA'
class Open {
    public static void main(String[] arguments) {
        try {
            System.out.println(dev.lethe.Lethe.about().torch());
        } catch (dev.lethe.LetheException e) {
            System.out.println(e.getMessage());
        }
    }
}
JAVA
cat >"$project/src/main/java/Read.java" <<'JAVA'
class Read {
    public static void main(String[] arguments) {
        try (var tokenizer = dev.lethe.model.Tokenizer.of(java.nio.file.Path.of(arguments[0]))) {
            System.out.println(tokenizer.decode(tokenizer.encode("Dave Umbrolio")));
        } catch (dev.lethe.LetheException e) {
            System.out.println(e.getMessage());
        }
    }
}
JAVA
cp -r "$root/src/main/resources/dev/lethe/demo/tokenizer" "$place"
chmod -R a+rX "$place/tokenizer"
maven_project() { (cd "$project" && JAVA_HOME=$JDK "$MVN" -B -ntp "-Dmaven.repo.local=$repo" "$@"); }
step project "compiling a project that knows the repository alone" maven_project -q package \
  org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies "-DoutputDirectory=$lib"

user=()
[[ $(id -u) != 0 ]] || user=("$(command -v setpriv)" --reuid=65534 --regid=65534 --clear-groups)
# java ENVIRONMENT... -- OPTIONS...: as another user, who has a home, no python and nothing of ours in the environment.
java() {
  local environment=()
  while [[ $1 != -- ]]; do
    environment+=("$1")
    shift
  done
  shift
  (cd / && env -i PATH=/none LC_ALL=C.UTF-8 GOMP_SPINCOUNT=5000 "${environment[@]}" "${user[@]}" \
    "$JDK/bin/java" --illegal-native-access=deny "-Duser.home=$home" "$@") >"$work/out" 2>"$work/err"
}
# folder NAME MODE: a new one of the other user's.
folder() {
  local path=$place/$1
  mkdir -p "$path"
  [[ ${#user[@]} == 0 ]] || chown 65534:65534 "$path"
  chmod "$2" "$path"
  echo "$path"
}
[[ ${#user[@]} == 0 ]] || chown 65534:65534 "$home"
tmp=$(folder tmp 700)
sealed=$(folder sealed 500)
class_path=(--enable-native-access=ALL-UNNAMED -cp "$project/target/classes:$lib/*")
module_path=(--enable-native-access=dev.lethe -p "$lib" --add-modules dev.lethe -cp "$project/target/classes")

# forgets NAME OPTIONS...: the program runs to its end, says nothing else, and leaves nothing in the folders for temporary files.
forgets() {
  local name=$1 data
  shift
  data=$(folder "run $name" 700)
  cp "$root/src/main/resources/dev/lethe/demo/people.jsonl" "$data"
  chmod 644 "$data/people.jsonl"
  if java -- "$@" Forget "$data" && grep -q "^Dave's loss: " "$work/out" && grep -qx 'whole: true' "$work/out" &&
    ! grep '^still in ' "$work/out" | grep -qvE ', (YOURS|ACCOUNT)$' && [[ ! -s $work/err && -z $(ls -A "$tmp") && -z $(ls -A "$home/.cache" 2>/dev/null) ]]; then
    passed "$name: $(head -n 1 "$work/out")"
  else
    failed "$name"
  fi
}
# says NAME PATTERN ENVIRONMENT... -- OPTIONS...: $program prints one line that matches, and nothing else.
program=(Open)
says() {
  local name=$1 pattern=$2
  shift 2
  if java "$@" "${program[@]}" && [[ $(wc -l <"$work/out") == 1 && ! -s $work/err ]] && grep -qE -- "$pattern" "$work/out"; then
    passed "$name: $(cut -c 1-160 "$work/out")"
  else
    failed "$name"
  fi
}

forgets "on the class path" "-Djava.io.tmpdir=$tmp" "${class_path[@]}"
forgets "on the module path" "-Djava.io.tmpdir=$tmp" "${module_path[@]}"
forgets "with a read-only tmp" "-Djava.io.tmpdir=$sealed" "${class_path[@]}"

says "denied to the class path" 'start it with --enable-native-access=ALL-UNNAMED$' -- -cp "$project/target/classes:$lib/*"
says "denied to the module" 'start it with --enable-native-access=dev.lethe$' -- "${module_path[@]:1}"
program=(Read "$place/tokenizer") # with the library's own reader, which is not exported
opened=(--add-exports=dev.lethe/dev.lethe.model=ALL-UNNAMED)
says "a tokenizer.json on the class path" '^Dave Umbrolio$' -- "${class_path[@]}"
says "a tokenizer.json on the module path" '^Dave Umbrolio$' -- --enable-native-access=dev.lethe,ai.djl.tokenizers "${opened[@]}" "${module_path[@]:1}"
says "denied to the tokenizers" 'start Java with --enable-native-access=dev.lethe,ai.djl.tokenizers' -- "${opened[@]}" "${module_path[@]}"
program=(Open)
says "nowhere to unpack" 'name one that can be written .* -Dlethe.unpack=DIR$' -- "-Djava.io.tmpdir=$sealed" \
  "-Duser.home=$sealed" "${class_path[@]}"
says "unpacked where told" '^2\.13\.' -- "-Djava.io.tmpdir=$sealed" "-Duser.home=$sealed" "-Dlethe.unpack=$tmp" "${class_path[@]}"
mkdir "$work/noexec"
if mount -t tmpfs -o noexec,mode=1777 none "$work/noexec" 2>/dev/null; then
  says "noexec tmp" '^2\.13\.' -- "-Djava.io.tmpdir=$work/noexec" "${class_path[@]}"
  says "noexec everywhere" 'mounted noexec.*-Dlethe.unpack=DIR$' -- "-Dlethe.unpack=$work/noexec" "${class_path[@]}"
  umount "$work/noexec"
else
  say "skipped: a noexec tmp, which only root can mount"
fi

torch_jar=$(echo "$lib"/lethe-libtorch-cpu-*.jar)
mv "$torch_jar" "$work/"
says "no libtorch" 'no libtorch 2\.13 found: .*LETHE_LIBTORCH.*lethe-libtorch-cpu.*python3' -- "-Djava.io.tmpdir=$tmp" "${class_path[@]}"
mkdir "$place/libtorch"
(cd "$place/libtorch" && "$JDK/bin/jar" xf "$work/${torch_jar##*/}")
named=$place/libtorch/dev/lethe/libtorch/linux-x86_64
says "libtorch by LETHE_LIBTORCH" '^2\.13\.' "LETHE_LIBTORCH=$named" -- "-Djava.io.tmpdir=$tmp" "${class_path[@]}"
says "libtorch by -Dlethe.libtorch" '^2\.13\.' LETHE_LIBTORCH=/none -- "-Djava.io.tmpdir=$tmp" "-Dlethe.libtorch=$named" "${class_path[@]}"
mkdir -p "$place/bin" "$place/torch"
ln -s "$named" "$place/torch/lib"
printf '#!/bin/sh\necho "%s"\n' "$place/torch" >"$place/bin/python3"
chmod 755 "$place/bin/python3"
says "libtorch by Python" '^2\.13\.' "PATH=$place/bin:/bin" -- "-Djava.io.tmpdir=$tmp" "${class_path[@]}"
echo "__version__ = '2.11.0+cpu'" >"$place/torch/version.py"
says "Python's other libtorch" "python3's torch at .* is 2\.11" "PATH=$place/bin:/bin" -- "-Djava.io.tmpdir=$tmp" "${class_path[@]}"
says "a named other libtorch" 'names libtorch 2\.11 at .*needs 2\.13' -- "-Djava.io.tmpdir=$tmp" "-Dlethe.libtorch=$place/torch" "${class_path[@]}"
rm "$lib"/lethe-0.1.0-linux-x86_64.jar
says "no native library" 'add the dependency dev.lethe:lethe with the classifier linux-x86_64' -- "${class_path[@]}"

made=(lethe-0.1.0.jar lethe-0.1.0-linux-x86_64.jar lethe-0.1.0-sources.jar lethe-0.1.0-javadoc.jar lethe-0.1.0-cyclonedx.json)
rm -rf "$root/target" "$build/artefacts/native"
step again "building once more" maven "${install[@]}" "-Dmaven.repo.local=$repo" verify
for file in "${made[@]}"; do
  second=$root/target/$file
  [[ $file != *.json ]] || second=$root/target/bom.json
  if cmp -s "$repo/dev/lethe/lethe/0.1.0/$file" "$second"; then passed "same bytes: $file"; else failed "same bytes: $file"; fi
done
((failures == 0)) || fail 70 "$failures checks failed"
say "all is well"
