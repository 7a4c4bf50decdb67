/*
 * Asks Sentinels for the master, or a Cluster's nodes for its map. See the header.
 *
 *     idle ---> finding ---> found ---> watching <---> asking
 *       ^__________/___________/___________/_____________/
 *
 * A Cluster's map is never merely found: it is watched as soon as there is one.
 *
 * One link, to one of them at a time. It stays open while the master is watched, so that
 * a round costs one command; where it is lost the next round goes to the next one. A
 * subscription to +switch-master would be told a little sooner, but would need a health
 * check of its own to notice that it is deaf: asking is its own check.
 */
#include "backplane/redis_topology.h"

#include <string.h>

#include "base/rand.h"

/* Of a Cluster: how long one that answers is asked in a hurry, and has no news, before it
 * is the next one's turn. Not sooner, since a host that is down costs three seconds. */
enum { HELPLESS_MS = 5000 };

typedef enum {
    IDLE,
    FINDING,  /* the backplane waits for the address */
    FOUND,    /* it has it, and is connecting */
    WATCHING, /* it is up; until the next question */
    ASKING    /* it is up, and a Sentinel is asked again */
} topology_state;

struct fwi_redis_topology {
    fwi_loop *loop;
    fwi_redis_config *config;
    fwi_redis_config asked; /* of the link: who is asked */
    const fwi_redis_topology_events *events;
    void *user;
    fwi_redis_link *link;
    fwi_timer timer; /* finding, asking: the answer is late; watching: ask again */
    topology_state state;
    fwi_rand rand;     /* jitter */
    uint64_t hurry_ms; /* the map was known to be old after it was asked for; or 0 */
    uint64_t urged_ms; /* since when each round was in a hurry, without news; or 0 */
    size_t at;         /* which of the hosts */
    size_t left;       /* how many more to ask in this round */
};

static bool is_cluster(const fwi_redis_topology *t)
{
    return t->config->url.kind == FWI_REDIS_CLUSTER;
}

static bool is_asking(const fwi_redis_topology *t)
{
    return t->state == FINDING || t->state == ASKING;
}

/* --- what replies say --- */

const char *fwi_redis_master_of(const fwi_redis_reply *reply, fwi_redis_host *to)
{
    const fwi_redis_part *part = reply->part;
    if (reply->whole.type == FWI_REDIS_ERROR) {
        return reply->whole.str;
    }
    if (reply->whole.type == FWI_REDIS_NIL) {
        return "it knows no master of this name";
    }
    if (reply->whole.type != FWI_REDIS_ARRAY || reply->parts != 2 ||
        part[0].type != FWI_REDIS_STRING || part[1].type != FWI_REDIS_STRING) {
        return "not the kind of answer that was asked for";
    }
    long port = 0;
    size_t digits = strspn(part[1].str, "0123456789");
    for (size_t i = 0; i < digits && port <= 65535; i++) {
        port = port * 10 + (part[1].str[i] - '0');
    }
    bool printable = part[0].len > 0 && part[0].len < sizeof to->host;
    for (size_t i = 0; i < part[0].len; i++) {
        printable = printable && part[0].str[i] > ' ' && part[0].str[i] < 0x7f;
    }
    if (!printable || port < 1 || port > 65535 || digits != part[1].len) {
        return "what it says isn't an address";
    }
    memcpy(to->host, part[0].str, part[0].len + 1);
    to->port = (int)port;
    return NULL;
}

const char *fwi_redis_master_problem(const fwi_redis_reply *reply)
{
    if (reply->whole.type == FWI_REDIS_ERROR) {
        return reply->whole.str;
    }
    if (reply->whole.type != FWI_REDIS_STRING) {
        return "not the kind of answer that was asked for";
    }
    return strstr(reply->whole.str, "role:master") != NULL ? NULL
                                                           : "it is a replica, no master";
}

/* --- a round --- */

static void turn_to_next(fwi_redis_topology *t)
{
    t->at = (t->at + 1) % t->config->url.n_hosts;
}

static bool open_link(fwi_redis_topology *t)
{
    t->at %= t->config->url.n_hosts; /* they may have become fewer */
    const fwi_redis_host *h = &t->config->url.hosts[t->at];
    memcpy(t->asked.url.host, h->host, sizeof h->host);
    t->asked.url.port = h->port;
    return fwi_redis_link_open(t->link);
}

static void ask(fwi_redis_topology *t)
{
    const char *sentinel[] = {"SENTINEL", "get-master-addr-by-name",
                              t->config->url.master};
    const char *cluster[] = {"CLUSTER", "NODES"};
    const char *const *argv = is_cluster(t) ? cluster : sentinel;
    int argc = is_cluster(t) ? 2 : 3;
    size_t lens[3];
    for (int i = 0; i < argc; i++) {
        lens[i] = strlen(argv[i]);
    }
    if (!fwi_redis_link_send(t->link, argc, argv, lens)) {
        fwi_redis_link_disconnect(t->link, "out of memory");
        return;
    }
    fwi_loop_timer_set(t->loop, &t->timer, FWI_REDIS_TOPOLOGY_ANSWER_MS);
    fwi_redis_link_flush(t->link);
}

/* It may be on the wrong side of a torn network, and tell an old map for ever. */
static bool is_of_no_help(fwi_redis_topology *t)
{
    uint64_t now_ms = fwi_loop_now_ms(t->loop);
    if (t->hurry_ms == 0) {
        t->urged_ms = 0;
    } else if (t->urged_ms == 0) {
        t->urged_ms = now_ms;
    }
    bool is_long = t->urged_ms != 0 && now_ms - t->urged_ms >= HELPLESS_MS;
    t->urged_ms = is_long ? now_ms : t->urged_ms;
    return is_long;
}

static bool begin_round(fwi_redis_topology *t, topology_state state)
{
    if (is_of_no_help(t)) {
        fwi_redis_link_close(t->link);
        turn_to_next(t);
    }
    t->state = state;
    t->hurry_ms = 0;
    t->left = t->config->url.n_hosts - 1;
    if (fwi_redis_link_get_state(t->link) == FWI_REDIS_LINK_LIVE) {
        ask(t);
        return true;
    }
    return open_link(t);
}

/* Many nodes ask a Cluster's nodes: not all at the same moment. */
static void bring_forward(fwi_redis_topology *t)
{
    uint64_t in_ms = fwi_rand_between(&t->rand, t->hurry_ms / 4, t->hurry_ms);
    if (!fwi_timer_is_set(&t->timer) ||
        t->timer.due_ms > fwi_loop_now_ms(t->loop) + in_ms) {
        fwi_loop_timer_clear(t->loop, &t->timer);
        fwi_loop_timer_set(t->loop, &t->timer, in_ms);
    }
}

static void watch_on(fwi_redis_topology *t)
{
    uint64_t ms = FWI_REDIS_TOPOLOGY_EVERY_MS;
    t->state = WATCHING;
    if (is_cluster(t)) {
        ms = fwi_rand_between(&t->rand, ms * 3 / 4, ms);
    }
    fwi_loop_timer_set(t->loop, &t->timer, ms);
    if (t->hurry_ms != 0) {
        bring_forward(t);
    }
}

static void round_failed(fwi_redis_topology *t, const char *why)
{
    char text[400];
    if (is_cluster(t)) {
        snprintf(text, sizeof text, "no node of the Cluster tells its map: %s", why);
    } else {
        snprintf(text, sizeof text, "no Sentinel tells where %s is: %s",
                 t->config->url.master, why);
    }
    if (t->state == ASKING) {
        FWI_LOG(t->config->log, FWI_LOG_DEBUG, "redis", "%s", text);
        watch_on(t);
        return;
    }
    t->state = IDLE;
    t->events->on_lost(t->user, text);
}

static void next_host(fwi_redis_topology *t, const char *why)
{
    char text[300];
    const fwi_redis_url *whom = &t->asked.url;
    snprintf(text, sizeof text, "%.100s:%d: %s", whom->host, whom->port, why);
    FWI_LOG(t->config->log, FWI_LOG_DEBUG, "redis", "%s %s",
            is_cluster(t) ? "Cluster node" : "Sentinel", text);
    fwi_loop_timer_clear(t->loop, &t->timer);
    fwi_redis_link_close(t->link);
    turn_to_next(t);
    if (t->left == 0) {
        round_failed(t, text);
        return;
    }
    t->left--;
    if (!open_link(t)) {
        round_failed(t, "out of memory");
    }
}

static void on_answer(fwi_redis_topology *t, const fwi_redis_host *master)
{
    fwi_redis_url *url = &t->config->url;
    bool same = strcmp(master->host, url->host) == 0 && master->port == url->port;
    fwi_loop_timer_clear(t->loop, &t->timer);
    if (t->state == ASKING && same) {
        watch_on(t);
        return;
    }
    if (t->state == ASKING) {
        char why[400];
        snprintf(why, sizeof why, "%s isn't %.100s:%d any more but %.100s:%d",
                 url->master, url->host, url->port, master->host, master->port);
        t->state = IDLE;
        t->events->on_lost(t->user, why);
        return;
    }
    memcpy(url->host, master->host, sizeof master->host);
    url->port = master->port;
    FWI_LOG(t->config->log, same ? FWI_LOG_DEBUG : FWI_LOG_INFO, "redis",
            "%s is %s:%d, says Sentinel %s:%d", url->master, url->host, url->port,
            t->asked.url.host, t->asked.url.port);
    t->state = FOUND;
    t->events->on_found(t->user);
}

/* --- the link's events, the timer --- */

static void on_live(void *user)
{
    ask(user);
}

/* NULL: it was good, and is done with. */
static const char *take_map(fwi_redis_topology *t, const fwi_redis_reply *reply)
{
    if (reply->whole.type == FWI_REDIS_ERROR) {
        return reply->whole.str;
    }
    if (reply->whole.type != FWI_REDIS_STRING) {
        return "not the kind of answer that was asked for";
    }
    fwi_redis_host from = {.port = t->asked.url.port};
    memcpy(from.host, t->asked.url.host, sizeof from.host);
    topology_state before = t->state;
    fwi_loop_timer_clear(t->loop, &t->timer);
    t->state = WATCHING; /* what is told may change it */
    const char *problem = t->events->on_map(t->user, &reply->whole, &from);
    if (problem != NULL) {
        t->state = before;
    } else if (t->state == WATCHING) {
        fwi_loop_timer_clear(t->loop, &t->timer);
        watch_on(t);
    }
    /* cppcheck-suppress returnDanglingLifetime ; a sentence is never a part of `from` */
    return problem;
}

static void on_reply(void *user, const fwi_redis_reply *reply)
{
    fwi_redis_topology *t = user;
    fwi_redis_host master = {.port = 0};
    if (!is_asking(t)) {
        fwi_redis_link_close(t->link); /* Nobody had asked. */
        return;
    }
    const char *problem =
        is_cluster(t) ? take_map(t, reply) : fwi_redis_master_of(reply, &master);
    if (problem != NULL) {
        char quoted[160];
        fwi_log_quote(quoted, sizeof quoted, problem, strlen(problem));
        next_host(t, quoted);
    } else if (!is_cluster(t)) {
        on_answer(t, &master);
    }
}

static void on_down(void *user, const char *why)
{
    fwi_redis_topology *t = user;
    if (is_asking(t)) {
        next_host(t, why);
    } else if (t->state == WATCHING) {
        turn_to_next(t);
    }
}

static const fwi_redis_link_events link_events = {on_live, on_reply, on_down};

static void on_timer(fwi_timer *timer)
{
    fwi_redis_topology *t = fwi_container_of(timer, fwi_redis_topology, timer);
    if (is_asking(t)) {
        fwi_redis_link_disconnect(t->link, "no answer in time");
    } else if (!begin_round(t, ASKING)) {
        round_failed(t, "out of memory");
    }
}

/* --- its life --- */

bool fwi_redis_topology_find(fwi_redis_topology *t)
{
    if (t->state == FOUND) {
        turn_to_next(t);
    }
    fwi_redis_topology_stop(t);
    if (!begin_round(t, FINDING)) {
        t->state = IDLE;
        return false;
    }
    return true;
}

void fwi_redis_topology_watch(fwi_redis_topology *t)
{
    if (t != NULL) {
        watch_on(t);
    }
}

void fwi_redis_topology_hurry(fwi_redis_topology *t, uint64_t ms)
{
    /* Each of many slots that leave says so. Were a moment drawn for each, the earliest
     * of all would come out of that, on every node. */
    if (t->hurry_ms != 0 && t->hurry_ms <= ms) {
        return;
    }
    t->hurry_ms = ms; /* kept while one is asked: that answer may be old */
    if (t->state == WATCHING) {
        bring_forward(t);
    }
}

void fwi_redis_topology_helped(fwi_redis_topology *t)
{
    t->urged_ms = 0;
}

void fwi_redis_topology_stop(fwi_redis_topology *t)
{
    if (t == NULL) {
        return;
    }
    /* What was found and not watched is remembered: find() draws its conclusion. */
    t->state = t->state == FOUND ? FOUND : IDLE;
    fwi_loop_timer_clear(t->loop, &t->timer);
    fwi_redis_link_close(t->link);
}

fwi_redis_topology *fwi_redis_topology_new(fwi_loop *loop, fwi_redis_config *config,
                                           const fwi_redis_topology_events *events,
                                           void *user)
{
    fwi_redis_topology *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    t->loop = loop;
    t->config = config;
    t->events = events;
    t->user = user;
    t->asked = *config;
    t->asked.url = fwi_redis_url_of_host(&config->url);
    fwi_rand_init(&t->rand, config->seed + 1);
    fwi_timer_init(&t->timer, on_timer);
    t->link = fwi_redis_link_new(loop, &t->asked, is_cluster(t) ? "map" : "sentinel",
                                 &link_events, t);
    if (t->link == NULL) {
        free(t);
        return NULL;
    }
    return t;
}

void fwi_redis_topology_free(fwi_redis_topology *t)
{
    if (t != NULL) {
        fwi_redis_topology_stop(t);
        fwi_redis_link_free(t->link);
        free(t);
    }
}
