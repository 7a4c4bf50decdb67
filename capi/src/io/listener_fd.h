/*
 * Sockets that listen already: what they are and where they are bound. Whoever makes one
 * into a listener calls fwi_listener_adopt. @thread any
 */
#ifndef FWI_IO_LISTENER_FD_H
#define FWI_IO_LISTENER_FD_H

#include "io/loop_uv.h"

/* Is it a stream socket, TCP or Unix, that listens? */
bool fwi_listener_fd_is_one(int fd);

/* Is it bound to this address? Port 0 is any port, as when one is opened; a socket of
 * [::] that takes IPv4 too is also that of 0.0.0.0. A name is looked up. */
bool fwi_listener_fd_fits(int fd, const fwi_listen_at *at);

/* Where it is bound, for people: "127.0.0.1:9090", "[::]:80", "unix:/path". */
void fwi_listener_fd_text(int fd, char *out, size_t cap);

int fwi_listener_fd_port(int fd); /* 0 for a Unix socket */
/* "" for TCP, and for a Unix socket without a name in the file system. */
void fwi_listener_fd_file(int fd, char *out, size_t cap);

#endif
