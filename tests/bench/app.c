/*
 * app: what tests/bench/python_server.py does, written in C. What Python costs is told as
 * a ratio to it.
 *
 *   app URL echo    each client gets its own messages back
 *   app URL rooms   all are in one room, and each message goes to the room
 *   app URL direct  each message goes to the user whose number stands at byte 12 of it
 *   app URL quiet   the same handlers, and nothing done in them
 *
 * Options of the hub may follow, as name=value.
 *
 * The handlers are inline, on the loop's thread: the shortest way there is.
 */
#include <stdint.h>
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

/* As the load generator's --direct asks: capi/bench/frame.h. */
static void say_to_user(fw_hub *hub, fw_event *e, void *user)
{
    size_t len;
    const uint8_t *data = fw_event_data(e, &len);
    char name[16];
    uint32_t number;
    (void)user;
    if (len >= 16) {
        memcpy(&number, data + 12, sizeof number);
        snprintf(name, sizeof name, "u%u", (unsigned)number);
        (void)fw_user_send(hub, name, data, len, fw_event_flags(e));
    }
}

/* ?user=NAME is that user. */
static void let_in(fw_hub *hub, fw_event *e, void *user)
{
    const char *name = fw_event_query(e, "user", 0);
    (void)user;
    (void)fw_accept(hub, fw_event_token(e), name);
}

static void do_nothing(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    (void)user;
}

static const struct role {
    const char *name;
    fw_handler on_connect, on_open, on_message; /* on_connect NULL: all, as nobody */
} roles[] = {{"echo", NULL, do_nothing, say_back},
             {"rooms", NULL, join_room, say_to_room},
             {"direct", let_in, do_nothing, say_to_user},
             {"quiet", NULL, do_nothing, do_nothing}};

static const struct role *role_of(const char *name)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(roles[i].name, name) == 0) {
            return &roles[i];
        }
    }
    return NULL;
}

static int set_options(fw_options *o, const char *url, char **more)
{
    int err = fw_options_set(o, "listen", url);
    for (; err == FW_OK && *more; more++) {
        char name[64];
        const char *equals = strchr(*more, '=');
        if (!equals || (size_t)(equals - *more) >= sizeof name) {
            fprintf(stderr, "app: %s: not name=value\n", *more);
            return FW_ERR_OPTION;
        }
        snprintf(name, sizeof name, "%.*s", (int)(equals - *more), *more);
        err = fw_options_set(o, name, equals + 1);
    }
    return err;
}

static int start(fw_hub *hub, const struct role *role)
{
    int err = fw_hub_on(hub, FW_EVENT_OPEN, role->on_open, NULL);
    if (err == FW_OK) {
        err = fw_hub_on(hub, FW_EVENT_MESSAGE, role->on_message, NULL);
    }
    if (err == FW_OK && role->on_connect) {
        err = fw_hub_on(hub, FW_EVENT_CONNECT, role->on_connect, NULL);
    }
    return err == FW_OK ? fw_hub_start(hub) : err;
}

static int serve(const char *url, const struct role *role, char **more)
{
    fw_options *options = fw_options_new();
    fw_hub *hub = NULL;
    int err = options ? set_options(options, url, more) : FW_ERR_MEMORY;
    if (err == FW_OK) {
        err = fw_hub_new(&hub, options);
    }
    if (err == FW_OK) {
        err = start(hub, role);
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
    const struct role *role = argc >= 3 ? role_of(argv[2]) : NULL;
    if (!role) {
        fputs("app URL echo|rooms|direct|quiet [NAME=VALUE ...]\n", stderr);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return serve(argv[1], role, argv + 3);
}
