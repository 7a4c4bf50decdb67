/*
 * Stands before the C library (LD_PRELOAD) and lets calls fail that hardly ever do:
 * allocations, what takes a descriptor or a thread, and reads and writes that are
 * interrupted or do less than they were asked to. Driven by inject.py.
 *
 *   FW_INJECT=memory:N[:M]        M allocations fail, from the Nth on (M is 1)
 *   FW_INJECT=descriptors:N[:M]   likewise EMFILE, ENFILE, ENOMEM by turns
 *   FW_INJECT=interruptions:SEED  EINTR and short counts, which nobody may notice
 *   FW_INJECT_PROGRAM=NAME        in this program alone, not in those that it starts
 *   FW_INJECT_COUNT=FILE          N is 0: how many such calls there are, a line a process
 *
 * Only calls out of certain code are meddled with: the test's own and other libraries'
 * would say nothing of fanwire. FW_INJECT_RANGE=FROM-TO are offsets in the program, where
 * fanwire is linked into it; FW_INJECT_OBJECTS=a,b parts of the names of libraries.
 *
 * The address sanitizer's functions come behind these, so that it sees every allocation.
 */
#include "inject.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RANGES_MAX = 16 };

static struct {
    inject_what what;
    unsigned long first, many; /* or the seed */
    struct {
        uintptr_t from, to;
    } range[RANGES_MAX];
    size_t n;
} set;

static atomic_ulong calls;

void *inject_next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static bool is_meddled_with(const void *from)
{
    uintptr_t at = (uintptr_t)from;
    for (size_t i = 0; i < set.n; i++) {
        if (at >= set.range[i].from && at < set.range[i].to) {
            return true;
        }
    }
    return false;
}

bool inject_is_from(const void *from, const char *object)
{
    Dl_info info;
    return dladdr(from, &info) != 0 && strstr(info.dli_fname, object) != NULL;
}

bool inject_fails(inject_what what, const void *from)
{
    if (set.what != what || !is_meddled_with(from)) {
        return false;
    }
    unsigned long number = atomic_fetch_add(&calls, 1) + 1;
    return set.first > 0 && number >= set.first && number - set.first < set.many;
}

unsigned inject_draw(const void *from)
{
    if (set.what != INJECT_INTERRUPTIONS || !is_meddled_with(from)) {
        return 0;
    }
    unsigned long x =
        (atomic_fetch_add(&calls, 1) + 1) * 0x9e3779b97f4a7c15ul + set.first;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9ul;
    return (unsigned)(x >> 33) | 1u << 30;
}

/* --- what is asked for --- */

static void add_range(uintptr_t from, uintptr_t to)
{
    if (set.n < RANGES_MAX) {
        set.range[set.n].from = from;
        set.range[set.n].to = to;
        set.n++;
    }
}

static bool is_named(const char *list, const char *name)
{
    char part[64];
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        snprintf(part, sizeof part, "%.*s", (int)len, list);
        if (len > 0 && strstr(name, part) != NULL) {
            return true;
        }
        list += len + (list[len] == ',');
    }
    return false;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *user)
{
    const char *range = getenv("FW_INJECT_RANGE"), *objects = getenv("FW_INJECT_OBJECTS");
    bool *program = user;
    (void)size;
    if (*program && range != NULL) { /* the first is the program itself */
        unsigned long from, to;
        if (sscanf(range, "%lx-%lx", &from, &to) == 2) {
            add_range(info->dlpi_addr + from, info->dlpi_addr + to);
        }
    }
    *program = false;
    for (int i = 0; objects && is_named(objects, info->dlpi_name) && i < info->dlpi_phnum;
         i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
            uintptr_t from = info->dlpi_addr + p->p_vaddr;
            add_range(from, from + p->p_memsz);
        }
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    static const char *const names[] = {"", "memory", "descriptors", "interruptions"};
    const char *text = getenv("FW_INJECT"), *only = getenv("FW_INJECT_PROGRAM");
    char name[32];
    bool program = true;
    set.many = 1;
    if (only != NULL && strcmp(only, program_invocation_short_name) != 0) {
        return;
    }
    if (text == NULL ||
        sscanf(text, "%31[^:]:%lu:%lu", name, &set.first, &set.many) < 2) {
        return;
    }
    dl_iterate_phdr(on_object, &program);
    for (unsigned i = 1; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            set.what = (inject_what)i;
        }
    }
}

/* By the system's calls: at this time nothing else may be there any more. */
__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FW_INJECT_COUNT");
    char line[32];
    if (path == NULL || set.what == INJECT_NOTHING) {
        return;
    }
    set.what = INJECT_NOTHING;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int len = snprintf(line, sizeof line, "%lu\n", atomic_load(&calls));
    if (fd < 0 || write(fd, line, (size_t)len) != len) {
        abort(); /* or the count would be taken for 0 */
    }
    close(fd);
}
