/*
 * Readings of /proc; see process.h. Called before and after a measurement, never within.
 */
#include "process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

bool process_exists(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", pid);
    return access(path, F_OK) == 0;
}

uint64_t process_cpu_ns(int pid)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    if (!dir) {
        return 0;
    }
    uint64_t sum = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) { // NOLINT(concurrency-mt-unsafe): one thread
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
        FILE *f = fopen(path, "re");
        uint64_t ns = 0;
        if (f) {
            if (fscanf(f, "%" SCNu64, &ns) == 1) { // NOLINT(cert-err34-c): the kernel's
                sum += ns;
            }
            fclose(f);
        }
    }
    closedir(dir);
    return sum;
}

uint64_t process_pss(int pid)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *f = fopen(path, "re");
    uint64_t kb = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "Pss: %" SCNu64, &kb) == 1) { // NOLINT(cert-err34-c)
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kb * 1024;
}

uint64_t kernel_tcp_bytes(void)
{
    char line[256];
    FILE *f = fopen("/proc/net/sockstat", "re");
    uint64_t pages = 0;
    while (f && fgets(line, sizeof line, f)) {
        // NOLINTNEXTLINE(cert-err34-c): the kernel's
        if (sscanf(line, "TCP: inuse %*u orphan %*u tw %*u alloc %*u mem %" SCNu64,
                   &pages) == 1) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
