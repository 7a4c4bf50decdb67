/*
 * Entries. See the header.
 *
 * An entry is on its way (todo), or answered, and safe once a later beat of the lease is
 * confirmed: then a failover that loses it would lose the beat, too, and that is seen. So
 * when the link is lost, what isn't safe is sent again, and nothing else.
 */
#include "backplane/redis_presence.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_backplane.h"
#include "backplane/redis_presence_scripts.h"
#include "wire/envelope.h"
#include "wire/name.h"

/* Of a Cluster's server, from the last write that its replica has got to the moment when
 * we know that it was lost: cluster-node-timeout (15 s, unless somebody has set it), and
 * some more. */
enum { FAILOVER_MS = 60000 };

void fwi_redis_presence_init(fwi_redis_presence *rp)
{
    memset(rp, 0, sizeof *rp);
    fwi_presence_table_init(&rp->table);
    fwi_list_init(&rp->todo);
    fwi_list_init(&rp->departed);
    fwi_list_init(&rp->refused);
    fwi_list_init(&rp->questions);
    fwi_list_init(&rp->unanswered);
    fwi_buf_init(&rp->key);
    fwi_buf_init(&rp->value);
}

void fwi_redis_presence_fini(fwi_redis_presence *rp)
{
    fwi_redis_questions_fini(rp);
    fwi_presence_table_fini(&rp->table);
    fwi_buf_fini(&rp->key);
    fwi_buf_fini(&rp->value);
}

/* --- keys --- */

bool fwi_redis_presence_key(fwi_redis_backplane *rb, fwi_buf *out, const char *channel)
{
    out->len = 0;
    return fwi_redis_put_key(rb, out, channel, ":p");
}

bool fwi_redis_channels_key(fwi_redis_backplane *rb, fwi_buf *out, uint64_t node,
                            uint64_t life)
{
    out->len = 0;
    return fwi_buf_printf(out, "%s:n:%016" PRIx64 ":%" PRIu64 ":c", rb->config.prefix,
                          node, life);
}

bool fwi_redis_presence_keys(fwi_redis_backplane *rb, fwi_redis_words *w, fwi_buf *out,
                             const char *channel, uint64_t node)
{
    if (!fwi_redis_presence_key(rb, out, channel)) {
        return false;
    }
    size_t first = out->len;
    if (!fwi_redis_put_key(rb, out, channel, ":gone:") ||
        !fwi_buf_printf(out, "%016" PRIx64, node)) {
        return false;
    }
    fwi_redis_word(w, out->data, first);
    fwi_redis_word(w, out->data + first, out->len - first);
    return true;
}

/* --- entries --- */

static void want(fwi_redis_presence *rp, fwi_present *p)
{
    fwi_list_remove(&p->todo);
    fwi_list_append(&rp->todo, &p->todo);
}

bool fwi_redis_presence_enter(fwi_backplane *bp, const char *channel, fw_message *member,
                              bool tell)
{
    fwi_redis_presence *rp = &fwi_redis_of(bp)->presence;
    const fwi_present *former =
        fwi_presence_find(&rp->table, channel, member->origin->session);
    bool is_new = former == NULL || former->gone;
    fwi_present *p = fwi_presence_put(&rp->table, channel, member, tell);
    if (p == NULL) {
        return false;
    }
    rp->n += is_new;
    p->over = is_new ? 0 : p->over; /* whoever comes is told as new anyway */
    p->gone = false;
    want(rp, p);
    return true;
}

void fwi_redis_presence_leave(fwi_backplane *bp, const char *channel,
                              fw_session_id session)
{
    fwi_redis_presence *rp = &fwi_redis_of(bp)->presence;
    fwi_present *p = fwi_presence_find(&rp->table, channel, session);
    if (p == NULL || p->gone) {
        return;
    }
    rp->n--;
    if (!p->was_taken && p->asked == 0) {
        fwi_presence_remove(&rp->table, p);
        return;
    }
    p->gone = true;
    want(rp, p);
}

/* Until Redis has taken a beat. */
static void put_off(fwi_redis_presence *rp, fwi_present *p)
{
    fwi_list_remove(&p->todo);
    fwi_list_append(&rp->refused, &p->todo);
}

/* Did Redis say no (it is full, or can't write to its disk)? Then it is asked again when
 * it has taken a beat. */
static bool is_refused(fwi_redis_backplane *rb, fwi_present *p,
                       const fwi_redis_reply *reply)
{
    if (reply->whole.type != FWI_REDIS_ERROR) {
        return false;
    }
    fwi_redis_answer_ignored(rb, NULL, reply);
    if (!fwi_list_is_linked(&p->todo)) {
        put_off(&rb->presence, p);
    }
    return true;
}

/* Of a channel that is put into the list. */
typedef struct listing {
    uint64_t life;
    char channel[];
} listing;

/* What waits for the list is put off; or else somebody who asks again for all. */
static void put_off_channel(fwi_redis_presence *rp, fwi_presence_channel *c)
{
    bool any = false;
    for (fwi_present *p = c->present; p != NULL; p = p->hh.next) {
        if (!p->gone && (!any || fwi_list_is_linked(&p->todo))) {
            put_off(rp, p);
            any = true;
        }
    }
}

static void on_listed(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    listing *l = about;
    fwi_presence_channel *c = fwi_presence_channel_find(&rb->presence.table, l->channel);
    bool refused = reply != NULL && reply->whole.type == FWI_REDIS_ERROR;
    if (c != NULL && l->life == rb->lease.life) {
        c->listed = reply != NULL && !refused;
        c->indexed = c->indexed && c->listed;
        if (refused) {
            put_off_channel(&rb->presence, c);
        }
    }
    if (reply == NULL && rb->cluster != NULL) {
        fwi_redis_pause(rb); /* the list's server is away, the entry's may be there */
    }
    fwi_redis_answer_ignored(rb, NULL, reply);
    free(l);
}

static listing *new_listing(const fwi_redis_backplane *rb, const char *channel)
{
    size_t len = strlen(channel);
    listing *l = malloc(sizeof *l + len + 1);
    if (l != NULL) {
        l->life = rb->lease.life;
        memcpy(l->channel, channel, len + 1);
    }
    return l;
}

static bool call_list(fwi_redis_backplane *rb, const char *command,
                      const fwi_presence_channel *c, fwi_redis_answer answer, void *about)
{
    fwi_buf *key = &rb->presence.key;
    if (!fwi_redis_channels_key(rb, key, rb->config.node, rb->lease.life)) {
        return false;
    }
    fwi_redis_words w = {0};
    fwi_redis_word(&w, command, strlen(command));
    fwi_redis_word(&w, key->data, key->len);
    fwi_redis_word(&w, c->name, strlen(c->name));
    return fwi_redis_call(rb, &w, answer, about);
}

/* Its channel is in the list of those to be swept. Ahead of the entry: if the node dies
 * between the two, it is looked for in vain, and not forgotten. */
static bool index_channel(fwi_redis_backplane *rb, fwi_presence_channel *c)
{
    if (c->indexed) {
        return true;
    }
    listing *l = new_listing(rb, c->name);
    if (l == NULL || !call_list(rb, "SADD", c, on_listed, l)) {
        free(l);
        return false;
    }
    c->indexed = true;
    return true;
}

/* List and entry are on one server, which does one after the other; or in a Cluster on
 * two, of which the first must have answered. */
static bool is_listed(const fwi_redis_backplane *rb, const fwi_presence_channel *c)
{
    return rb->cluster == NULL || c->listed;
}

/* Its answer doesn't come, though Redis may have taken it. */
static void answer_lost(fwi_redis_presence *rp, fwi_present *p)
{
    p->doubtful = p->was_taken = true;
    if (!fwi_list_is_linked(&p->todo)) {
        want(rp, p);
    }
}

/* One command less is under way. false: its answer was lost, and that is seen to. */
static bool is_answered(fwi_redis_presence *rp, fwi_present *p,
                        const fwi_redis_reply *reply)
{
    p->asked--;
    if (reply == NULL) {
        answer_lost(rp, p);
    }
    return reply != NULL;
}

/* What has just been answered may have been carried out ahead of what a lost link had
 * said: then it is said again behind a beat, and the channel is listed again. Until then
 * it stays doubtful: whoever leaves meanwhile says something new, ahead of that beat. */
static bool is_repeated(fwi_redis_presence *rp, fwi_present *p)
{
    if (!p->doubtful || p->asked > 0 || fwi_list_is_linked(&p->todo)) {
        return false;
    }
    p->channel->indexed = p->channel->listed = false;
    put_off(rp, p);
    return true;
}

/* Of an entry of a node that was swept. Was the end of this one told? */
static void take_return(fwi_redis_backplane *rb, fwi_present *p,
                        const fwi_redis_reply *reply)
{
    uint64_t told = strtoull(reply->whole.str, NULL, 10);
    bool is_over = told >= p->over;
    if (fwi_list_is_linked(&p->todo)) {
        p->over = is_over ? told + 1 : p->over; /* another life has ended meanwhile */
    } else {
        p->over = 0;
    }
    if (is_over && p->tell && !p->gone) {
        fwi_redis_lease_tell_again(rb, p);
    }
}

static void on_written(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    fwi_present *p = about;
    if (!is_answered(&rb->presence, p, reply)) {
        return;
    }
    /* A script may have written it before it failed. */
    p->was_taken = p->was_taken || p->over > 0 || reply->whole.type != FWI_REDIS_ERROR;
    if (is_refused(rb, p, reply)) {
        return;
    }
    if (reply->whole.type == FWI_REDIS_STRING && p->over > 0) {
        take_return(rb, p, reply);
    }
    (void)is_repeated(&rb->presence, p);
}

/* Redis has said so. */
static void has_gone(fwi_redis_presence *rp, fwi_present *p)
{
    bool is_back = !p->gone || p->asked > 0 || fwi_list_is_linked(&p->todo);
    if (!is_repeated(rp, p) && !is_back) {
        fwi_list_append(&rp->departed, &p->todo);
    }
}

static void on_removed(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_present *p = about;
    if (!is_answered(rp, p, reply)) {
        return;
    }
    bool refused = is_refused(rb, p, reply);
    if (refused && p->gone && !p->was_taken && p->asked == 0) {
        fwi_presence_remove(&rp->table, p); /* as it was itself */
    } else if (!refused) {
        has_gone(rp, p);
    }
}

/* "TELL LIFE " and the envelope. */
static bool encode(fwi_redis_backplane *rb, const fwi_present *p)
{
    fwi_buf *value = &rb->presence.value;
    value->len = 0;
    return fwi_buf_printf(value, "%d %" PRIu64 " ", p->tell, rb->lease.life) &&
           fwi_message_encode(p->member, 0, 0, value);
}

/* What is done with it, and where. */
static bool put_command(fwi_redis_backplane *rb, const fwi_present *p, fwi_redis_words *w)
{
    fwi_buf *key = &rb->presence.key;
    if (p->over > 0 && !p->gone) {
        fwi_redis_eval_words(w, fwi_redis_script_return, "2");
        return fwi_redis_presence_keys(rb, w, key, p->channel->name, rb->config.node);
    }
    if (!fwi_redis_presence_key(rb, key, p->channel->name)) {
        return false;
    }
    fwi_redis_word(w, p->gone ? "HDEL" : "HSET", 4);
    fwi_redis_word(w, key->data, key->len);
    return true;
}

static bool send_entry(fwi_redis_backplane *rb, fwi_present *p)
{
    fwi_redis_presence *rp = &rb->presence;
    char session[FW_SESSION_ID_TEXT];
    fwi_redis_words w = {0};
    if (!put_command(rb, p, &w) || (!p->gone && !encode(rb, p))) {
        return false;
    }
    fwi_redis_word(&w, fw_session_id_text(p->session, session), FW_SESSION_ID_TEXT - 1);
    if (!p->gone) {
        fwi_redis_word(&w, rp->value.data, rp->value.len);
    }
    fwi_list_remove(&p->todo);
    p->beat = rb->lease.beats;
    if (!fwi_redis_call(rb, &w, p->gone ? on_removed : on_written, p)) {
        want(rp, p);
        return false;
    }
    p->asked++;
    return true;
}

typedef enum { SENT, NOT_YET, NO_MEMORY } sending;

static sending try_entry(fwi_redis_backplane *rb, fwi_present *p)
{
    if (!fwi_redis_call_may(rb, p->channel->name)) {
        fwi_redis_pause(rb);
        return NOT_YET;
    }
    bool others = HASH_COUNT(p->channel->present) > 1;
    if ((!p->gone || others) && !index_channel(rb, p->channel)) {
        return NO_MEMORY;
    }
    if (!p->gone && !is_listed(rb, p->channel)) {
        return NOT_YET;
    }
    return send_entry(rb, p) ? SENT : NO_MEMORY;
}

static bool send_entries(fwi_redis_backplane *rb)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_list all, later; /* what isn't sent stays, at the front */
    fwi_list_init(&all);
    fwi_list_init(&later);
    fwi_list_splice(&all, &rp->todo);
    sending how = SENT;
    while (how != NO_MEMORY && !fwi_list_is_empty(&all)) {
        fwi_present *p = fwi_list_entry(all.next, fwi_present, todo);
        how = try_entry(rb, p);
        if (how == NOT_YET && rb->cluster == NULL) {
            break;
        }
        if (how == NOT_YET) {
            fwi_list_remove(&p->todo);
            fwi_list_append(&later, &p->todo);
        }
    }
    fwi_list_splice(&later, &all);
    fwi_list_splice(&later, &rp->todo);
    fwi_list_splice(&rp->todo, &later);
    return how != NO_MEMORY;
}

/* How many beats behind the first one it takes till a removal is safe. In a Cluster the
 * beats are at another server: a replica that takes over from that of the entry may know
 * nothing of what was removed shortly before. */
static uint64_t beats_more(const fwi_redis_backplane *rb)
{
    return rb->cluster != NULL ? 3 * FAILOVER_MS / rb->config.lease_ms : 0;
}

/* Its channel has left the list, and so it is forgotten. If nobody knows whether it has,
 * its removal is said again: then whoever has come there since is listed again, too. */
static void on_unlisted(fwi_redis_backplane *rb, void *about,
                        const fwi_redis_reply *reply)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_present *p = about;
    if (!is_answered(rp, p, reply)) {
        return;
    }
    fwi_redis_answer_ignored(rb, NULL, reply);
    if (p->gone && p->asked == 0 && !fwi_list_is_linked(&p->todo)) {
        fwi_presence_remove(&rp->table, p);
    }
}

/* Nobody else is in its channel. */
static void unlist(fwi_redis_backplane *rb, fwi_present *p)
{
    p->channel->indexed = p->channel->listed = false;
    fwi_list_remove(&p->todo);
    if (call_list(rb, "SREM", p->channel, on_unlisted, p)) {
        p->asked++;
    } else {
        want(&rb->presence, p);
    }
}

void fwi_redis_presence_settle(fwi_redis_backplane *rb, uint64_t beat)
{
    fwi_redis_presence *rp = &rb->presence;
    for (fwi_list *e = rp->refused.next; e != &rp->refused; e = e->next) {
        fwi_list_entry(e, fwi_present, todo)->doubtful = false; /* behind the beat */
    }
    fwi_list_splice(&rp->todo, &rp->refused);
    while (!fwi_list_is_empty(&rp->departed)) {
        fwi_present *p = fwi_list_entry(rp->departed.next, fwi_present, todo);
        if (p->beat + beats_more(rb) >= beat) {
            return; /* in the order in which they were sent */
        }
        if (HASH_COUNT(p->channel->present) == 1) {
            unlist(rb, p);
        } else {
            fwi_presence_remove(&rp->table, p);
        }
    }
}

void fwi_redis_presence_link_down(fwi_redis_backplane *rb)
{
    fwi_redis_presence *rp = &rb->presence;
    uint64_t safe = rb->lease.confirmed;
    fwi_list_splice(&rp->todo, &rp->departed);
    fwi_list_splice(&rp->todo, &rp->refused);
    fwi_list_splice(&rp->unanswered, &rp->questions);
    fwi_presence_channel *c, *next;
    HASH_ITER(hh, rp->table.channels, c, next)
    {
        c->indexed = c->listed = false;
        for (fwi_present *p = c->present; p != NULL; p = p->hh.next) {
            if (p->beat >= safe && !fwi_list_is_linked(&p->todo)) {
                want(rp, p);
            }
        }
    }
}

/* Does it lie at the server that was lost? What is nobody's just now may have lain there:
 * it has said that the slot isn't its own any more, and was lost then. */
static bool lay_at(fwi_redis_backplane *rb, const fwi_buf *key,
                   const fwi_redis_backplane *lost)
{
    const fwi_redis_backplane *at =
        rb->cluster->server_of(rb->cluster_user, rb, key->data, key->len);
    return at == lost || at == NULL;
}

void fwi_redis_presence_server_lost(fwi_redis_backplane *rb,
                                    const fwi_redis_backplane *lost)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_presence_channel *c, *next;
    bool list_lost =
        fwi_redis_channels_key(rb, &rp->key, rb->config.node, rb->lease.life) &&
        lay_at(rb, &rp->key, lost);
    HASH_ITER(hh, rp->table.channels, c, next)
    {
        bool entries_lost =
            fwi_redis_presence_key(rb, &rp->key, c->name) && lay_at(rb, &rp->key, lost);
        c->indexed = c->indexed && !list_lost;
        c->listed = c->listed && !list_lost;
        for (fwi_present *p = c->present; p != NULL; p = p->hh.next) {
            if (entries_lost || (list_lost && p == c->present)) {
                want(rp, p);
            }
        }
    }
}

void fwi_redis_presence_rewrite(fwi_redis_backplane *rb, uint64_t over)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_presence_channel *c, *next;
    HASH_ITER(hh, rp->table.channels, c, next)
    {
        c->indexed = c->listed = false;
        for (fwi_present *p = c->present; p != NULL; p = p->hh.next) {
            p->over = p->over > 0 ? p->over : over;
            want(rp, p);
        }
    }
}

void fwi_redis_presence_send(fwi_redis_backplane *rb)
{
    bool may = rb->lease.is_held && !fwi_timer_is_set(&rb->again);
    bool ok = !may || send_entries(rb);
    fwi_redis_sweeps_go_on(rb);
    if (!ok || !fwi_redis_questions_send(rb)) {
        rb->give_up = "out of memory";
    }
}
