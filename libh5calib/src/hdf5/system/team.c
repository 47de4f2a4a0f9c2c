/*
 * team.c - helper threads that share the blocks of a piece of work.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "hdf5/system/team.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(_WIN32)

/* One thread: correct, and simple. */
unsigned h5calib_team_threads(void)
{
    return 1;
}
bool h5calib_team_begin(h5calib_task *task)
{
    (void)task;
    return false;
}
void h5calib_team_cancel(h5calib_task *task)
{
    (void)task;
}
void h5calib_team_make(unsigned threads)
{
    (void)threads;
}
bool h5calib_team_do(h5calib_task *task)
{
    for (size_t i = 0; i < task->n_blocks; i++)
        if (!task->block(task->data, i, 0))
            return false;
    return true;
}
bool h5calib_team_finish(h5calib_task *task)
{
    return h5calib_team_do(task);
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define MOST_BY_DEFAULT 4
#define PATIENCE_NS 200000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static h5calib_task *first; /* tasks that may still need helpers */
static unsigned n_helpers;
static pid_t owner_pid;
static _Atomic(unsigned) offers; /* how many tasks were ever offered */

static unsigned usable_processors(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

unsigned h5calib_team_threads(void)
{
    const char *text = getenv("H5CALIB_NUM_THREADS");
    char *end;
    long n = text && *text ? strtol(text, &end, 10) : 0;
    if (n > 0 && !*end)
        return n < H5CALIB_MOST_WORKERS ? (unsigned)n : H5CALIB_MOST_WORKERS;
    unsigned usable = usable_processors();
    return usable < MOST_BY_DEFAULT ? usable : MOST_BY_DEFAULT;
}

/* Blocks until there are none left. */
static void work_on(h5calib_task *task, unsigned worker)
{
    size_t i;
    while ((i = atomic_fetch_add(&task->next, 1)) < task->n_blocks)
        if (!task->block(task->data, i, worker)) {
            atomic_store(&task->failed, true);
            atomic_store(&task->next, task->n_blocks);
        }
}

static h5calib_task *pick(void)
{
    for (h5calib_task *task = first; task; task = task->after)
        if (task->joined < task->most_workers && atomic_load(&task->next) < task->n_blocks)
            return task;
    return NULL;
}

/* Waking a thread takes longer than a block: look on for a moment before sleeping. What is
 * looked for comes, if at all, while HDF5 copies a chunk or a few blocks are done. */
static bool patience(struct timespec *until, unsigned *turns)
{
    struct timespec now;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
    if (++*turns % 64)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (*turns == 64) {
        *until = now;
        until->tv_nsec += PATIENCE_NS;
    }
    return now.tv_sec == until->tv_sec && now.tv_nsec < until->tv_nsec;
}

static void await_offer(unsigned seen)
{
    struct timespec until = {0};
    unsigned turns = 0;
    while (atomic_load(&offers) == seen && patience(&until, &turns))
        ;
}

static void await_helpers(h5calib_task *task)
{
    struct timespec until = {0};
    unsigned turns = 0;
    while (atomic_load(&task->active) > 0 && patience(&until, &turns))
        ;
}

static void *help(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        h5calib_task *task = pick();
        if (!task) {
            const unsigned seen = atomic_load(&offers);
            pthread_mutex_unlock(&lock);
            await_offer(seen);
            pthread_mutex_lock(&lock);
            if (!(task = pick())) {
                if (atomic_load(&offers) == seen)
                    pthread_cond_wait(&work, &lock);
                continue;
            }
        }
        unsigned worker = task->joined++;
        atomic_fetch_add(&task->active, 1);
        pthread_mutex_unlock(&lock);
        work_on(task, worker);
        pthread_mutex_lock(&lock);
        if (atomic_fetch_sub(&task->active, 1) == 1)
            pthread_cond_broadcast(&done);
    }
    return NULL;
}

/* Signals are for the program's own threads; but a bus error comes to the thread that made it,
 * and is fatal where it is blocked (see inplace.h). */
static bool start_helper(void)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, NULL, help, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        pthread_detach(thread);
    return ok;
}

/* After a fork there are no helpers, and the locks may be in any state. */
static void after_fork(void)
{
    static const pthread_mutex_t fresh_lock = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    lock = fresh_lock;
    work = done = fresh;
    first = NULL;
    n_helpers = 0;
}

static void reserve(unsigned wanted)
{
    if (owner_pid != getpid()) {
        if (owner_pid == 0)
            pthread_atfork(NULL, NULL, after_fork);
        owner_pid = getpid();
    }
    while (n_helpers < wanted && start_helper())
        n_helpers++;
}

void h5calib_team_make(unsigned threads)
{
    pthread_mutex_lock(&lock);
    reserve(threads - 1);
    pthread_mutex_unlock(&lock);
}

static void offer(h5calib_task *task)
{
    task->after = first;
    first = task;
    atomic_fetch_add(&offers, 1);
    pthread_cond_broadcast(&work);
}

bool h5calib_team_begin(h5calib_task *task)
{
    atomic_store(&task->next, 0);
    atomic_store(&task->failed, false);
    task->joined = 1; /* the owner */
    atomic_store(&task->active, 0);
    task->process = (long)getpid();
    if (task->most_workers < 2)
        return false;
    pthread_mutex_lock(&lock);
    reserve(task->most_workers - 1);
    bool helpers = n_helpers > 0;
    if (helpers)
        offer(task);
    pthread_mutex_unlock(&lock);
    return helpers;
}

static void withdraw(h5calib_task *task)
{
    pthread_mutex_lock(&lock);
    for (h5calib_task **at = &first; *at; at = &(*at)->after)
        if (*at == task) {
            *at = task->after;
            break;
        }
    pthread_mutex_unlock(&lock);
    await_helpers(task);
    pthread_mutex_lock(&lock);
    while (atomic_load(&task->active) > 0)
        pthread_cond_wait(&done, &lock);
    pthread_mutex_unlock(&lock);
}

static bool forked(const h5calib_task *task)
{
    return task->process != (long)getpid();
}

bool h5calib_team_finish(h5calib_task *task)
{
    if (forked(task))
        return false;
    work_on(task, 0);
    withdraw(task);
    return !atomic_load(&task->failed);
}

void h5calib_team_cancel(h5calib_task *task)
{
    if (forked(task))
        return;
    atomic_store(&task->next, task->n_blocks);
    withdraw(task);
}

bool h5calib_team_do(h5calib_task *task)
{
    bool begun = task->n_blocks > 1 && h5calib_team_begin(task);
    if (begun)
        return h5calib_team_finish(task);
    atomic_store(&task->next, 0);
    atomic_store(&task->failed, false);
    work_on(task, 0);
    return !atomic_load(&task->failed);
}
#endif
