/*
 * team.h - helper threads that share the blocks of a piece of work.
 *
 * A task is a number of blocks that may be done in any order by any thread. The
 * thread that has the task works on it too, so nothing depends on a helper being
 * there. Helpers only ever call the task's function: no HDF5. They are made on
 * first use or before, made anew in the child after a fork, and never end.
 */
#ifndef H5CALIB_TEAM_H
#define H5CALIB_TEAM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct h5calib_task h5calib_task;
struct h5calib_task {
    /* Does one block; false stops the task. `worker` is 0 for the owner, then 1, ... */
    bool (*block)(void *data, size_t number, unsigned worker);
    void *data;
    size_t n_blocks;
    unsigned most_workers; /* owner included */
    /* the team's own */
    _Atomic(size_t) next;
    _Atomic(bool) failed;
    unsigned joined;
    _Atomic(unsigned) active; /* changed under the lock, waited for without it */
    long process;             /* that began it */
    struct h5calib_task *after;
};

#define H5CALIB_MOST_WORKERS 64

/* How many threads a task may have: H5CALIB_NUM_THREADS, or what this process may use. */
unsigned h5calib_team_threads(void);

/* Make the helpers for tasks of so many threads: the first one need not wait for them. */
void h5calib_team_make(unsigned threads);
/* Do all of a task and return whether every block succeeded. */
bool h5calib_team_do(h5calib_task *task);
/* Let helpers begin with a task; its owner goes on with something else. False if there
 * are no helpers: then nothing was started. */
bool h5calib_team_begin(h5calib_task *task);
/* Do what is left of a begun task and wait for the helpers. False as well where the
 * process was forked in between: the helpers stayed behind with what they had begun. */
bool h5calib_team_finish(h5calib_task *task);
/* Stop a begun task; when this returns nobody works on it. */
void h5calib_team_cancel(h5calib_task *task);

#endif
