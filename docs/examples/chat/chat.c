/*
 * A chat on as many nodes as you like: start this program several times with the same
 * redis.url and everybody can talk to everybody, wherever they are connected.
 *
 *     chat --listen ws://127.0.0.1:9090/ws --redis.url redis://127.0.0.1:6379
 *
 * What goes over the wire is described in README.md beside this file. Who is in which
 * room, on which node, is the library's business: the program itself knows nothing but
 * the questions that it has asked and that aren't answered yet. The handlers are inline:
 * they run on the library's threads, of which there may be several, and must not block.
 * They begin at on_connect, and main is at the end.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include <fanwire/fanwire.h>

enum {
    NAME_CHARACTERS = 32, /* what fits in a line of a small screen */
    ROOM_CHARACTERS = 64,
    TEXT_BYTES = 8192,
    ID_BYTES = 64,
    PEOPLE = 50, /* about so many are shown to who comes into a room */
    JOIN_REF = 1 /* asks for a RESULT when a join is complete */
};

/* ---- Saying something: JSON out ------------------------------------------------- */

/* Every function below takes the JSON value, and forgives NULL: out of memory. */
static char *text_of(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text;
}

static void send_to_session(fw_hub *hub, fw_session_id session, json_t *json)
{
    char *text = text_of(json);

    if (text) {
        /* The session may have gone in this moment, which is nobody's fault. */
        (void)fw_session_send(hub, session, text, strlen(text), FW_TEXT);
        free(text);
    }
}

/* id and room say what the error is about; each may be NULL. */
static void send_error(fw_hub *hub, fw_event *e, const char *code, const char *text,
                       const char *id, const char *room)
{
    send_to_session(hub, fw_event_session(e),
                    json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "type", "error", "code",
                              code, "text", text, "id", id, "room", room));
}

/* Tell a client which of its requests the hub did not take, and why. */
static void send_failure(fw_hub *hub, fw_event *e, int err, const char *id,
                         const char *room)
{
    const char *code = "failed";

    switch (err) {
    case FW_ERR_GONE: /* nobody is there to be told */
        return;
    case FW_ERR_INVALID:
    case FW_ERR_TOO_BIG:
        code = "bad_request";
        break;
    case FW_ERR_LIMIT:
        code = "limit";
        break;
    case FW_ERR_BUSY:
        code = "busy";
        break;
    default:
        break;
    }
    send_error(hub, e, code, fw_strerror(err), id, room);
}

/* ---- Checking what came in ------------------------------------------------------ */

static size_t count_characters(const char *utf8)
{
    size_t n = 0;

    for (; *utf8; utf8++) {
        n += ((unsigned char)*utf8 & 0xc0) != 0x80;
    }
    return n;
}

/* NULL if a person or room may be called so, else the reason. */
static const char *name_fault(const char *name, size_t max_characters)
{
    if (!name || !*name) {
        return "a name is missing";
    }
    if (count_characters(name) > max_characters) {
        return "the name is too long";
    }
    if (name[0] == ' ' || name[strlen(name) - 1] == ' ') {
        return "the name begins or ends with a blank";
    }
    return fw_name_check(name) == FW_OK ? NULL : "the name has a control character";
}

/* ---- Who is in a room ------------------------------------------------------------ */

/* Who wants to know. The answer names the question by a number: its address. */
typedef struct question {
    struct question *next;
    fw_session_id session;
    char room[];
} question;

/* Those on their way: asked on any of the library's threads, answered on another. */
static struct {
    pthread_mutex_t lock;
    question *first;
} asked = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void take_question(question *q)
{
    pthread_mutex_lock(&asked.lock);
    for (question **at = &asked.first; *at; at = &(*at)->next) {
        if (*at == q) {
            *at = q->next;
            break;
        }
    }
    pthread_mutex_unlock(&asked.lock);
}

static void ask_people(fw_hub *hub, fw_session_id session, const char *room)
{
    size_t size = strlen(room) + 1;
    question *q = malloc(sizeof *q + size);

    if (!q) {
        return;
    }
    q->session = session;
    memcpy(q->room, room, size);
    pthread_mutex_lock(&asked.lock);
    q->next = asked.first;
    asked.first = q;
    pthread_mutex_unlock(&asked.lock);
    if (fw_room_presence(hub, room, 0, PEOPLE, (uint64_t)(uintptr_t)q) != FW_OK) {
        take_question(q);
        free(q);
    }
}

/* When the hub has stopped nothing is answered any more. */
static void forget_questions(void)
{
    while (asked.first) {
        question *q = asked.first;
        asked.first = q->next;
        free(q);
    }
}

/* Who somebody is, as all messages have it; user may be NULL. */
static json_t *person(const char *user, fw_session_id id, const char *node)
{
    char session[FW_SESSION_ID_TEXT];

    fw_session_id_text(id, session);
    return json_pack("{s:s, s:s, s:s}", "from", user ? user : "", "session", session,
                     "node", node);
}

static void on_presence(fw_hub *hub, fw_event *e, void *user)
{
    question *q = (question *)(uintptr_t)fw_event_token(e);
    json_t *people;

    (void)user;
    take_question(q);
    people = fw_event_code(e) == FW_OK ? json_array() : NULL;
    for (size_t i = 0; people && i < fw_event_members(e); i++) {
        (void)json_array_append_new(people, person(fw_event_member_user(e, i),
                                                   fw_event_member_session(e, i),
                                                   fw_event_member_node(e, i)));
    }
    if (people) {
        send_to_session(hub, q->session,
                        json_pack("{s:s, s:s, s:o, s:I}", "type", "people", "room",
                                  q->room, "people", people, "total",
                                  (json_int_t)fw_event_total(e)));
    }
    free(q);
}

/* Somebody has come into a room or gone from it, here or elsewhere; or his node is dead.
 * Each node tells its own people. */
static void on_member(fw_hub *hub, fw_event *e, void *user)
{
    fw_session_id session = fw_event_session(e);
    json_t *notice = person(fw_event_user(e), session, fw_event_node_name(e));
    char *text;

    (void)user;
    if (notice) {
        bool joined = fw_event_kind(e) == FW_EVENT_ROOM_JOIN;
        (void)json_object_set_new(notice, "type", json_string(joined ? "join" : "leave"));
        (void)json_object_set_new(notice, "room", json_string(fw_event_room(e)));
    }
    text = text_of(notice);
    if (text) {
        fw_message *m = fw_message_new(text, strlen(text), FW_TEXT);
        if (m && fw_message_set_except(m, session) == FW_OK) {
            (void)fw_room_send_here_message(hub, fw_event_room(e), m);
        }
        fw_message_unref(m);
        free(text);
    }
}

/* ---- What clients ask for: one function a verb ---------------------------------- */

static void do_join(fw_hub *hub, fw_event *e, json_t *request)
{
    const char *room = json_string_value(json_object_get(request, "room"));
    const char *fault = name_fault(room, ROOM_CHARACTERS);
    int err;

    if (fault) {
        send_error(hub, e, "bad_request", fault, NULL, NULL);
        return;
    }
    err = fw_session_join(hub, fw_event_session(e), room, JOIN_REF);
    if (err) {
        send_failure(hub, e, err, NULL, room);
    }
}

static void do_leave(fw_hub *hub, fw_event *e, json_t *request)
{
    const char *room = json_string_value(json_object_get(request, "room"));
    const char *fault = name_fault(room, ROOM_CHARACTERS);
    int err;

    if (fault) {
        send_error(hub, e, "bad_request", fault, NULL, NULL);
        return;
    }
    err = fw_session_leave(hub, fw_event_session(e), room);
    if (err) {
        send_failure(hub, e, err, NULL, room);
    }
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* NULL if the request says something to exactly one address, else the reason. */
static const char *say_fault(json_t *request, const char *room, const char *user,
                             bool all)
{
    json_t *text = json_object_get(request, "text"), *id = json_object_get(request, "id");

    if (!json_is_string(text) || json_string_length(text) == 0) {
        return "\"text\" must be a string that is not empty";
    }
    if (json_string_length(text) > TEXT_BYTES) {
        return "\"text\" is too long";
    }
    if (id && (!json_is_string(id) || json_string_length(id) > ID_BYTES)) {
        return "\"id\" must be a short string";
    }
    if ((room != NULL) + (user != NULL) + all != 1) {
        return "name one of \"room\", \"user\" and \"all\": true";
    }
    return all ? NULL
               : name_fault(room ? room : user, room ? ROOM_CHARACTERS : NAME_CHARACTERS);
}

static void do_say(fw_hub *hub, fw_event *e, json_t *request)
{
    const char *room = json_string_value(json_object_get(request, "room"));
    const char *user = json_string_value(json_object_get(request, "user"));
    const char *id = json_string_value(json_object_get(request, "id"));
    const char *from = fw_event_user(e);
    bool all = json_is_true(json_object_get(request, "all"));
    const char *fault = say_fault(request, room, user, all);
    char session[FW_SESSION_ID_TEXT], *text;
    int err;

    if (fault) {
        send_error(hub, e, "bad_request", fault, id, NULL);
        return;
    }
    fw_session_id_text(fw_event_session(e), session);
    text = text_of(json_pack(
        "{s:s, s:s*, s:s*, s:o*, s:s, s:s, s:s, s:s*, s:I, s:O}", "type", "message",
        "room", room, "user", user, "all", all ? json_true() : NULL, "from",
        from ? from : "", "session", session, "node", fw_hub_node_name(hub), "id", id,
        "time", (json_int_t)now_ms(), "text", json_object_get(request, "text")));
    if (!text) {
        send_failure(hub, e, FW_ERR_MEMORY, id, NULL);
        return;
    }
    if (room) {
        err = fw_room_publish(hub, room, text, strlen(text), FW_TEXT);
    } else if (all) {
        err = fw_hub_send_all(hub, text, strlen(text), FW_TEXT);
    } else {
        err = fw_user_send(hub, user, text, strlen(text), FW_TEXT);
        if (err == FW_OK && (!from || strcmp(from, user) != 0)) {
            /* Who speaks in a room hears it; so does who speaks to one person. */
            err = fw_session_send(hub, fw_event_session(e), text, strlen(text), FW_TEXT);
        }
    }
    free(text);
    if (err) {
        send_failure(hub, e, err, id, NULL);
    }
}

/* ---- Handlers of events --------------------------------------------------------- */

static void on_connect(fw_hub *hub, fw_event *e, void *user)
{
    const char *name = fw_event_query(e, "name", 0);
    const char *fault = name_fault(name, NAME_CHARACTERS);

    (void)user;
    if (fault) {
        (void)fw_reject(hub, fw_event_token(e), 400, fault);
    } else {
        (void)fw_accept(hub, fw_event_token(e), name);
    }
}

static void on_open(fw_hub *hub, fw_event *e, void *user)
{
    char session[FW_SESSION_ID_TEXT];

    (void)user;
    fw_session_id_text(fw_event_session(e), session);
    send_to_session(hub, fw_event_session(e),
                    json_pack("{s:s, s:s, s:s, s:s}", "type", "welcome", "name",
                              fw_event_user(e), "session", session, "node",
                              fw_hub_node_name(hub)));
}

static void on_message(fw_hub *hub, fw_event *e, void *user)
{
    static const struct {
        const char *type;
        void (*act)(fw_hub *, fw_event *, json_t *);
    } verbs[] = {{"join", do_join}, {"leave", do_leave}, {"say", do_say}};
    size_t len, i;
    const char *data = fw_event_data(e, &len), *type;
    json_t *request = NULL;

    (void)user;
    if (fw_event_flags(e) == FW_TEXT) {
        request = json_loadb(len ? data : "", len, JSON_REJECT_DUPLICATES, NULL);
    }
    if (!json_is_object(request)) {
        send_error(hub, e, "bad_json", "a message is a JSON object in a text frame", NULL,
                   NULL);
        json_decref(request);
        return;
    }
    type = json_string_value(json_object_get(request, "type"));
    for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (type && strcmp(type, verbs[i].type) == 0) {
            verbs[i].act(hub, e, request);
            break;
        }
    }
    if (i == sizeof verbs / sizeof verbs[0]) {
        send_error(hub, e, "bad_request", "\"type\" must be join, leave or say", NULL,
                   NULL);
    }
    json_decref(request);
}

/* A join that was asked for is complete: from now on the session hears the room. */
static void on_result(fw_hub *hub, fw_event *e, void *user)
{
    (void)user;
    if (fw_event_token(e) != JOIN_REF) {
        return;
    }
    if (fw_event_code(e) != FW_OK) {
        send_failure(hub, e, fw_event_code(e), NULL, fw_event_room(e));
        return;
    }
    send_to_session(hub, fw_event_session(e),
                    json_pack("{s:s, s:s}", "type", "joined", "room", fw_event_room(e)));
    ask_people(hub, fw_event_session(e), fw_event_room(e));
}

static void on_leave(fw_hub *hub, fw_event *e, void *user)
{
    (void)user;
    if (fw_event_code(e) == 0) { /* left, and is still there to be told */
        send_to_session(
            hub, fw_event_session(e),
            json_pack("{s:s, s:s}", "type", "left", "room", fw_event_room(e)));
    }
}

static void on_log(void *user, fw_log_level level, const char *component,
                   const char *message)
{
    fprintf(stderr, "%s %s %s: %s\n", (const char *)user, fw_log_level_name(level),
            component, message);
}

/* ---- Starting and stopping ------------------------------------------------------ */

static void print_help(void)
{
    const char *name;

    puts("usage: chat [--OPTION VALUE | --OPTION=VALUE]...\n\n"
         "A chat server. Nodes that share a redis.url are one chat. Every option can be\n"
         "set by the environment too: FANWIRE_REDIS_URL is --redis.url. TERM and INT\n"
         "close all sessions in good order. Options:\n");
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        const char *help = fw_options_describe(name, "help");

        printf("  --%-28s %s\n", name, help ? help : "");
    }
}

/* The command line goes over the environment, and both over the library's defaults.
 * Returns -1 to go on, else the exit status. */
static int read_options(fw_options *options, int argc, char **argv)
{
    /* A chat needs no long messages: 8 KiB of text, escaped, and its envelope. Its people
     * hear who comes and goes. */
    if (fw_options_set(options, "message.max_bytes", "64KiB") ||
        fw_options_set(options, "room.join_leave", "on") ||
        fw_options_load_env(options)) {
        fprintf(stderr, "chat: %s\n", fw_error_detail());
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        char name[64];
        const char *value = strchr(argv[i], '=');
        size_t len = value ? (size_t)(value - argv[i]) : strlen(argv[i]);

        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return 0;
        }
        if (strncmp(argv[i], "--", 2) != 0 || len < 3 || len - 2 >= sizeof name) {
            fprintf(stderr, "chat: %s: not an option, see --help\n", argv[i]);
            return 2;
        }
        snprintf(name, sizeof name, "%.*s", (int)(len - 2), argv[i] + 2);
        if (!value && i + 1 == argc) {
            fprintf(stderr, "chat: %s: a value is missing\n", name);
            return 2;
        }
        if (fw_options_set(options, name, value ? value + 1 : argv[++i])) {
            fprintf(stderr, "chat: %s\n", fw_error_detail());
            return 2;
        }
    }
    return -1;
}

static int add_handlers(fw_hub *hub)
{
    static const struct {
        fw_event_type type;
        fw_handler handler;
    } handlers[] = {{FW_EVENT_CONNECT, on_connect},  {FW_EVENT_OPEN, on_open},
                    {FW_EVENT_MESSAGE, on_message},  {FW_EVENT_RESULT, on_result},
                    {FW_EVENT_LEAVE, on_leave},      {FW_EVENT_PRESENCE, on_presence},
                    {FW_EVENT_ROOM_JOIN, on_member}, {FW_EVENT_ROOM_LEAVE, on_member}};
    int err = fw_hub_on_log(hub, on_log, (void *)fw_hub_node_name(hub));

    for (size_t i = 0; !err && i < sizeof handlers / sizeof handlers[0]; i++) {
        err = fw_hub_on(hub, handlers[i].type, handlers[i].handler, NULL);
    }
    return err;
}

/* Serves until TERM or INT; returns the exit status. */
static int serve(fw_hub *hub, const sigset_t *stop_signals)
{
    const char *url;
    int received;

    if (add_handlers(hub) || fw_hub_start(hub)) {
        fprintf(stderr, "chat: %s\n", fw_error_detail());
        return 1;
    }
    for (size_t i = 0; (url = fw_hub_listen_url(hub, i)) != NULL; i++) {
        printf("chat: node %s listens on %s\n", fw_hub_node_name(hub), url);
    }
    fflush(stdout); /* whoever started us may wait for these lines */
    sigwait(stop_signals, &received);
    if (fw_hub_drain(hub, -1) == FW_ERR_TIMEOUT) {
        fprintf(stderr, "chat: some sessions did not close in time\n");
    }
    (void)fw_hub_stop(hub);
    forget_questions();
    return 0;
}

int main(int argc, char **argv)
{
    sigset_t stop_signals;
    fw_options *options = fw_options_new();
    fw_hub *hub = NULL;
    int status;

    if (!options) {
        fprintf(stderr, "chat: %s\n", fw_strerror(FW_ERR_MEMORY));
        return 1;
    }
    status = read_options(options, argc, argv);
    if (status >= 0) {
        goto out;
    }
    /* Blocked before any thread starts, so that all inherit it and sigwait gets them. */
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
    /* A shell that starts us in the background has SIGINT ignored, and then sigwait
     * would never see it. */
    signal(SIGINT, SIG_DFL);

    status = fw_hub_new(&hub, options);
    if (status) {
        fprintf(stderr, "chat: %s\n", fw_error_detail());
        status = status == FW_ERR_OPTION ? 2 : 1;
        goto out;
    }
    status = serve(hub, &stop_signals);
out:
    fw_hub_free(hub);
    fw_options_free(options);
    return status;
}
