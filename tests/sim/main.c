/*
 * sim: runs the simulated cluster for one seed or for many. The first that breaks a
 * promise is printed, and `sim --seed N --trace` shows what happened in it.
 *
 *   sim [--seeds N] [--from N] [--steps N]   (200 seeds from 1 on, 3000 steps each)
 *   sim --seed N [--trace]
 *   FW_SIM_SEEDS says how many seeds, if --seeds doesn't.
 *
 * Exit status 1: a promise was broken; 2: the command line. A broken assertion aborts,
 * behind a line with the seed.
 */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim_faults.h"
#include "world.h"

static world_plan plan = {.steps = 3000};
static uint64_t first_seed = 1;
static bool has_failed;

static void on_abort(int number)
{
    char line[64];
    int n = snprintf(line, sizeof line, "sim: aborted in seed %" PRIu64 "\n", plan.seed);
    if (write(STDERR_FILENO, line, (size_t)n) < 0) {
        _exit(1);
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* A seed is a test of check, since core_rig asks check for what it takes for granted.
 * Behind the first that fails none is run. */
START_TEST(every_promise_holds)
{
    const char *why;
    if (has_failed) {
        return;
    }
    plan.seed = first_seed + (uint64_t)_i;
    has_failed = true; /* until it has come through */
    sim_faults_begin(plan.seed);
    if (!world_run(&plan, &why)) {
        printf("seed %" PRIu64 ": %s\nagain, and all that happened: sim --seed %" PRIu64
               " --trace\n",
               plan.seed, why, plan.seed);
        ck_abort_msg("a promise was broken");
    }
    has_failed = false;
}
END_TEST

static bool run_seeds(int seeds)
{
    Suite *suite = suite_create("sim");
    TCase *tc = tcase_create("seeds");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, every_promise_holds, 0, seeds);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    bool ok = srunner_ntests_failed(runner) == 0;
    srunner_free(runner);
    return ok;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;
    *out = text != NULL ? strtoull(text, &end, 10) : 0;
    return text != NULL && *text != '\0' && *end == '\0';
}

int main(int argc, char **argv)
{
    uint64_t seeds = 200, steps = plan.steps;
    const char *wanted = getenv("FW_SIM_SEEDS");
    bool ok = wanted == NULL || read_number(wanted, &seeds);
    for (int i = 1; ok && i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            plan.trace = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            ok = read_number(argv[++i], &seeds);
        } else if (strcmp(argv[i], "--from") == 0) {
            ok = read_number(argv[++i], &first_seed);
        } else if (strcmp(argv[i], "--steps") == 0) {
            ok = read_number(argv[++i], &steps);
        } else if (strcmp(argv[i], "--seed") == 0) {
            seeds = 1;
            ok = read_number(argv[++i], &first_seed);
        } else {
            ok = false;
        }
    }
    if (!ok) {
        fputs("usage: sim [--seeds N] [--from N] [--steps N] [--seed N] [--trace]\n",
              stderr);
        return 2;
    }
    plan.steps = (unsigned)steps;
    signal(SIGABRT, on_abort);
    if (!run_seeds((int)seeds)) {
        return 1;
    }
    printf("%" PRIu64 " seeds, every promise held\n", seeds);
    return 0;
}
