/*
 * Texts that Redis answers with and that have a form of their own: the map of a Cluster
 * (CLUSTER NODES), what a replica says of itself, and pages of members, whose entries any
 * program may have written. The first byte says which.
 */
#include "backplane/redis_map.h"
#include "backplane/redis_presence.h"
#include "backplane/redis_topology.h"
#include "fuzz.h"

static void read_map(const fuzz_piece *text, bool names)
{
    static const fwi_redis_host from = {"127.0.0.1", 6379};
    static fwi_redis_map map; /* its owners alone are 32 KB */
    fwi_redis_url url = {.kind = FWI_REDIS_CLUSTER, .n_hosts = 1, .hosts = {from}};
    if (fwi_redis_map_read(text->data, text->len, &from, names, &map) != NULL) {
        return;
    }
    size_t unserved = 0, slots = 0;
    MUST(map.n <= FWI_REDIS_MASTERS_MAX);
    for (size_t i = 0; i < FWI_REDIS_SLOTS; i++) {
        MUST(map.owner[i] == FWI_REDIS_NO_MASTER || map.owner[i] < map.n);
        unserved += map.owner[i] == FWI_REDIS_NO_MASTER;
    }
    for (size_t i = 0; i < map.n; i++) {
        slots += map.masters[i].slots;
        MUST(map.masters[i].at.port > 0 && map.masters[i].at.port <= 65535);
    }
    MUST(unserved == map.unserved && slots + unserved == FWI_REDIS_SLOTS);
    fwi_redis_map_add_hosts(&map, &url, 1);
    MUST(url.n_hosts <= FWI_REDIS_HOSTS_MAX);
    fwi_redis_map_fini(&map);
}

static void read_members(const fuzz_piece *text)
{
    fwi_member_page page;
    fwi_redis_members_read(text->data, text->len, &page);
    for (size_t i = 0; i < page.n; i++) {
        MUST(page.members[i]->origin != NULL);
    }
    MUST(page.err == 0 || page.why[0] != '\0');
    fwi_redis_members_free(&page);
}

static void read_role(const fuzz_piece *text)
{
    const fwi_redis_part part = {FWI_REDIS_STRING, text->data, text->len, 0};
    const fwi_redis_reply reply = {.whole = part};
    fwi_redis_master_problem(&reply);
}

/* Two parts, parted by a line break. */
static void read_master(fuzz_input *in)
{
    fuzz_piece host = fuzz_until(in, '\n'), port = fuzz_rest(in);
    fwi_redis_host to;
    fwi_redis_reply reply = {.whole = {.type = FWI_REDIS_ARRAY, .str = ""}, .parts = 2};
    reply.part[0] = (fwi_redis_part){FWI_REDIS_STRING, host.data, host.len, 0};
    reply.part[1] = (fwi_redis_part){FWI_REDIS_STRING, port.data, port.len, 0};
    if (fwi_redis_master_of(&reply, &to) == NULL) {
        MUST(to.port > 0 && to.port <= 65535 && strlen(to.host) < sizeof to.host);
    }
    free(host.data);
    free(port.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned what = fuzz_u8(&in) % 5;
    if (what == 4) {
        read_master(&in);
        return 0;
    }
    fuzz_piece text = fuzz_rest(&in);
    if (what < 2) {
        read_map(&text, what == 1);
    } else if (what == 2) {
        read_members(&text);
    } else {
        read_role(&text);
    }
    free(text.data);
    return 0;
}
