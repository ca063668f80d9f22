/* Memory: what the libraries do when there is none: end the process as drc's own code does. Most of
 * them would go on with half an answer, or abort. */
#ifndef DRC_CLI_MEMORY_H
#define DRC_CLI_MEMORY_H

/* For cJSON, libxml2, OpenSSL and libuv (libcurl: real_curl.c). SQLite is left as it is: it says "out
 * of memory", which is an error like a full disk. Once, before any of them is used. */
void memory_end_process_without(void);

/* Blocks of disks come and go by the thousand: what is freed is kept for the next one (up to
 * MEMORY_KEPT_MIB at the heap's end), instead of being given back and zeroed anew by the system. Where the
 * C library can. */
enum { MEMORY_KEPT_MIB = 64 };
void memory_keep_freed(void);

#endif
