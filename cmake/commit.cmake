# Writes OUTPUT, a source with the checkout's commit, anew only when it changed: a commit costs one small file and a link.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "no commit known")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "// The commit that this program was built from; written by the build.
#include \"cli/version.h\"

namespace assay {
const char* program_commit() { return \"@commit@\"; }
}  // namespace assay
" @ONLY)
