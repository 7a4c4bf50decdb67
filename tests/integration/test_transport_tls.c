/*
 * The transport over TLS: handshake, versions, ALPN, and what is wrong with files. That
 * back-pressure and pausing hold over TLS too is in test_transport.c.
 */
#include "transport_rig.h"

START_TEST(messages_of_all_length_forms_are_echoed_over_tls)
{
    rig_prepare();
    with_tls();
    rig_start();
    client c = client_open(0);
    client_tls(&c);
    const unsigned char *alpn = NULL;
    unsigned n = 0;
    SSL_get0_alpn_selected(c.ssl, &alpn, &n);
    ck_assert(n == 8 && memcmp(alpn, "http/1.1", 8) == 0);
    ck_assert_int_ge(SSL_version(c.ssl), TLS1_2_VERSION);
    client_send(&c, HANDSHAKE, strlen(HANDSHAKE));
    client_expect_101(&c);
    ck_assert_int_eq(R.shard.facts[0], '1');
    expect_echoes(&c);
    client_send_frame(&c, FWI_WS_CLOSE, "\x03\xe8", 2);
    client_expect_close(&c, 1000);
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(an_old_tls_version_is_refused)
{
    rig_prepare();
    with_tls();
    rig_start();
    client c = client_open(0);
    c.ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(c.ctx, 0);
    SSL_CTX_set_max_proto_version(c.ctx, TLS1_1_VERSION);
    c.ssl = SSL_new(c.ctx);
    SSL_set_fd(c.ssl, c.fd);
    ck_assert_int_ne(SSL_connect(c.ssl), 1);
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(half_a_tls_handshake_is_closed_when_its_time_is_over)
{
    rig_prepare();
    with_tls();
    R.config.handshake_timeout_ms = 100;
    rig_start();
    client c = client_open(0);
    client_send(&c, "\x16\x03\x01\x02", 4);
    char byte;
    ck_assert_int_le(client_recv(&c, &byte, 1), 0);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&R.shard.http_errors), 1);
    rig_stop();
}
END_TEST

static const struct {
    const char *name, *cert, *key, *detail;
} tls_errors[] = {
    {"no such certificate", "/nowhere/cert.pem", key, "/nowhere/cert.pem: No such file"},
    {"no key", cert, NULL, "tls.key"},
    {"no such key", cert, "/nowhere/key.pem", "/nowhere/key.pem: No such file"},
    {"a directory", "/tmp", key, "/tmp: Is a directory"},
    {"not PEM", "/proc/self/status", key, "/proc/self/status"},
    {"empty", "/dev/null", key, "/dev/null: is empty"},
    {"not a key", cert, cert, "transport-cert"},
    {"the key of another", cert, other_key, "mismatch"},
};

START_TEST(what_is_wrong_with_certificate_or_key_is_said_at_start)
{
    rig_prepare();
    R.config.tls_cert = tls_errors[_i].cert;
    R.config.tls_key = tls_errors[_i].key;
    int err = fwi_transport_new(&R.transport, R.loop, &R.shard, &R.config);
    ck_assert_msg(err == FW_ERR_TLS, "%s: %d %s", tls_errors[_i].name, err,
                  fw_error_detail());
    ck_assert_msg(strstr(fw_error_detail(), tls_errors[_i].detail) != NULL, "%s: %s",
                  tls_errors[_i].name, fw_error_detail());
    fwi_loop_uv_free(R.loop);
    fwi_networks_free((fwi_networks *)(uintptr_t)R.config.trusted);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("transport_tls");
    TCase *tc = tcase_create("transport_tls");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, messages_of_all_length_forms_are_echoed_over_tls);
    tcase_add_test(tc, an_old_tls_version_is_refused);
    tcase_add_test(tc, half_a_tls_handshake_is_closed_when_its_time_is_over);
    tcase_add_loop_test(tc, what_is_wrong_with_certificate_or_key_is_said_at_start, 0,
                        FWI_ARRAY_LEN(tls_errors));
    suite_add_tcase(s, tc);
    return rig_main(s);
}
