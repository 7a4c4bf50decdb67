/*
 * The targets without a fuzzer: gives each file of the folders named to the target, as a
 * test of ctest in every build. A file's name is written before its turn, so the last
 * one is to blame.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static size_t inputs;

static void die(const char *path)
{
    perror(path);
    exit(2);
}

static void give_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "re");
    uint8_t *data = malloc(size + 1);
    if (file == NULL || data == NULL || fread(data, 1, size, file) != size) {
        die(path);
    }
    fclose(file);
    uint8_t *exact = fuzz_bytes(data, size);
    free(data);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    inputs++;
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
