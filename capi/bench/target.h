/*
 * A URL to load: ws or wss, host, port, and a path in which {room}, {user} and {n} stand
 * for what is another for each member. Text in, text out.
 */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct target {
    char host[128], port[8], path[1024];
    bool tls;
} target;

/* What a member puts in the place of {room}, {user} and {n}. */
typedef struct target_names {
    char room[24], user[24];
    unsigned number;
} target_names;

/* NULL, or a sentence's end that says what is wrong with the URL. */
const char *target_read(target *t, const char *url);

/* Does its path have this placeholder, written "{room}"? */
bool target_has(const target *t, const char *placeholder);

/* The path of a member, NUL-terminated; its length, or 0 if `size` is too small. */
size_t target_path(const target *t, const target_names *names, char *out, size_t size);

#endif
