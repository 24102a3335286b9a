# Sourced: find_jdk sets JDK to a JDK of version 25 or newer, provision_jdk puts one under build/jdk. JAVA_HOME and PATH
# may point to an older one; then the usual places are searched. Nothing is installed system-wide. Where the system's
# package manager has none, which checks signatures itself, it is one build of Eclipse Temurin and no other;
# LETHE_JDK_URL with LETHE_JDK_SHA256 names another.
JDK_PINNED=25.0.4+7

# The feature version of the JDK in folder $1; 0 when there is none.
jdk_version() {
  local text=''
  [[ -x $1/bin/java && -x $1/bin/javac ]] || { echo 0; return; }
  [[ -r $1/release ]] && text=$(grep -m1 '^JAVA_VERSION=' "$1/release" || true)
  [[ -n $text ]] || text=$("$1/bin/java" -version 2>&1 | head -n 1)
  text=${text#*\"}
  text=${text%%[!0-9]*}
  echo "${text:-0}"
}

find_jdk() {
  local on_path='' home
  if command -v javac >/dev/null; then
    on_path=$(readlink -f -- "$(command -v javac)")
    on_path=${on_path%/bin/javac}
  fi
  for home in "${LETHE_JAVA_HOME-}" "${JAVA_HOME-}" "$on_path" "$build"/jdk/* /usr/lib/jvm/* \
    "${HOME-}"/.sdkman/candidates/java/* "${HOME-}"/.jdks/* /opt/* /opt/*/* /usr/local/*; do
    [[ -n $home ]] && (($(jdk_version "$home") >= 25)) || continue
    JDK=$(readlink -f -- "$home")
    return 0
  done
  return 1
}

provision_jdk() {
  say "no JDK 25 in LETHE_JAVA_HOME, JAVA_HOME, PATH, /usr/lib/jvm, ~/.sdkman, ~/.jdks or /opt; fetching one into" \
    "$build/jdk"
  rm -rf "$build/jdk" "$build/jdk.part"
  mkdir -p "$build/jdk.part"
  if quietly jdk-apt jdk_from_apt || quietly jdk-download jdk_from_download; then
    mv "$build/jdk.part" "$build/jdk"
    find_jdk
  else
    tail -n 1 "$build/log/jdk-download.log" >&2
    rm -rf "$build/jdk.part"
    return 1
  fi
}

# Debian's and Ubuntu's packages unpack anywhere; only their links into /etc have to be turned around.
jdk_from_apt() {
  cd "$build/jdk.part" && command -v dpkg-deb || return 1
  apt-get download openjdk-25-jdk-headless openjdk-25-jre-headless || return 1
  local package home link target
  for package in ./*.deb; do dpkg-deb -x "$package" unpacked || return 1; done
  home=$(echo unpacked/usr/lib/jvm/java-25-openjdk-*)
  find "$home" -type l -lname '/etc/*' | while IFS= read -r link; do
    target=$(readlink -- "$link")
    rm "$link" && cp -R "unpacked$target" "$link"
  done
  mv "$home" openjdk-25 && rm -rf ./*.deb unpacked || return 1
  trust_system_certificates openjdk-25 && openjdk-25/bin/javac -version
}

# A Debian JDK's trust store is made when its package is installed; an unpacked one has none, and Maven needs one.
trust_system_certificates() {
  [[ ! -s $1/lib/security/cacerts ]] || return 0
  rm -f "$1/lib/security/cacerts"
  cat >Trust.java <<'JAVA'
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;

void main(String[] files) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (var in = new FileInputStream(files[0]); var out = new FileOutputStream(files[1])) {
        for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
            store.setCertificateEntry("ca" + store.size(), certificate);
        }
        store.store(out, "changeit".toCharArray());
    }
}
JAVA
  "$1/bin/java" Trust.java /etc/ssl/certs/ca-certificates.crt "$1/lib/security/cacerts" && rm Trust.java
}

jdk_from_download() {
  local arch sum url=https://github.com/adoptium/temurin25-binaries/releases/download/jdk-${JDK_PINNED/+/%2B}
  case $(uname -m) in
    x86_64) arch=x64 sum=e58fcdcd637b25c03ca84cbbcefc70d11efb8f4b4cbd05decc9f661769d77f94 ;;
    aarch64) arch=aarch64 sum=621f7196f0b682fb557da58bec89bd7dfe5419811fe1c0ba75c9cc8432f084c7 ;;
    *) return 1 ;;
  esac
  url=${LETHE_JDK_URL:-$url/OpenJDK25U-jdk_${arch}_linux_hotspot_${JDK_PINNED/+/_}.tar.gz}
  cd "$build/jdk.part" && rm -rf ./* || return 1
  if command -v curl; then
    curl -fsSL --connect-timeout 15 -o jdk.tar.gz "$url" || return 1
  else
    wget -q --connect-timeout=15 --tries=2 -O jdk.tar.gz "$url" || return 1
  fi
  verify jdk.tar.gz "${LETHE_JDK_SHA256:-$sum}" || return 1
  tar xzf jdk.tar.gz && rm jdk.tar.gz && ./*/bin/javac -version
}
