/*
 * A program of somebody who has installed fanwire: starts a hub on a free port, publishes
 * to a room, and stops. Compiled as C99 and as C++11 by check_consumer.py, so it keeps to
 * what both languages know.
 */
#include <stdio.h>
#include <string.h>

#include <fanwire/fanwire.h>

static void on_open(fw_hub *hub, fw_event *event, void *user)
{
    (void)user;
    (void)fw_session_join(hub, fw_event_session(event), "lobby", 0);
}

static int fail(const char *what, int err)
{
    fprintf(stderr, "%s: %s: %s\n", what, fw_err_name(err), fw_error_detail());
    return 1;
}

static int run(fw_options *options)
{
    fw_hub *hub = NULL;
    int err = fw_options_set(options, "listen", "ws://127.0.0.1:0/ws");
    if (err != FW_OK) {
        return fail("options", err);
    }
    err = fw_hub_new(&hub, options);
    if (err != FW_OK) {
        return fail("new", err);
    }
    err = fw_hub_on(hub, FW_EVENT_OPEN, on_open, NULL);
    if (err == FW_OK) {
        err = fw_hub_start(hub);
    }
    if (err == FW_OK) {
        const char *url = fw_hub_listen_url(hub, 0);
        printf("%s\n", url != NULL ? url : "?");
        err = fw_room_publish(hub, "lobby", "hello", strlen("hello"), FW_TEXT);
    }
    int result = err == FW_OK ? 0 : fail("run", err);
    err = fw_hub_stop(hub);
    if (err != FW_OK && result == 0) {
        result = fail("stop", err);
    }
    fw_hub_free(hub);
    return result;
}

int main(void)
{
    if (fw_version() != (unsigned)FW_VERSION ||
        strcmp(fw_version_string(), FW_VERSION_STRING) != 0) {
        fprintf(stderr, "headers are %s, the library is %s\n", FW_VERSION_STRING,
                fw_version_string());
        return 1;
    }
    fw_options *options = fw_options_new();
    int result = options != NULL ? run(options) : 1;
    fw_options_free(options);
    return result;
}
