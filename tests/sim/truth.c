/*
 * Plain arrays: a run says some hundred things.
 */
#include "truth.h"

#include <stdlib.h>
#include <string.h>

static void *grown(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return array;
    }
    *cap = *cap ? *cap * 2 : 64;
    void *more = realloc(array, *cap * size);
    FWI_ASSERT(more != NULL);
    return more;
}

void truth_fini(truth *t)
{
    free(t->places);
    free(t->claims);
    memset(t, 0, sizeof *t);
}

bool truth_add(truth *t, unsigned room, fwi_position at, const char *text, size_t len)
{
    t->places = grown(t->places, t->n_places, &t->places_cap, sizeof *t->places);
    truth_place *to = &t->places[t->n_places];
    *to = (truth_place){.room = room, .at = at, .said_in = t->failovers};
    snprintf(to->text, sizeof to->text, "%.*s", (int)len, text);
    for (size_t i = 0; i < t->n_places; i++) {
        if (t->places[i].at.epoch == at.epoch && t->places[i].lost_in == 0 &&
            strcmp(t->places[i].text, to->text) == 0) {
            return false;
        }
    }
    t->n_places++;
    return true;
}

static bool is_at(const truth_place *p, unsigned room, fwi_position at)
{
    return p->room == room && p->at.epoch == at.epoch && p->at.offset == at.offset;
}

const truth_place *truth_find(const truth *t, unsigned room, fwi_position at,
                              const char *text)
{
    for (size_t i = t->n_places; i-- > 0;) {
        if (is_at(&t->places[i], room, at) && strcmp(t->places[i].text, text) == 0) {
            return &t->places[i];
        }
    }
    return NULL;
}

void truth_lose(truth *t, const fwi_position *top, unsigned rooms)
{
    t->failovers++;
    for (size_t i = 0; i < t->n_places; i++) {
        truth_place *p = &t->places[i];
        FWI_ASSERT(p->room < rooms);
        fwi_position end = top[p->room];
        if (p->lost_in == 0 && p->at.epoch == end.epoch && p->at.offset > end.offset) {
            p->lost_in = t->failovers;
        }
    }
}

bool truth_was_lost(const truth *t, unsigned room, fwi_position at, const char *text)
{
    for (size_t i = 0; i < t->n_places; i++) {
        const truth_place *p = &t->places[i];
        if (is_at(p, room, at) && p->lost_in != 0 &&
            (text == NULL || strcmp(p->text, text) == 0)) {
            return true;
        }
    }
    return false;
}

bool truth_may_follow(const truth_place *a, const truth_place *b)
{
    return a->lost_in == 0 || b->said_in < a->lost_in;
}

void truth_claim_add(truth *t, unsigned node, const char *text)
{
    t->claims = grown(t->claims, t->n_claims, &t->claims_cap, sizeof *t->claims);
    truth_claim *c = &t->claims[t->n_claims++];
    *c = (truth_claim){.node = node};
    snprintf(c->text, sizeof c->text, "%s", text);
}

void truth_excuse(truth *t, unsigned node)
{
    for (size_t i = 0; i < t->n_claims; i++) {
        t->claims[i].excused = t->claims[i].excused || t->claims[i].node == node;
    }
}

static bool has_place(const truth *t, const char *text)
{
    for (size_t i = 0; i < t->n_places; i++) {
        if (strcmp(t->places[i].text, text) == 0) {
            return true;
        }
    }
    return false;
}

size_t truth_missing(const truth *t, const char **example)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_claims; i++) {
        if (!t->claims[i].excused && !has_place(t, t->claims[i].text)) {
            *example = t->claims[i].text;
            n++;
        }
    }
    return n;
}
