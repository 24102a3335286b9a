# Script: fails unless the functions that LIBRARY exports are exactly those HEADER declares. Takes NM, LIBRARY, HEADER.
execute_process(COMMAND ${NM} -D --defined-only --format=posix ${LIBRARY} OUTPUT_VARIABLE symbols
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(^|\n)lethe_[A-Za-z0-9_]+ T" exported "${symbols}")
list(TRANSFORM exported REPLACE "[^a-z0-9_]" "")
file(READ ${HEADER} text)
string(REGEX MATCHALL "LETHE_API [a-z0-9_]+ lethe_[a-z0-9_]+" declared "${text}")
list(TRANSFORM declared REPLACE ".* " "")
list(SORT exported)
list(SORT declared)
if(NOT exported STREQUAL declared)
  message(FATAL_ERROR "exported: ${exported}\n\ndeclared: ${declared}")
endif()
# Templates of the standard library are weak (V, W, u) wherever they are used; a strong one would be ours.
string(REGEX MATCHALL "(^|\n)[^ \n]+ [TDBR] " strong "${symbols}")
list(FILTER strong EXCLUDE REGEX "lethe_|__bss_start|_edata|_end|_init|_fini")
if(strong)
  message(FATAL_ERROR "exported beside the header's functions: ${strong}")
endif()
