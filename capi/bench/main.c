/*
 * fanwire-bench: loads a WebSocket server with many clients and prints what it measured
 * as one JSON object. It knows nothing of the server but URLs and process numbers:
 * whatever gives each member of a room what any member says can be measured, fanwired as
 * well as another's server.
 *
 *   options      the command line, read into a plan
 *   scenario_*   what can be measured; each is made of
 *   talk         a run: who says something when, over
 *   ledger       the books: who has said and heard what, and
 *   crowd        the connections, one epoll of them
 *
 * measure, layout, frame and target are values alone, and have unit tests.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "options.h"
#include "process.h"
#include "scenario.h"

/* As many descriptors as there may be. false: said. */
static bool raise_files(const plan *p)
{
    const unsigned others = 32; /* standard streams, epolls, /proc */
    rlim_t wanted = (rlim_t)p->members + others;
    wanted += p->storm == STORM_CONNECT ? p->storm_count : 0;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_max < wanted) {
            fprintf(stderr,
                    "fanwire-bench: %llu descriptors are allowed, and so many clients "
                    "need %llu: raise the limit (ulimit -Hn)\n",
                    (unsigned long long)files.rlim_max, (unsigned long long)wanted);
            return false;
        }
    }
    return true;
}

static bool run(const plan *p)
{
    static bool (*const scenarios[])(const plan *) = {
        [SCENARIO_TALK] = scenario_talk,           [SCENARIO_IDLE] = scenario_idle,
        [SCENARIO_HEARTBEAT] = scenario_heartbeat, [SCENARIO_STORM] = scenario_storm,
        [SCENARIO_FLOOD] = scenario_flood,
    };
    return scenarios[p->scenario](p);
}

int main(int argc, char **argv)
{
    static plan p;
    const char *wrong = options_read(&p, argc, argv);
    if (wrong) {
        fprintf(stderr, "fanwire-bench: %s\n", wrong);
        return 2;
    }
    if (p.help) {
        options_help(stdout);
        return 0;
    }
    for (unsigned i = 0; i < p.n_pids; i++) {
        if (!process_exists(p.pids[i])) {
            fprintf(stderr, "fanwire-bench: --pid: %d: no such process\n", p.pids[i]);
            return 2;
        }
    }
    if (!raise_files(&p)) {
        return 2;
    }
    return run(&p) ? 0 : 1;
}
