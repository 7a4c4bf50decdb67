/*
 * Options as they come from a file, or, if the first byte is odd, from an environment
 * whose entries are parted by NULs. Whoever is refused has changed nothing, and is told
 * in one line why.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fanwire/error.h>

#include "core/options.h"
#include "fuzz.h"

enum { ENTRIES_MAX = 64 };

static void differs(void *user, const char *name, bool live)
{
    (void)name;
    (void)live;
    ++*(unsigned *)user;
}

static int load_file(fw_options *o, const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];
    if (fd < 0) {
        fd = memfd_create("options", MFD_CLOEXEC);
    }
    MUST(fd >= 0 && ftruncate(fd, 0) == 0);
    MUST(pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return fw_options_load(o, path);
}

static int load_environment(fw_options *o, fuzz_input *in)
{
    char *entries[ENTRIES_MAX + 1] = {NULL}, **before = environ;
    size_t n = 0;
    while (in->left > 0 && n < ENTRIES_MAX) {
        entries[n++] = fuzz_until(in, 0).data;
    }
    environ = entries;
    int err = fw_options_load_env(o);
    environ = before;
    while (n > 0) {
        free(entries[--n]);
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    fw_options *o = fw_options_new(), *before = fw_options_new();
    unsigned n = 0;
    MUST(o != NULL && before != NULL);
    int err = fuzz_u8(&in) % 2 ? load_environment(o, &in) : load_file(o, in.at, in.left);
    if (err != FW_OK) {
        fwi_options_compare(before, o, differs, &n);
        MUST(n == 0 && err != FW_ERR_MEMORY && err != FW_ERR_SYSTEM);
        MUST(fw_error_detail()[0] != '\0' && strchr(fw_error_detail(), '\n') == NULL);
    }
    fw_options *copy = fwi_options_copy(o);
    MUST(copy != NULL);
    fwi_options_compare(o, copy, differs, &n);
    MUST(n == 0);
    fw_options_free(copy);
    fw_options_free(before);
    fw_options_free(o);
    return 0;
}
