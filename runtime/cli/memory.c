#include "runtime/cli/memory.h"

#include <features.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cjson/cJSON.h>
#include <libxml/xmlmemory.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <uv.h>

#include "compiler/base/arena.h"

static void *crypto_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return base_alloc(size);
}

static void *crypto_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return base_realloc(memory, size);
}

static void crypto_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

void memory_end_process_without(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = base_alloc, .free_fn = free});
    (void)xmlMemSetup(free, base_alloc, base_realloc, base_strdup);
    (void)CRYPTO_set_mem_functions(crypto_alloc, crypto_realloc, crypto_free);
    (void)uv_replace_allocator(base_alloc, base_realloc, base_calloc, free);
}

void memory_keep_freed(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_MIB << 20);
#endif
}
