/*
 * team.c - helper threads that share the blocks of a piece of work.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "team.h"

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
#include <unistd.h>

#define MOST_BY_DEFAULT 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static h5calib_task *first; /* tasks that may still need helpers */
static unsigned n_helpers;
static pid_t owner_pid;
static _Atomic(unsigned) waiting_tasks;

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

/* A task often comes right after the last one: look for it a moment before sleeping. */
static void look_around(void)
{
    for (int i = 0; i < 2000 && atomic_load(&waiting_tasks) == 0; i++)
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        sched_yield();
#endif
}

static void *help(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        h5calib_task *task = pick();
        if (!task) {
            pthread_mutex_unlock(&lock);
            look_around();
            pthread_mutex_lock(&lock);
            if (!(task = pick())) {
                pthread_cond_wait(&work, &lock);
                continue;
            }
        }
        unsigned worker = task->joined++;
        task->active++;
        pthread_mutex_unlock(&lock);
        work_on(task, worker);
        pthread_mutex_lock(&lock);
        if (--task->active == 0)
            pthread_cond_broadcast(&done);
    }
    return NULL;
}

/* Signals are for the program's own threads. */
static bool start_helper(void)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
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
    atomic_store(&waiting_tasks, 0);
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

static void offer(h5calib_task *task)
{
    task->after = first;
    first = task;
    atomic_fetch_add(&waiting_tasks, 1);
    pthread_cond_broadcast(&work);
}

bool h5calib_team_begin(h5calib_task *task)
{
    atomic_store(&task->next, 0);
    atomic_store(&task->failed, false);
    task->joined = 1; /* the owner */
    task->active = 0;
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
            atomic_fetch_sub(&waiting_tasks, 1);
            break;
        }
    while (task->active > 0)
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
