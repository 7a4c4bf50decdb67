/*
 * A server of an application for centrifuge.test.mjs: whoever says a name when it
 * connects is let in by it and given the rooms "given" and "mine:NAME"; it answers calls,
 * and says back what is sent to it. Options are name and value by turns.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <fanwire/fanwire.h>

static volatile sig_atomic_t over;

static void on_signal(int sig)
{
    (void)sig;
    over = 1;
}

/* {"name":"ann"} as centrifuge-js writes it. */
static int name_of(const fw_event *e, char name[64])
{
    const char *data = fw_event_data(e, NULL);
    return data != NULL && sscanf(data, "{\"name\":\"%63[a-z]\"}", name) == 1;
}

static void on_connect(fw_hub *hub, fw_event *e, void *user)
{
    char name[64];
    (void)user;
    if (name_of(e, name)) {
        fw_accept(hub, fw_event_token(e), name);
    } else {
        fw_reject(hub, fw_event_token(e), 403, "who are you?");
    }
}

static void on_open(fw_hub *hub, fw_event *e, void *user)
{
    char room[80];
    (void)user;
    snprintf(room, sizeof room, "mine:%s", fw_event_user(e));
    fw_session_join(hub, fw_event_session(e), "given", 0);
    fw_session_join(hub, fw_event_session(e), room, 0);
}

static void on_join(fw_hub *hub, fw_event *e, void *user)
{
    (void)user;
    if (strcmp(fw_event_room(e), "closed") == 0) {
        fw_reject(hub, fw_event_token(e), 0, "members only");
    } else {
        fw_accept(hub, fw_event_token(e), NULL);
    }
}

static void on_message(fw_hub *hub, fw_event *e, void *user)
{
    size_t len;
    const void *data = fw_event_data(e, &len);
    (void)user;
    fw_session_send(hub, fw_event_session(e), data, len, FW_TEXT);
}

static void on_rpc(fw_hub *hub, fw_event *e, void *user)
{
    size_t len;
    const void *data = fw_event_data(e, &len);
    (void)user;
    if (strcmp(fw_event_method(e), "echo") == 0) {
        fw_reply(hub, fw_event_token(e), data, len);
    } else if (strcmp(fw_event_method(e), "leave") == 0) {
        fw_session_leave(hub, fw_event_session(e), "given");
        fw_reply(hub, fw_event_token(e), "{}", 2);
    } else {
        fw_reject(hub, fw_event_token(e), 404, "no such method");
    }
}

int main(int argc, char **argv)
{
    fw_options *options = fw_options_new();
    fw_hub *hub;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (fw_options_set(options, argv[i] + 2, argv[i + 1]) != FW_OK) {
            fprintf(stderr, "%s\n", fw_error_detail());
            return 2;
        }
    }
    if (fw_hub_new(&hub, options) != FW_OK) {
        fprintf(stderr, "%s\n", fw_error_detail());
        return 2;
    }
    fw_options_free(options);
    fw_hub_on(hub, FW_EVENT_CONNECT, on_connect, NULL);
    fw_hub_on(hub, FW_EVENT_OPEN, on_open, NULL);
    fw_hub_on(hub, FW_EVENT_JOIN, on_join, NULL);
    fw_hub_on(hub, FW_EVENT_MESSAGE, on_message, NULL);
    fw_hub_on(hub, FW_EVENT_RPC, on_rpc, NULL);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    if (fw_hub_start(hub) != FW_OK) {
        fprintf(stderr, "%s\n", fw_error_detail());
        return 1;
    }
    printf("%s\n", fw_hub_listen_url(hub, 0));
    fflush(stdout);
    while (!over) {
        poll(NULL, 0, 50); /* a signal ends it early */
    }
    fw_hub_stop(hub);
    fw_hub_free(hub);
    return 0;
}
