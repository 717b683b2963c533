# Writes OUTPUT, a source with the page of `assay report`: FOLDER/page.html with its style, its scripts and D3 put in.
cmake_minimum_required(VERSION 3.22)
file(READ ${FOLDER}/page.html page)
file(READ ${FOLDER}/page.css style)
file(READ ${D3} d3)

# Scripts in the order in which they need each other.
set(scripts "")
foreach(name base table token specs sweep sides run kernels page)
  file(READ ${FOLDER}/${name}.js script)
  string(APPEND scripts "${script}")
endforeach()

# The library's licence asks to be kept with it.
set(licence "D3 3, Copyright Michael Bostock, BSD 3-clause licence: https://github.com/d3/d3/blob/v3.5.17/LICENSE")
if(EXISTS /usr/share/doc/libjs-d3/copyright)
  file(READ /usr/share/doc/libjs-d3/copyright licence)
endif()

string(REPLACE "/*assay:style*/" "${style}" page "${page}")
string(REPLACE "/*assay:d3*/" "${d3}" page "${page}")
string(REPLACE "/*assay:d3-licence*/" "${licence}" page "${page}")
string(REPLACE "/*assay:scripts*/" "${scripts}" page "${page}")

file(WRITE ${OUTPUT} "// The page of assay report; written by the build.
#include <string_view>

namespace assay {
std::string_view page_template();
std::string_view page_template() {
  return R\"assay-page(${page})assay-page\";
}
}  // namespace assay
")
