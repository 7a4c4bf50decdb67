/*
 * What http.listen serves, over a hub without sockets that has two members in a room with
 * history and presence. Somebody has logged in at the admin page: the seal is the same
 * for all executions, since its key and the time are.
 */
#ifndef TESTS_FUZZ_SITE_H
#define TESTS_FUZZ_SITE_H

#include "http/site.h"
#include "kept.h"
#include "support/core_rig.h"
#include "wire/json.h"

#define FUZZ_API_KEY  "secret"
#define FUZZ_PASSWORD "open, sesame"

enum { FUZZ_LOGGED_IN_MS = 12 * 3600 * 1000, FUZZ_ANSWER_MS = 6000 };

static core_rig rig;
static fwi_site site;
static char fuzz_seal[FWI_SEAL_TEXT];
static fwi_conn *fuzz_ann, *fuzz_bob;

static inline void fuzz_take_figures(void *user, fwi_hub_figures *out)
{
    (void)user;
    memset(out, 0, sizeof *out);
    out->node_name = "a";
    out->version = "0";
    out->backplane = "memory";
}

static inline void fuzz_site_begin(unsigned loops)
{
    core_rig_init_with(&rig, loops,
                       fuzz_options(0, "api.key", FUZZ_API_KEY, "api.timeout", "5s",
                                    "api.max_bytes", "64KiB", "api.max_items", "20",
                                    "raw.mode", "rooms", "admin.password", FUZZ_PASSWORD,
                                    "namespace.kept.history.size", "10",
                                    "namespace.kept.presence", "on", NULL));
    MUST(fwi_site_init(&site, &rig.hub, rig.options));
    site.take_figures = fuzz_take_figures;
    memset(site.secrets->admin_key, 7, sizeof site.secrets->admin_key);
    if (fuzz_seal[0] == '\0') {
        uint64_t until_ms = fwi_loop_now_ms(rig.loop[0]) + FUZZ_LOGGED_IN_MS;
        MUST(fwi_seal_make(site.secrets->admin_key, until_ms, fuzz_seal));
    }
    fuzz_ann = core_connect(&rig, 0, "room=kept:a&user=ann");
    fuzz_bob = core_connect(&rig, loops - 1, "room=kept:a&room=b&user=bob");
    core_rig_settle(&rig);
}

static inline void fuzz_site_end(void)
{
    core_conn_free(fuzz_ann);
    core_conn_free(fuzz_bob);
    fwi_site_stop(&site);
    core_rig_fini(&rig);
    fwi_site_fini(&site);
}

/* One value of JSON, or several in a row. */
static inline void fuzz_are_values(const char *text, size_t len)
{
    fwi_json value = {.kind = FWI_JSON_NONE};
    size_t used;
    MUST(len > 0);
    do {
        MUST(fwi_json_read_first(text, len, &value, &used, NULL));
        text += used;
        len -= used;
    } while (value.kind != FWI_JSON_NONE && len > 0);
}

#endif
