/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last versions of the configuration in a directory: an index, replaced as a whole, and the text of
 * each in a file of its own.
 */
#ifndef LEAT_DAEMON_VERSION_STORE_H
#define LEAT_DAEMON_VERSION_STORE_H

#include "model/config_version.h"

/* No directory and no index are no versions. 0 or -errno, logged; -EINVAL: it is no index. */
int version_store_load(const char *directory, struct config_versions *ret_versions);
/* 0 or -errno; the index then is as it was. */
int version_store_save(const char *directory, const struct config_versions *versions);
/* Takes the index away, which is of no use, but keeps it for people. 0 or -errno. */
int version_store_set_aside(const char *directory);

/* 0 or -errno. */
int version_store_keep_text(const char *directory, const struct config_version *version,
			    const char *text, size_t size);
/* malloc()ed. 0; -ENOENT: it is not kept; -EBADMSG: somebody changed it; other -errno. */
int version_store_read_text(const char *directory, const struct config_version *version,
			    char **ret_text, size_t *ret_size);
/* Deletes the texts of versions that are not in the list. */
void version_store_prune(const char *directory, const struct config_versions *versions);

#endif
