/*
 * OpenSSL's SHA-1, looked up once a process: from version 3 on EVP_sha1() is only a name,
 * and each use of it searches the providers, which takes ten times as long as the hash
 * itself and was two fifths of all that a handshake costs us.
 * @thread any
 */
#include "wire/sha1.h"

#include <openssl/evp.h>
#include <pthread.h>

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *fetched; /* as long as the process lives; NULL: asked for each time */

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA1", NULL);
}

static const EVP_MD *sha1(void)
{
    pthread_once(&once, fetch);
    return fetched != NULL ? fetched : EVP_sha1();
}
#else
static const EVP_MD *sha1(void)
{
    return EVP_sha1();
}
#endif

bool fwi_sha1(const void *data, size_t len, uint8_t out[FWI_SHA1_LEN])
{
    unsigned n = 0;
    return EVP_Digest(data, len, out, &n, sha1(), NULL) == 1 && n == FWI_SHA1_LEN;
}
