/*
 * What /proc says of the servers: CPU and memory by process number, and what the kernel
 * keeps for all TCP sockets of the machine. Nothing here knows of WebSockets.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

bool process_exists(int pid);

/* CPU time of all threads of a process, in ns; 0 if there is no such process. What a
 * thread that has ended had used is not in it. */
uint64_t process_cpu_ns(int pid);

/* Its proportional set size in bytes: shared pages count by their share. */
uint64_t process_pss(int pid);

/* What TCP has taken of the kernel's memory for buffers, in bytes: all sockets of the
 * machine, so on loopback both ends of a connection. */
uint64_t kernel_tcp_bytes(void);

#endif
