/*
 * The client's side of TLS, as bytes in and bytes out: it has no socket. A stream feeds
 * it what came from the peer, sends what it puts out, and reads and writes plain bytes.
 * One object a connection. @thread the stream's
 */
#ifndef FWI_IO_STREAM_TLS_H
#define FWI_IO_STREAM_TLS_H

#include "core/loop.h"

typedef struct fwi_tls fwi_tls;

/* Reads the files that the target names. NULL: why says what is wrong with them, or that
 * memory is out. */
fwi_tls *fwi_tls_new(const fwi_stream_target *target, char *why, size_t cap);
void fwi_tls_free(fwi_tls *t); /* takes NULL */

/* Can the certificate be read, and is the key its own? False: why says what is wrong. */
bool fwi_tls_files_are_good(const char *cert, const char *key, char *why, size_t cap);

typedef enum {
    FWI_TLS_MORE,   /* waits for bytes of the peer */
    FWI_TLS_DONE,   /* the handshake is finished; plain bytes were read */
    FWI_TLS_CLOSED, /* the peer said goodbye */
    FWI_TLS_FAILED  /* fwi_tls_why has a sentence */
} fwi_tls_result;

/* What the peer sent. false: out of memory. */
bool fwi_tls_feed(fwi_tls *t, const void *data, size_t len);

fwi_tls_result fwi_tls_handshake(fwi_tls *t);
fwi_tls_result fwi_tls_read(fwi_tls *t, void *out, size_t cap, size_t *len);
/* false: failed. */
bool fwi_tls_write(fwi_tls *t, const void *data, size_t len);
/* Puts out the goodbye. */
void fwi_tls_bye(fwi_tls *t);

/* What is to be sent, valid until the next call; fwi_tls_sent drops all of it. Look after
 * each of the calls above. */
size_t fwi_tls_output(fwi_tls *t, const char **data);
void fwi_tls_sent(fwi_tls *t);

const char *fwi_tls_why(const fwi_tls *t);

#endif
