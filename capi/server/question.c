/*
 * See question.h. Needs redis.url and no running fanwired on this machine.
 */
#include "question.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plain.h"
#include "report.h"

enum { TIMEOUT_S = 10 };

void fwd_print_field(bool first, const char *name, const char *text, size_t len)
{
    fwd_put_field(stdout, first, name, text, len);
}

void fwd_print_plain(const char *text, size_t len)
{
    putchar(' ');
    for (size_t i = 0; i < len;) {
        size_t order = fwd_plain_order(text + i, len - i);
        putchar(order > 0 ? '?' : text[i]);
        i += order > 0 ? order : 1;
    }
}

void fwd_question_end(fwd_question *q, int err, const char *why)
{
    q->err = err;
    snprintf(q->why, sizeof q->why, "%s", why);
    sem_post(&q->done);
}

static bool wait_for_all(fwd_question *q)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TIMEOUT_S;
    int failed;
    do {
        failed = sem_timedwait(&q->done, &until);
    } while (failed != 0 && errno == EINTR);
    return failed == 0;
}

static int report(const fwd_question *q, const fw_options *options, bool in_time)
{
    if (!in_time) {
        return fwd_report(FWD_FAILED, "redis.url: %s: no answer",
                          fw_options_shown(options, "redis.url"));
    }
    if (q->err != FW_OK) {
        return fwd_report(q->err == FW_ERR_INVALID || q->err == FW_ERR_STATE
                              ? FWD_CONFIGURATION
                              : FWD_FAILED,
                          "%s", q->why);
    }
    return fflush(stdout) == 0 ? FWD_OK : FWD_FAILED;
}

static int run(fw_hub *hub, fwd_question *q, const fw_options *options)
{
    int err = fw_hub_on(hub, q->answer, q->on_answer, q);
    if (err == FW_OK) {
        err = fw_hub_start(hub);
    }
    if (err != FW_OK) {
        return fwd_report_error(FWD_FAILED, err);
    }
    err = q->ask(hub, q);
    if (err != FW_OK) {
        fwd_question_end(q, err, fw_error_detail());
    }
    bool in_time = wait_for_all(q);
    fw_hub_stop(hub);
    return report(q, options, in_time);
}

int fwd_question_hub(const char *command, const fwd_args *args, fw_options *options,
                     fw_hub **hub)
{
    static const char *const quiet[][2] = {{"listen", ""},
                                           {"http.listen", "off"},
                                           {"threads", "1"},
                                           {"events", "inline"},
                                           {"redis.required", "on"}};
    if (fw_options_get(options, "redis.url")[0] == '\0') {
        return fwd_report(FWD_CONFIGURATION, "redis.url: %s needs it: %s", command,
                          fw_options_describe("redis.url", "allowed"));
    }
    int err = args->n_words > 0 ? fw_name_check(args->words[0]) : FW_OK;
    for (size_t i = 0; err == FW_OK && i < sizeof quiet / sizeof quiet[0]; i++) {
        err = fw_options_set(options, quiet[i][0], quiet[i][1]);
    }
    if (err == FW_OK) {
        err = fw_hub_new(hub, options);
    }
    return err == FW_OK ? FWD_OK : fwd_report_error(FWD_CONFIGURATION, err);
}

int fwd_question_run(fwd_question *q, const fwd_args *args, fw_options *options)
{
    fw_hub *hub = NULL;
    int status = fwd_question_hub(q->command, args, options, &hub);
    if (status != FWD_OK) {
        return status;
    }
    q->room = args->words[0];
    q->json = args->json;
    sem_init(&q->done, 0, 0);
    status = run(hub, q, options);
    fw_hub_free(hub);
    sem_destroy(&q->done);
    return status;
}
