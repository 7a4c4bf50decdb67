/*
 * app: what tests/bench/python_server.py does, written in C. What Python costs is told as
 * a ratio to it.
 *
 *   app URL echo   each client gets its own messages back
 *   app URL rooms  all are in one room, and each message goes to the room
 *   app URL quiet  the same handlers, and nothing done in them
 *
 * The handlers are inline, on the loop's thread: the shortest way there is.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fanwire/fanwire.h>

static void join_room(fw_hub *hub, fw_event *e, void *user)
{
    (void)user;
    (void)fw_session_join(hub, fw_event_session(e), "bench", 0);
}

static void say_to_room(fw_hub *hub, fw_event *e, void *user)
{
    size_t len;
    const void *data = fw_event_data(e, &len);
    (void)user;
    (void)fw_room_publish(hub, "bench", data, len, fw_event_flags(e));
}

static void say_back(fw_hub *hub, fw_event *e, void *user)
{
    size_t len;
    const void *data = fw_event_data(e, &len);
    (void)user;
    (void)fw_session_send(hub, fw_event_session(e), data, len, fw_event_flags(e));
}

static void do_nothing(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    (void)user;
}

static const struct role {
    const char *name;
    fw_handler on_open, on_message;
} roles[] = {{"echo", do_nothing, say_back},
             {"rooms", join_room, say_to_room},
             {"quiet", do_nothing, do_nothing}};

static const struct role *role_of(const char *name)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(roles[i].name, name) == 0) {
            return &roles[i];
        }
    }
    return NULL;
}

static int serve(const char *url, const struct role *role)
{
    fw_options *options = fw_options_new();
    fw_hub *hub = NULL;
    int err = options ? fw_options_set(options, "listen", url) : FW_ERR_MEMORY;
    if (err == FW_OK) {
        err = fw_hub_new(&hub, options);
    }
    if (err == FW_OK) {
        err = fw_hub_on(hub, FW_EVENT_OPEN, role->on_open, NULL);
    }
    if (err == FW_OK) {
        err = fw_hub_on(hub, FW_EVENT_MESSAGE, role->on_message, NULL);
    }
    if (err == FW_OK) {
        err = fw_hub_start(hub);
    }
    if (err == FW_OK) {
        pause(); /* whoever started this kills it */
    } else {
        fprintf(stderr, "app: %s\n", fw_error_detail());
    }
    fw_hub_free(hub);
    fw_options_free(options);
    return err == FW_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct role *role = argc == 3 ? role_of(argv[2]) : NULL;
    if (!role) {
        fputs("app URL echo|rooms|quiet\n", stderr);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return serve(argv[1], role);
}
