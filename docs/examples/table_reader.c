/* An engine that is not assay's asks a dispatch table. cc -I include docs/examples/table_reader.c
 * table_reader TABLE BACKEND SPEC [ISA …]: the kernels for the spec, the first choice first. */
#include <assay_table.h>

int main(int argc, char** argv) {
  char error[256] = "";
  assay_table* table;
  int rank;
  if (argc < 4) {
    fprintf(stderr, "say TABLE BACKEND SPEC [ISA ...]\n");
    return 2;
  }
  const assay_table_device device = {argv[2], (const char* const*)argv + 4, (size_t)(argc - 4), NULL, 0};
  table = assay_table_read(argv[1], &device, error, sizeof error);
  if (!table) {
    fprintf(stderr, "%s: %s\n", argv[1], error);
    return 2;
  }
  if (!assay_table_entry(table, argv[3])) {
    fprintf(stderr, "no entry\n");
    assay_table_free(table);
    return 1;
  }
  printf("accuracy %s, storage \"%s\"\n", assay_table_accuracy(table, argv[3]), assay_table_storage(table, argv[3]));
  for (rank = 0; assay_table_choice(table, argv[3], rank); ++rank)
    printf("%s\n", assay_table_choice(table, argv[3], rank));
  assay_table_free(table);
  return 0;
}
