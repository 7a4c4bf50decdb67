/*
 * The targets without a fuzzer: gives each file of the folders named to the target, and
 * each input of the packs, as a test of ctest in every build. What it is is written
 * before its turn, so the last one is to blame.
 *
 * A pack, NAME.pack, is many inputs in one file: the length of each in four bytes, and
 * the input. run.py makes them, and makes files of them again.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "fuzz.h"

static size_t inputs;

static void die(const char *path)
{
    perror(path);
    exit(2);
}

static void give_bytes(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_bytes(data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    inputs++;
}

/* How many bytes an input of the pack has; those that are missing end the process. */
static size_t next_size(const char *path, const fuzz_input *pack)
{
    if (pack->left < 4 || fwi_get_u32(pack->at) > pack->left - 4) {
        fprintf(stderr, "%s: it breaks off\n", path);
        exit(2);
    }
    return fwi_get_u32(pack->at);
}

static void give_pack(const char *path, fuzz_input pack)
{
    for (size_t i = 0; pack.left > 0; i++) {
        size_t size = next_size(path, &pack);
        printf("%s: input %zu\n", path, i);
        fflush(stdout);
        give_bytes(pack.at + 4, size);
        pack.at += 4 + size;
        pack.left -= 4 + size;
    }
}

static bool is_pack(const char *path)
{
    const char *end = strrchr(path, '.');
    return end != NULL && strcmp(end, ".pack") == 0;
}

static void give_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "re");
    uint8_t *data = malloc(size + 1);
    if (file == NULL || data == NULL || fread(data, 1, size, file) != size) {
        die(path);
    }
    fclose(file);
    if (is_pack(path)) {
        give_pack(path, (fuzz_input){data, size});
    } else {
        printf("%s\n", path);
        fflush(stdout);
        give_bytes(data, size);
    }
    free(data);
}

static void give(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        die(path);
    }
    if (!S_ISDIR(st.st_mode)) {
        give_file(path, (size_t)st.st_size);
        return;
    }
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);
    if (n < 0) {
        die(path);
    }
    for (int i = 0; i < n; i++) {
        char inside[4096];
        snprintf(inside, sizeof inside, "%s/%s", path, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.') {
            give(inside);
        }
        free(entry[i]);
    }
    free(entry);
}

int main(int argc, char **argv)
{
    uint8_t *nothing = fuzz_bytes("", 0);
    LLVMFuzzerTestOneInput(nothing, 0);
    free(nothing);
    for (int i = 1; i < argc; i++) {
        give(argv[i]);
    }
    printf("%zu inputs\n", inputs);
    return inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
