# ggml, wanted for its row on the CPU: a build or an install prefix at ASSAY_GGML, else what the system has.
# Sets GGML_INCLUDE and GGML_LIBRARIES (shared ones, in link order; empty where there is none), GGML_MISSING: why.
set(ASSAY_GGML "" CACHE PATH "a build or an install prefix of ggml (of llama.cpp, too), for its row on the CPU")
set(GGML_MISSING "no ggml was found when assay was built")

set(where NO_DEFAULT_PATH PATHS "${ASSAY_GGML}")
if(NOT ASSAY_GGML)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(GGML_PACKAGE QUIET ggml)
  endif()
  set(where HINTS ${GGML_PACKAGE_INCLUDE_DIRS} ${GGML_PACKAGE_LIBRARY_DIRS})
endif()
# A build folder is two or three levels below the headers of its source.
find_path(GGML_INCLUDE ggml.h NO_CACHE ${where}
  PATH_SUFFIXES include ggml/include ../include ../ggml/include ../../include ../../ggml/include)
if(GGML_INCLUDE)
  file(REAL_PATH "${GGML_INCLUDE}" GGML_INCLUDE)
endif()
set(in lib lib64 bin src ggml/src build/bin build/src build/ggml/src)
find_library(GGML_CPU NAMES libggml-cpu.so NO_CACHE ${where} PATH_SUFFIXES ${in})
find_library(GGML_BASE NAMES libggml-base.so NO_CACHE ${where} PATH_SUFFIXES ${in})
find_library(GGML_ALL NAMES libggml.so NO_CACHE ${where} PATH_SUFFIXES ${in})

set(GGML_LIBRARIES "")
if(GGML_INCLUDE AND GGML_BASE AND GGML_CPU)
  set(GGML_LIBRARIES ${GGML_CPU} ${GGML_BASE})
elseif(GGML_INCLUDE AND GGML_ALL AND NOT EXISTS ${GGML_INCLUDE}/ggml-cpu.h)  # one library, before the CPU was a backend
  set(GGML_LIBRARIES ${GGML_ALL})
elseif(ASSAY_GGML)
  set(GGML_MISSING "${ASSAY_GGML} has no ggml.h with shared libraries libggml-base.so and libggml-cpu.so")
  message(WARNING "ASSAY_GGML: ${GGML_MISSING}; its row is not built")
endif()
