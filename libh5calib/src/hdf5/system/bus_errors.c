/*
 * bus_errors.c - SIGBUS is ours while mapped files are looked at, and only then. Linux.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* siginfo_t */
#endif
#include "hdf5/system/bus_errors.h"

#if defined(__linux__)

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned begun, generation = 1; /* of processes: what was begun before a fork is not ended */
static bool installed;                 /* our handler, and not taken away by us since */
static struct sigaction before;
static bool (*mend_page)(uintptr_t address);

/* As if we were not there: a fault comes again and finds the default action. */
static void by_default(int number, bool sent)
{
    struct sigaction action;
    if (sent && before.sa_handler == SIG_IGN)
        return;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(number, &action, NULL);
    if (sent)
        raise(number);
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    const bool sent = info->si_code <= 0; /* by a program, not by the processor */
    if (sent || !mend_page((uintptr_t)info->si_addr)) {
        if (before.sa_flags & SA_SIGINFO)
            before.sa_sigaction(number, info, context);
        else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
            by_default(number, sent);
        else
            before.sa_handler(number);
    }
    errno = error;
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_bus_error;
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_flags == b->sa_flags &&
           (a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction
                                     : a->sa_handler == b->sa_handler);
}

static bool put_ours(void)
{
    struct sigaction ours, found;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_bus_error;
    ours.sa_mask = before.sa_mask;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (before.sa_flags & (SA_NODEFER | SA_RESTART));
    if (sigaction(SIGBUS, &ours, &found) != 0)
        return false;
    if (!is_ours(&found)) /* the program may have set another one since it was asked for */
        before = found;
    return true;
}

/* Where the program puts a handler above ours, that one passes on to us what it does not know,
 * if it passes on at all: were ours put above it once more, they would call each other. A program
 * that remembered ours may put it back when we are done: what it had before is known here. */
static bool install(void)
{
    struct sigaction found;
    if (sigaction(SIGBUS, NULL, &found) != 0)
        return false;
    if (installed)
        return is_ours(&found);
    if (is_ours(&found))
        return installed = true;
    before = found;
    return installed = put_ours();
}

/* What the program set just then, and is taken away instead of ours, is put back. */
static void restore(void)
{
    struct sigaction found, put = before, last;
    if (sigaction(SIGBUS, NULL, &found) != 0 || !is_ours(&found) ||
        sigaction(SIGBUS, &put, &found) != 0)
        return;
    installed = false;
    for (int turn = 0; turn < 8 && !is_ours(&found) && !same_action(&found, &put); turn++) {
        last = put;
        put = found;
        if (sigaction(SIGBUS, &put, &found) != 0 || same_action(&found, &last))
            return;
    }
}

unsigned h5calib_bus_errors_begin(bool (*mend)(uintptr_t address))
{
    pthread_mutex_lock(&lock);
    mend_page = mend;
    const bool ok = install();
    const unsigned token = ok ? generation : 0;
    begun += ok;
    pthread_mutex_unlock(&lock);
    return token;
}

void h5calib_bus_errors_end(unsigned token)
{
    pthread_mutex_lock(&lock);
    if (token == generation && begun > 0 && --begun == 0)
        restore();
    pthread_mutex_unlock(&lock);
}

bool h5calib_bus_errors_arrive(void)
{
    sigset_t blocked;
    return pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && !sigismember(&blocked, SIGBUS);
}

void h5calib_bus_errors_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    begun = 0;
    generation++;
}
#endif
