#!/bin/sh
# Fails when LIBRARY has AVX-512 instructions outside namespace lethe::avx512, which nothing enters before asking kIsa:
# in an inline function shared with other objects, say. Takes OBJDUMP and LIBRARY.
"$1" -d "$2" | awk '
  /^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3); own = name ~ /^_Z[ZNKL]*5lethe6avx512/ }
  # EVEX instructions begin with 62, behind prefixes at most; the masks of AVX-512 are %k0 to %k7.
  /:\t((26|2e|36|3e|64|65|67) )*62 / || /%k[0-7]/ { if (own) ++inside; else { ++outside[name]; ++bad } }
  END {
    for (name in outside) print outside[name] " AVX-512 instructions in " name
    if (inside < 1000) print "only " inside + 0 " AVX-512 instructions in lethe::avx512: is this a library of ours?"
    exit bad > 0 || inside < 1000
  }'
