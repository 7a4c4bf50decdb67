/*
 * The emitter, and what the options say of Redis.
 */
#include "api/hub_inside.h"

#include <string.h>

#include <fanwire/emitter.h>

#include "wire/name.h"

static const char *text_or_null(const fw_options *o, fwi_option which)
{
    const char *text = fwi_options_text(o, which);
    return text[0] ? text : NULL;
}

int fwi_redis_config_read(const fw_options *o, fwi_redis_config *config)
{
    const char *url = fwi_options_text(o, FWI_OPT_REDIS_URL);
    memset(config, 0, sizeof *config);
    if (url[0] != '\0') {
        const char *problem = fwi_redis_url_parse(url, &config->url);
        if (problem != NULL) {
            return fwi_error(FW_ERR_OPTION, "redis.url: %s", problem);
        }
    }
    config->prefix = fwi_options_text(o, FWI_OPT_REDIS_PREFIX);
    config->tls_ca = text_or_null(o, FWI_OPT_REDIS_TLS_CA);
    config->tls_cert = text_or_null(o, FWI_OPT_REDIS_TLS_CERT);
    config->tls_key = text_or_null(o, FWI_OPT_REDIS_TLS_KEY);
    config->tls_insecure = fwi_options_int(o, FWI_OPT_REDIS_TLS_INSECURE) != 0;
    config->queue_max_bytes = (size_t)fwi_options_int(o, FWI_OPT_REDIS_QUEUE_MAX_BYTES);
    config->lease_ms = (uint64_t)fwi_options_int(o, FWI_OPT_NODE_LEASE);
    config->queue_deadline_ms =
        (uint64_t)fwi_options_int(o, FWI_OPT_REDIS_QUEUE_DEADLINE);
    return FW_OK;
}

struct fw_emitter {
    fw_options *options;
    fwi_redis_config config;
    fwi_redis_emitter *redis;
    fwi_log log;
};

int fw_emitter_new(fw_emitter **out, const fw_options *options)
{
    int err = FW_ERR_MEMORY;
    fw_emitter *e = calloc(1, sizeof *e);
    if (e == NULL || options == NULL ||
        fwi_options_text(options, FWI_OPT_REDIS_URL)[0] == 0) {
        err = e == NULL ? fwi_error(FW_ERR_MEMORY, "out of memory")
                        : fwi_error(FW_ERR_OPTION, "redis.url: an emitter needs it");
        free(e);
        return err;
    }
    e->options = fwi_options_copy(options);
    if (e->options != NULL) {
        err = fwi_redis_config_read(e->options, &e->config);
    }
    if (err == FW_OK) {
        e->config.node = fwi_rand_secure();
        e->config.seed = e->config.node;
        e->config.log = &e->log;
        e->redis = fwi_redis_emitter_new(&e->config);
        err = e->redis ? FW_OK : FW_ERR_MEMORY;
    }
    if (err != FW_OK) {
        if (err == FW_ERR_MEMORY) {
            fwi_error(err, "out of memory");
        }
        fw_emitter_free(e);
        return err;
    }
    *out = e;
    return FW_OK;
}

void fw_emitter_free(fw_emitter *e)
{
    if (e != NULL) {
        fwi_redis_emitter_free(e->redis);
        fw_options_free(e->options);
        free(e);
    }
}

static int emit(fw_emitter *e, const char *channel, fw_message *m, int timeout_ms)
{
    atomic_store(&m->sent, true);
    return fwi_redis_emitter_publish(e->redis, channel, m,
                                     timeout_ms > 0 ? timeout_ms : 5000);
}

static int emit_named(fw_emitter *e, char kind, const char *what, const char *name,
                      fw_message *m, int timeout_ms)
{
    char channel[FWI_CHANNEL_CAP];
    int err = fwi_check_name(what, name);
    if (err != FW_OK) {
        return err;
    }
    fwi_channel_name(kind, name, channel);
    return emit(e, channel, m, timeout_ms);
}

int fw_emitter_publish(fw_emitter *e, const char *room, fw_message *m, int timeout_ms)
{
    return emit_named(e, 'r', "room", room, m, timeout_ms);
}

int fw_emitter_send_user(fw_emitter *e, const char *user, fw_message *m, int timeout_ms)
{
    return emit_named(e, 'u', "user", user, m, timeout_ms);
}

int fw_emitter_disconnect_user(fw_emitter *e, const char *user, unsigned code,
                               const char *reason, int timeout_ms)
{
    int err = fwi_check_close(code, reason);
    if (err != FW_OK) {
        return err;
    }
    const char *text = reason != NULL ? reason : "";
    fw_message *m = fwi_message_new(FWI_MSG_CLOSE, text, strlen(text), FW_TEXT);
    if (m == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    m->code = (uint16_t)code;
    err = emit_named(e, 'u', "user", user, m, timeout_ms);
    fw_message_unref(m);
    return err;
}

int fw_emitter_send_all(fw_emitter *e, fw_message *m, int timeout_ms)
{
    return emit(e, "all", m, timeout_ms);
}
