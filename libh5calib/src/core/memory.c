/*
 * memory.c - memory for constants.
 *
 * A fresh page costs the kernel more time than filling it. Constants of many cells are
 * megabytes each, so on Linux they are cut from regions of huge pages: a region holds
 * blocks of one size and goes back to the system when the last of them is released.
 */
#include <stdlib.h>
#ifdef _WIN32
#include <malloc.h>
#endif

#include "core/internal.h"

#define CACHE_LINE 64

static void *allocate(size_t bytes)
{
    bytes = (bytes + CACHE_LINE) / CACHE_LINE * CACHE_LINE;
#ifdef _WIN32
    return _aligned_malloc(bytes, CACHE_LINE);
#else
    return aligned_alloc(CACHE_LINE, bytes);
#endif
}

static void release(void *memory)
{
#ifdef _WIN32
    _aligned_free(memory);
#else
    free(memory);
#endif
}

/* Under a sanitizer every block has a fence around it instead. */
#if defined(__SANITIZE_ADDRESS__)
#define PLAIN_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLAIN_MEMORY 1
#endif
#endif

#if defined(__linux__) && !defined(PLAIN_MEMORY)
#include <pthread.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define LARGEST_SHARED (4 * HUGE_PAGE)
#define LEAST_BLOCK ((size_t)64 << 10)
#define MOST_BLOCKS 64

typedef struct region {
    struct region *next;
    char *memory;
    size_t bytes, block; /* of all, of one block */
    unsigned n;          /* blocks */
    uint64_t used;       /* one bit a block */
} region;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static region *regions;

/* A fork finds the list whole: it waits for who is at it. */
static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}
static void give_lock(void)
{
    pthread_mutex_unlock(&lock);
}
static void watch_forks(void)
{
    pthread_atfork(take_lock, give_lock, give_lock);
}

/* As few huge pages as hold blocks of that size without much left over. */
static size_t region_bytes(size_t block)
{
    size_t bytes = (block + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    while (bytes < LARGEST_SHARED && bytes % block > bytes / 8)
        bytes += HUGE_PAGE;
    return bytes;
}

static size_t blocks_of_region(size_t block)
{
    const size_t n = region_bytes(block) / block;
    return n < MOST_BLOCKS ? n : MOST_BLOCKS;
}

static region *new_region(size_t block)
{
    region *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->bytes = region_bytes(block);
    r->block = block;
    r->n = (unsigned)blocks_of_region(block);
    char *mapped = mmap(NULL, r->bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        free(r);
        return NULL;
    }
    const size_t before = (size_t)(-(uintptr_t)mapped % HUGE_PAGE);
    r->memory = mapped + before;
    if (before > 0)
        munmap(mapped, before);
    if (before < HUGE_PAGE)
        munmap(r->memory + r->bytes, HUGE_PAGE - before);
    madvise(r->memory, r->bytes, MADV_HUGEPAGE); /* advice: without it the pages are small */
    r->next = regions;
    return regions = r;
}

static void *take_block(size_t block)
{
    region *r = regions;
    while (r && (r->block != block || r->used == UINT64_MAX >> (64 - r->n)))
        r = r->next;
    if (!r && !(r = new_region(block)))
        return NULL;
    unsigned i = 0;
    while (r->used >> i & 1)
        i++;
    r->used |= UINT64_C(1) << i;
    return r->memory + i * block;
}

/* False if the block is not from a region. */
static bool give_block(char *memory)
{
    for (region **at = &regions; *at; at = &(*at)->next) {
        region *r = *at;
        if (memory < r->memory || memory >= r->memory + r->bytes)
            continue;
        r->used &= ~(UINT64_C(1) << (size_t)(memory - r->memory) / r->block);
        if (!r->used) {
            *at = r->next;
            munmap(r->memory, r->bytes);
            free(r);
        }
        return true;
    }
    return false;
}

static size_t whole_lines(size_t bytes)
{
    return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t h5calib_allocated_bytes(size_t bytes)
{
    if (bytes < LEAST_BLOCK)
        return bytes;
    const size_t block = whole_lines(bytes);
    return region_bytes(block) / blocks_of_region(block);
}

void *h5calib_allocate(size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    if (bytes < LEAST_BLOCK)
        return allocate(bytes);
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    void *memory = take_block(whole_lines(bytes));
    pthread_mutex_unlock(&lock);
    return memory;
}

void h5calib_release(void *memory)
{
    if (!memory)
        return;
    pthread_mutex_lock(&lock);
    const bool from_region = give_block(memory);
    pthread_mutex_unlock(&lock);
    if (!from_region)
        release(memory);
}

#else

size_t h5calib_allocated_bytes(size_t bytes)
{
    return bytes;
}

void *h5calib_allocate(size_t bytes)
{
    return bytes > SIZE_MAX / 2 ? NULL : allocate(bytes);
}

void h5calib_release(void *memory)
{
    release(memory);
}

#endif
