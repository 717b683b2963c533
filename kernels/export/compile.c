/* compile SOURCE.cu SYMBOL OUT.c FLAGS...: device code to a cubin by NVRTC, as a C array. A SOURCE.cubin (of nvcc) is
 * only put into C. NVRTC is opened at run time, from $CUDA_HOME, /usr/local/cuda or the system. */
#include <dlfcn.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char* read_all(const char* name, size_t* size) {
  FILE* file = fopen(name, "rb");
  if (!file) {
    perror(name);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  const long length = ftell(file);
  rewind(file);
  char* bytes = (char*)calloc(1, (size_t)length + 1);
  if (!bytes || fread(bytes, 1, (size_t)length, file) != (size_t)length) exit(1);
  fclose(file);
  *size = (size_t)length;
  return bytes;
}

static void* open_nvrtc(void) {
  static const char* const names[] = {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"};
  const char* home = getenv("CUDA_HOME");
  const char* folders[] = {home ? home : "/usr/local/cuda", "/usr/local/cuda"};
  char path[512];
  for (size_t n = 0; n < sizeof names / sizeof *names; ++n) {
    for (size_t f = 0; f < 2; ++f) {
      snprintf(path, sizeof path, "%s/lib64/%s", folders[f], names[n]);
      void* library = dlopen(path, RTLD_NOW);
      if (library) return library;
    }
    void* library = dlopen(names[n], RTLD_NOW);
    if (library) return library;
  }
  fprintf(stderr, "libnvrtc.so is not here: set CUDA_HOME, or build with make NVCC=nvcc\n");
  exit(1);
}

static char* compile(const char* source, int flag_count, char** flags, size_t* size) {
  void* library = open_nvrtc();
#define FIND(name)           \
  __typeof__(&name) name##_; \
  *(void**)&name##_ = dlsym(library, #name)
  FIND(nvrtcCreateProgram);
  FIND(nvrtcCompileProgram);
  FIND(nvrtcGetProgramLogSize);
  FIND(nvrtcGetProgramLog);
  FIND(nvrtcGetCUBINSize);
  FIND(nvrtcGetCUBIN);
#undef FIND
  nvrtcProgram program;
  size_t length;
  const char* text = read_all(source, &length);
  if (nvrtcCreateProgram_(&program, text, source, 0, NULL, NULL) != NVRTC_SUCCESS) exit(1);
  const nvrtcResult result = nvrtcCompileProgram_(program, flag_count, (const char* const*)flags);
  nvrtcGetProgramLogSize_(program, &length);
  char* log = (char*)calloc(1, length + 1);
  nvrtcGetProgramLog_(program, log);
  if (log && log[0]) fprintf(stderr, "%s\n", log);
  if (result != NVRTC_SUCCESS) exit(1);
  nvrtcGetCUBINSize_(program, size);
  char* cubin = (char*)malloc(*size);
  if (!cubin || nvrtcGetCUBIN_(program, cubin) != NVRTC_SUCCESS) exit(1);
  return cubin;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "compile SOURCE.cu|SOURCE.cubin SYMBOL OUT.c FLAGS...\n");
    return 2;
  }
  size_t size = 0;
  const size_t name = strlen(argv[1]);
  const int is_cubin = name > 6 && strcmp(argv[1] + name - 6, ".cubin") == 0;
  const char* cubin = is_cubin ? read_all(argv[1], &size) : compile(argv[1], argc - 4, argv + 4, &size);
  FILE* out = fopen(argv[3], "w");
  if (!out) {
    perror(argv[3]);
    return 1;
  }
  fprintf(out, "/* %s, compiled. */\n_Alignas(64) const unsigned char %s[] = {", argv[1], argv[2]);
  for (size_t i = 0; i < size; ++i) fprintf(out, "%s%u", i == 0 ? "" : i % 24 ? "," : ",\n", (unsigned char)cubin[i]);
  fprintf(out, "};\n");
  return fclose(out) == 0 ? 0 : 1;
}
