# Writes OUTPUT, a header with the checkout's commit, anew only when it changed.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "no commit known")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "// The commit that this program was built from; written by the build.\n#define ASSAY_COMMIT \"@commit@\"\n" @ONLY)
