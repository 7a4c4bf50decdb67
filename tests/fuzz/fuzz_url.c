/*
 * The addresses and networks of the options: whatever is read fits into its fields, and
 * what is listened on is written back to what it was.
 */
#include "fuzz.h"
#include "wire/url.h"
#include "wire/ws_handshake.h"

static void check_listen(const char *text)
{
    fwi_listen_url u, again;
    char back[sizeof u.host + sizeof u.file + sizeof u.path + 32];
    if (fwi_listen_url_parse(text, &u) != NULL) {
        return;
    }
    fwi_listen_url_text(&u, u.port, back, sizeof back);
    MUST(fwi_listen_url_parse(back, &again) == NULL);
    MUST(u.tls == again.tls && u.is_unix == again.is_unix && u.port == again.port);
    MUST(strcmp(u.host, again.host) == 0 && strcmp(u.file, again.file) == 0 &&
         strcmp(u.path, again.path) == 0);
}

static void check_redis(const char *text)
{
    fwi_redis_url u;
    char shown[1024];
    if (fwi_redis_url_parse(text, &u) != NULL) {
        return;
    }
    MUST(u.n_hosts <= FWI_REDIS_HOSTS_MAX &&
         (u.kind == FWI_REDIS_ONE) == (u.n_hosts == 0));
    fwi_redis_url_text(&u, shown, sizeof shown);
    MUST(strlen(shown) < sizeof shown);
    if (u.kind != FWI_REDIS_ONE) {
        u = fwi_redis_url_of_host(&u);
        MUST(u.kind == FWI_REDIS_ONE && u.n_hosts == 0);
    }
}

/* A network has the address that it is written with in it. */
static void check_networks(const char *text)
{
    char address[64];
    size_t bad;
    fwi_networks *list = fwi_networks_new(&text, 1, &bad);
    if (list == NULL) {
        MUST(bad == 0);
        return;
    }
    snprintf(address, sizeof address, "%.*s", (int)strcspn(text, "/"), text);
    MUST(strcmp(text, "unix") == 0 || fwi_networks_contain(list, address));
    fwi_networks_contain(list, text);
    MUST(fwi_networks_contain(list, ""));
    fwi_networks_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    fuzz_piece text = fuzz_rest(&in);
    fwi_listen_url address = {0};
    check_listen(text.data);
    check_redis(text.data);
    check_networks(text.data);
    if (fwi_address_parse(text.data, &address) == NULL) {
        MUST(address.port >= 0 && address.port <= 65535);
    }
    free(text.data);
    return 0;
}
