/*
 * See forkmark.h.
 */
#include "base/forkmark.h"

#include <sys/mman.h>

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void fwi_forkmark_init(fwi_forkmark *mark)
{
    mark->owner = getpid();
    mark->ours = NULL;
    unsigned char *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return;
    }
    /* qemu-user takes any advice, and does nothing about it: this one doesn't exist. */
    if (madvise(page, page_size(), -1) == 0 ||
        madvise(page, page_size(), MADV_WIPEONFORK) != 0) {
        munmap(page, page_size());
        return;
    }
    *page = 1;
    mark->ours = page;
}

void fwi_forkmark_fini(fwi_forkmark *mark)
{
    if (mark->ours != NULL) {
        munmap((void *)(uintptr_t)mark->ours, page_size());
        mark->ours = NULL;
    }
}
