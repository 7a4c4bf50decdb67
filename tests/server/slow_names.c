/*
 * Stands before the C library (LD_PRELOAD) where the resolver is to be slow: who looks up
 * a name that ends in .slow waits until somebody opens the FIFO FW_SLOW_NAMES for
 * writing, and finds nothing.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *node, const char *service, const struct addrinfo *hints,
                   struct addrinfo **found);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    const char *end = node != NULL ? strrchr(node, '.') : NULL;
    if (end == NULL || strcmp(end, ".slow") != 0) {
        lookup *next = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
        return next(node, service, hints, found);
    }
    int fd = open(getenv("FW_SLOW_NAMES"), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    return EAI_AGAIN;
}
