# Sourced by ./lethe: where the machine names no character set (slim containers have no LANG) Java reads arguments and
# file names as ASCII and mangles all others. C.UTF-8 is in every glibc since 2.35, and in Debian's before.
case $(locale charmap 2>/dev/null || true) in
  '' | ANSI_X3.4-1968) export LC_ALL=C.UTF-8 ;;
esac
