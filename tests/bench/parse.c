/*
 * How fast commands of Centrifuge clients are read: publishes of 128 bytes of JSON, one
 * after another, by the reader that the server has. Prints one JSON object. The CPU is
 * this process' own, so others on the machine don't count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/protocol_centrifuge.h"

static const char command[] =
    "{\"id\":17,\"publish\":{\"channel\":\"news:sport\",\"data\":"
    "{\"user\":\"ann\",\"at\":1733000000123,\"text\":\"Who has the room ready?? "
    "\\u00e4\\n\",\"tags\":[\"a\",\"b\"],\"n\":-12.5e3,\"last\":false,\"of\":null}"
    "}}";

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* false: it wasn't read as what it is. */
static bool read_one(void)
{
    fwi_cf_batch batch = {command, sizeof command - 1};
    fwi_cf_command c;
    const char *why;
    return fwi_cf_next(&batch, &c, &why) == FWI_CF_COMMAND &&
           c.method == FWI_CF_PUBLISH && c.data.kind == FWI_JSON_OBJECT;
}

int main(int argc, char **argv)
{
    const unsigned at_once = 10000;
    double seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atof(argv[2]) : 0;
    double begin = cpu_s(), spent = 0;
    unsigned long parses = 0;
    if (seconds <= 0) {
        fputs("parse: --seconds S is missing\n", stderr);
        return 2;
    }
    for (; spent < seconds; spent = cpu_s() - begin) {
        for (unsigned i = 0; i < at_once; i++) {
            if (!read_one()) {
                fputs("parse: a command wasn't read\n", stderr);
                return 1;
            }
        }
        parses += at_once;
    }
    printf("{\"bytes\": %zu, \"parses\": %lu, \"parses_per_cpu_s\": %.0f}\n",
           sizeof command - 1, parses, (double)parses / spent);
    return 0;
}
