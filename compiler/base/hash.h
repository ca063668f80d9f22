/* Hash: uthash, whose tables end the process without memory as all of drc does. Included instead of
 * uthash.h; a table in an arena: map.h. */
#ifndef DRC_BASE_HASH_H
#define DRC_BASE_HASH_H

#include "compiler/base/arena.h"

#define uthash_fatal(message) base_out_of_memory()
#include <uthash.h>

#endif
