/*
 * See fdmark.h.
 */
#include "base/fdmark.h"

#include <sys/stat.h>

fwi_fdmark fwi_fdmark_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (fwi_fdmark){st.st_dev, st.st_ino} : (fwi_fdmark){0, 0};
}

bool fwi_fdmark_fits(const fwi_fdmark *mark, int fd)
{
    fwi_fdmark now = fwi_fdmark_of(fd);
    return mark->ino != 0 && now.dev == mark->dev && now.ino == mark->ino;
}
