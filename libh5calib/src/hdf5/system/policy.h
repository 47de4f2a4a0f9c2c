/*
 * policy.h - what a file may make this process do, as the environment says.
 */
#ifndef H5CALIB_POLICY_H
#define H5CALIB_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* H5CALIB_MAX_BYTES: what one call may take for buffers whose sizes a file supplies, beside the
 * constants that are kept (H5CALIB_CACHE_BYTES). 4 GiB, which is what a chunk may have. UINT64_MAX
 * stands for a number that cannot be counted. */
bool h5calib_within_bound(const char *what, uint64_t bytes, char *message, size_t message_size);
/* The bound itself, for what can be done in another way; 0 where it is no number. */
uint64_t h5calib_bound(void);

/* H5CALIB_EXTERNAL: which other files a file in `folder` (a path that ends with a separator) may
 * lead to: any (also where it is not set), none, those below that folder, or those below one of a
 * list of absolute folders. `path` may have links, which are followed first; NULL: a file that is
 * not looked at by its name, which only `any` allows. */
bool h5calib_may_lead_to(const char *folder, const char *path, char *message, size_t message_size);

#endif
