/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that are read whole and replaced whole: a reader, and a machine that loses power, see the old one
 * or the new one.
 */
#ifndef LEAT_BASE_FILE_H
#define LEAT_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* At most `most` bytes, and one more if there are, so that a larger file shows. ret_text is malloc()ed and
 * ends with a NUL that does not count. 0 or -errno. */
int file_read(const char *path, size_t most, char **ret_text, size_t *ret_size);

/*
 * Replaces the file, or makes it; its directory is made when only that is missing. One that is there keeps
 * its owner and mode, and a symbolic link leads to the new one; a new one gets `mode`. 0 or -errno; then
 * the file is as it was.
 */
int file_replace(const char *path, const char *text, size_t size, mode_t mode);

#endif
