/* Dispatch tables of assay, read by any engine: which kernel computes a spec on this device. One C11 header, no library;
 * it also compiles as C++.
 *
 *   const char* isa[] = {"generic", "avx2", "avx512"};                      best last
 *   assay_table_device device = {"cpu", isa, 3, NULL, 0};
 *   char error[256];
 *   assay_table* table = assay_table_read("cpu.json", &device, error, sizeof error);
 *   if (!table) …;                                                           error says why, in one line
 *   const char* kernel = assay_table_choice(table, "op=matmul | m=1 | n=896 | k=896 | dtB=q8_0", 0);
 *   …                                                                        "q8_dot/i8act_r2_p0"; NULL: no entry
 *   assay_table_free(table);
 *
 * A spec names its fields in canonical form: op without _cache or _bias_add, sizes as plain numbers. The first entry
 * whose bucket takes it counts. A bucket that names a field which the spec leaves out does not take it. */
#ifndef ASSAY_TABLE_H
#define ASSAY_TABLE_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_table_device {
  const char* backend;
  const char* const* isa; /* instruction sets that it has, best last */
  size_t isa_count;
  const char* const* properties; /* key, value, key, value …; a section that names others is not for this device */
  size_t property_count;         /* of pairs */
} assay_table_device;

/* A JSON value. Members of an object have a key; children are chained by next. */
typedef struct assay_json {
  char type; /* { [ " 0 (number) t f n */
  char *key, *text;
  struct assay_json *child, *next;
} assay_json;

typedef struct assay_table {
  assay_json* root;
  const assay_json* entries; /* of the device's section */
} assay_table;

typedef struct assay_json_text {
  const char *at, *end;
  const char* error;
} assay_json_text;

static inline void assay_json_free(assay_json* value) {
  while (value) {
    assay_json* const next = value->next;
    assay_json_free(value->child);
    free(value->key);
    free(value->text);
    free(value);
    value = next;
  }
}

static inline void assay_json_blanks(assay_json_text* in) {
  while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at) ++in->at;
}

/* At the opening quote. The text, to be freed; NULL where it is none. */
static inline char* assay_json_string(assay_json_text* in) {
  const char* const begin = ++in->at;
  char *text, *to;
  while (in->at < in->end && *in->at != '"') in->at += *in->at == '\\' ? 2 : 1;
  if (in->at >= in->end) {
    in->error = "a text has no end";
    return NULL;
  }
  text = to = (char*)malloc((size_t)(in->at - begin) + 1);
  if (!text) {
    in->error = "no memory";
    return NULL;
  }
  for (const char* from = begin; from < in->at; ++from) {
    static const char kFrom[] = "nrtbf", kTo[] = "\n\r\t\b\f";
    const char* plain;
    if (*from != '\\') {
      *to++ = *from;
    } else if (*++from == 'u') { /* names are ASCII: others become a question mark */
      unsigned code = 0;
      if (in->at - from < 5 || sscanf(from + 1, "%4x", &code) != 1) in->error = "a text has a bad \\u";
      *to++ = (char)(code > 0 && code < 128 ? code : '?');
      from += in->error ? 0 : 4;
    } else {
      plain = strchr(kFrom, *from);
      *to++ = plain && *plain ? kTo[plain - kFrom] : *from;
    }
  }
  *to = 0;
  ++in->at;
  return text;
}

static inline assay_json* assay_json_value(assay_json_text* in, int depth) {
  assay_json *value, **last;
  assay_json_blanks(in);
  if (in->at >= in->end || depth > 32) {
    in->error = depth > 32 ? "it is nested too deep" : "it ends too early";
    return NULL;
  }
  value = (assay_json*)calloc(1, sizeof *value);
  if (!value) {
    in->error = "no memory";
    return NULL;
  }
  last = &value->child;
  value->type = *in->at;
  if (*in->at == '"') {
    value->text = assay_json_string(in);
  } else if (*in->at == '{' || *in->at == '[') {
    const char close = *in->at == '{' ? '}' : ']';
    ++in->at;
    assay_json_blanks(in);
    while (!in->error && in->at < in->end && *in->at != close) {
      char* key = NULL;
      if (value->child) {
        if (*in->at != ',') {
          in->error = "a comma is missing";
          break;
        }
        ++in->at;
        assay_json_blanks(in);
      }
      if (close == '}') {
        if (in->at >= in->end || *in->at != '"' || !(key = assay_json_string(in))) {
          if (!in->error) in->error = "a key is missing";
          break;
        }
        assay_json_blanks(in);
        if (in->at >= in->end || *in->at != ':') in->error = "a colon is missing";
        ++in->at;
      }
      if (!in->error) *last = assay_json_value(in, depth + 1);
      if (!*last) {
        free(key);
        break;
      }
      (*last)->key = key;
      last = &(*last)->next;
      assay_json_blanks(in);
    }
    if (!in->error && in->at >= in->end) in->error = "it ends too early";
    ++in->at;
  } else {
    const size_t size = strspn(in->at, "+-.0123456789eEtrufalsn"); /* the file ends with a NUL */
    if (size == 0) in->error = "a value is missing";
    if (strchr("-0123456789", value->type)) value->type = '0';
    if ((value->text = (char*)calloc(1, size + 1))) memcpy(value->text, in->at, size);
    in->at += size;
  }
  if (in->error) {
    assay_json_free(value);
    return NULL;
  }
  return value;
}

static inline const assay_json* assay_json_member(const assay_json* object, const char* key) {
  const assay_json* member = object ? object->child : NULL;
  while (member && !(member->key && strcmp(member->key, key) == 0)) member = member->next;
  return member;
}
/* "" where it is missing or no text. */
static inline const char* assay_json_member_text(const assay_json* object, const char* key) {
  const assay_json* const member = assay_json_member(object, key);
  return member && member->text ? member->text : "";
}

/* Where the value of a field begins in "key=value | key=value", and its size; NULL where it is missing. */
static inline const char* assay_table_field(const char* line, const char* key, size_t key_size, size_t* size) {
  while (*line) {
    const char* const end = strstr(line, " | ");
    const size_t all = end ? (size_t)(end - line) : strlen(line);
    if (all > key_size && line[key_size] == '=' && strncmp(line, key, key_size) == 0) {
      *size = all - key_size - 1;
      return line + key_size + 1;
    }
    if (!end) break;
    line = end + 3;
  }
  return NULL;
}

static inline int assay_table_takes(const char* bucket, const char* spec) {
  while (*bucket) {
    const char *const end = strstr(bucket, " | "), *const equals = strchr(bucket, '='), *value, *dots;
    const size_t all = end ? (size_t)(end - bucket) : strlen(bucket);
    size_t size = 0, wanted;
    if (!equals || !(value = assay_table_field(spec, bucket, (size_t)(equals - bucket), &size))) return 0;
    wanted = all - (size_t)(equals + 1 - bucket);
    dots = strstr(equals, "..");
    if (dots && dots < bucket + all) {
      char* rest = NULL;
      const long long number = strtoll(value, &rest, 10), least = strtoll(equals + 1, NULL, 10);
      const int open = dots + 2 == bucket + all;
      if (rest != value + size || number < least || (!open && number > strtoll(dots + 2, NULL, 10))) return 0;
    } else if (size != wanted || strncmp(value, equals + 1, size) != 0) {
      return 0;
    }
    if (!end) break;
    bucket = end + 3;
  }
  return 1;
}

/* How well a section fits: -1 not at all; one with properties before those without, then the best instruction set. */
static inline long assay_table_fit(const assay_json* section, const assay_table_device* device) {
  const char* const isa = assay_json_member_text(section, "isa");
  const assay_json* property = assay_json_member(section, "properties");
  long fit = 0;
  size_t i;
  if (strcmp(assay_json_member_text(section, "backend"), device->backend) != 0) return -1;
  for (i = 0; *isa && i < device->isa_count; ++i)
    if (strcmp(device->isa[i], isa) == 0) fit = (long)i + 1;
  if (*isa && fit == 0) return -1;
  if (!property) return fit;
  for (property = property->child; property; property = property->next) {
    for (i = 0; i < device->property_count; ++i)
      if (strcmp(device->properties[2 * i], property->key) == 0 && property->text &&
          strcmp(device->properties[2 * i + 1], property->text) == 0)
        break;
    if (i == device->property_count) return -1;
  }
  return fit + 1000;
}

static inline void assay_table_free(assay_table* table) {
  if (table) assay_json_free(table->root);
  free(table);
}

/* The table's section for the device, from the text of a file (a NUL follows). NULL, and why in `error`. */
static inline assay_table* assay_table_parse(const char* text, size_t bytes, const assay_table_device* device,
                                             char* error, size_t error_size) {
  assay_json_text in = {text, text + bytes, NULL};
  assay_table* const table = (assay_table*)calloc(1, sizeof *table);
  const assay_json* section;
  long best = -1;
  if (!table) {
    snprintf(error, error_size, "no memory");
    return NULL;
  }
  table->root = assay_json_value(&in, 0);
  assay_json_blanks(&in);
  if (table->root && in.at < in.end) in.error = "something follows its end";
  if (in.error) {
    snprintf(error, error_size, "no JSON: byte %zu: %s", (size_t)(in.at - text), in.error);
  } else if (strcmp(assay_json_member_text(table->root, "schema"), "1") != 0) {
    snprintf(error, error_size, "its schema is \"%s\", not 1", assay_json_member_text(table->root, "schema"));
  } else {
    section = assay_json_member(table->root, "devices");
    for (section = section ? section->child : NULL; section; section = section->next)
      if (assay_table_fit(section, device) > best) {
        best = assay_table_fit(section, device);
        table->entries = assay_json_member(section, "entries");
      }
    if (table->entries) return table;
    snprintf(error, error_size, "it has no entries for this %s device", device->backend);
  }
  assay_table_free(table);
  return NULL;
}

static inline assay_table* assay_table_read(const char* path, const assay_table_device* device, char* error,
                                            size_t error_size) {
  FILE* const file = fopen(path, "rb");
  char* text = NULL;
  size_t size = 0, capacity = 0, got = 1;
  assay_table* table = NULL;
  if (!file) {
    snprintf(error, error_size, "%s: it cannot be opened", path);
    return NULL;
  }
  while (got > 0) {
    if (size + 1 >= capacity) {
      char* const larger = (char*)realloc(text, capacity = 2 * capacity + 65536);
      if (!larger) break;
      text = larger;
    }
    got = fread(text + size, 1, capacity - size - 1, file);
    size += got;
  }
  if (got == 0 && !ferror(file)) {
    text[size] = 0;
    table = assay_table_parse(text, size, device, error, error_size);
  } else {
    snprintf(error, error_size, "%s: it cannot be read", path);
  }
  fclose(file);
  free(text);
  return table;
}

/* The first entry that takes the spec; NULL where none does. */
static inline const assay_json* assay_table_entry(const assay_table* table, const char* spec) {
  const assay_json* entry = table->entries->child;
  while (entry && !assay_table_takes(assay_json_member_text(entry, "bucket"), spec)) entry = entry->next;
  return entry;
}

/* The kernel for the spec, FAMILY/NAME: of rank 0 the entry's variant, then its fallbacks; NULL where there is none. */
static inline const char* assay_table_choice(const assay_table* table, const char* spec, int rank) {
  const assay_json *const entry = assay_table_entry(table, spec), *other;
  if (!entry) return NULL;
  if (rank == 0) return assay_json_member_text(entry, "variant");
  other = assay_json_member(entry, "fallback");
  for (other = other ? other->child : NULL; other && rank > 1; other = other->next) --rank;
  return other ? other->text : NULL;
}

/* What the entry's weights are repacked to ("": nothing), and its accuracy class. */
static inline const char* assay_table_storage(const assay_table* table, const char* spec) {
  return assay_json_member_text(assay_table_entry(table, spec), "storage");
}
static inline const char* assay_table_accuracy(const assay_table* table, const char* spec) {
  const char* const text = assay_json_member_text(assay_table_entry(table, spec), "accuracy");
  return *text ? text : "exact";
}

#ifdef __cplusplus
}
#endif
#endif
