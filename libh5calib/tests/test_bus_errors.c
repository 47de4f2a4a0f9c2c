/*
 * test_bus_errors.c - a file that is cut short while it is looked at is noticed and kills nobody;
 * bus errors of others stay theirs.
 */
#include "view_of_file.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static size_t page;
static unsigned token;

static bool begin(void)
{
    const unsigned found = h5calib_inplace_begin();
    token = found ? found : token;
    return found != 0;
}

static void end(void)
{
    h5calib_inplace_end(token);
}
static uint64_t state = 2026;

/* ---- ours: a file that is cut short ---------------------------------------------------------- */

static void refuse(const h5calib_opened *v, uint64_t offset, size_t n)
{
    h5calib_window *window = NULL;
    CHECK(!h5calib_inplace_get(v, offset, n, &window), "%zu bytes at %llu", n,
          (unsigned long long)offset);
}

static const char *hold(const h5calib_opened *v, uint64_t offset, size_t n, h5calib_window **window)
{
    const char *bytes = h5calib_inplace_get(v, offset, n, window);
    CHECK(bytes, "%zu bytes at %llu", n, (unsigned long long)offset);
    return bytes;
}

/* Cut where a page begins, or inside of one: what is behind it there gives no bus error, and is
 * zeros all the same. */
static void check_cut(uint64_t size, uint64_t begin_at, uint64_t cut)
{
    h5calib_opened v = file_of("inplace_cut.bin", size);
    h5calib_window *window, *other;
    const char *bytes = hold(&v, begin_at, (size_t)(size - begin_at), &window);
    const char *same = hold(&v, begin_at, (size_t)(size - begin_at), &other);
    CHECK(window == other && same == bytes, "one window");
    CHECK(ftruncate(v.fd, (off_t)cut) == 0, "no file");
    for (uint64_t at = size; at-- > begin_at;) {
        const unsigned char expected = at < cut ? byte_at(at) : 0;
        /* what lies before a page of zeros is still there */
        CHECK((unsigned char)bytes[at - begin_at] == expected, "at %llu", (unsigned long long)at);
    }
    CHECK(!h5calib_inplace_release(window), "%llu cut at %llu not noticed",
          (unsigned long long)size, (unsigned long long)cut);
    refuse(&v, 0, 1); /* it is not as it was opened */
    if (cut > 0) {
        const uint64_t from = cut > WINDOW ? begin_at : 0;
        open_view(&v);
        bytes = hold(&v, from, (size_t)(cut - from), &window);
        CHECK(right_bytes(bytes, from, (size_t)(cut - from)), "what is still there");
        CHECK(h5calib_inplace_release(window), "a window of zeros was given again");
    }
    CHECK(!h5calib_inplace_release(other), "noticed by one of two only");
    write_bytes(&v, 0, size); /* the same length again */
    open_view(&v);
    bytes = hold(&v, begin_at, (size_t)(size - begin_at), &window);
    CHECK(right_bytes(bytes, begin_at, (size_t)(size - begin_at)), "zeros were kept");
    CHECK(h5calib_inplace_release(window), "not cut");
    close_file(&v);
}

/* What was looked at while the file was short is wrong, however long it is afterwards. */
static void check_cut_and_grown(void)
{
    const uint64_t size = 5 * page;
    h5calib_opened v = file_of("inplace_grown.bin", size);
    h5calib_window *window;
    const volatile char *bytes = hold(&v, 0, (size_t)size, &window);
    CHECK(ftruncate(v.fd, (off_t)(2 * page)) == 0, "no file");
    CHECK(bytes[3 * page + 7] == 0, "no zeros");
    write_bytes(&v, 0, size);
    CHECK(!h5calib_inplace_release(window), "not noticed");
    open_view(&v);
    CHECK(right_bytes(hold(&v, 0, (size_t)size, &window), 0, (size_t)size), "zeros were kept");
    CHECK(h5calib_inplace_release(window), "not cut");
    close_file(&v);
}

/* No bus error: the zeros lie in the page that the file ended in for a moment. */
static void check_grown_inside_of_a_page(void)
{
    const uint64_t size = 5 * page;
    h5calib_opened v = file_of("inplace_inside.bin", size);
    h5calib_window *window;
    const volatile char *bytes = hold(&v, 0, (size_t)size, &window);
    CHECK(ftruncate(v.fd, (off_t)(3 * page + 5)) == 0, "no file");
    CHECK(bytes[3 * page + 7] == 0, "no zeros");
    write_bytes(&v, 0, size);
    CHECK(!h5calib_inplace_release(window), "not noticed");
    close_file(&v);
}

static void check_cuts(void)
{
    const uint64_t end = 9 * page;
    check_cut(end, 0, 0);
    check_cut(end, 0, 4 * page);
    check_cut(end, 100, 4 * page + 7);
    check_cut(end + 55, 2 * page + 3, page);
    check_cut(end + 55, end, end);           /* the last page as a whole */
    check_cut(end + 55, end + 10, end + 20); /* a part of it */
    check_cut(end + 55, 5, end + 54);
    check_cut(WINDOW + end + 1, WINDOW - page, WINDOW + page);
}

/* Two look at a file while another cuts it: what they were told is right was right. */
typedef struct looker {
    const h5calib_opened *v;
    uint64_t state, looked, noticed, wrong;
} looker;

static atomic_bool cutting;

static void *look_on(void *data)
{
    looker *l = data;
    while (atomic_load(&cutting)) {
        const size_t n = 1 + (size_t)(random_bits(&l->state) % 50000);
        const uint64_t offset = random_bits(&l->state) % (l->v->stamp.size - n);
        h5calib_window *window;
        const char *bytes = h5calib_inplace_get(l->v, offset, n, &window);
        if (!bytes)
            continue;
        const bool right = right_bytes(bytes, offset, n);
        const bool whole = h5calib_inplace_release(window);
        l->looked++;
        l->noticed += !whole;
        l->wrong += whole && !right;
    }
    return NULL;
}

/* Each ends inside of a page, and the file with it for a moment. */
static void write_in_parts(const h5calib_opened *v, uint64_t begin)
{
    for (uint64_t end; begin < v->stamp.size; begin = end) {
        end = begin + 1 + random_bits(&state) % 9000;
        write_bytes(v, begin, end < v->stamp.size ? end : v->stamp.size);
    }
}

static void check_lookers(void)
{
    uint64_t looked = 0, noticed = 0;
    for (uint64_t round = 0; round < 40; round++) {
        h5calib_opened v = file_of("inplace_lookers.bin", 256 * 1024 + 77);
        looker lookers[2] = {{.v = &v, .state = round}, {.v = &v, .state = 100 + round}};
        pthread_t threads[2];
        atomic_store(&cutting, true);
        for (int i = 0; i < 2; i++)
            CHECK(pthread_create(&threads[i], NULL, look_on, &lookers[i]) == 0, "no thread");
        usleep(500 + 50 * (unsigned)(random_bits(&state) % 20));
        const uint64_t size = random_bits(&state) % v.stamp.size;
        CHECK(ftruncate(v.fd, (off_t)size) == 0, "no file");
        usleep(200);
        if (round % 2)
            write_in_parts(&v, size); /* and grown again */
        usleep(500);
        atomic_store(&cutting, false);
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            CHECK(lookers[i].wrong == 0, "wrong bytes that nobody noticed");
            looked += lookers[i].looked;
            noticed += lookers[i].noticed;
        }
        close_file(&v);
    }
    printf("looked %llu times, %llu of them at a file that was cut\n", (unsigned long long)looked,
           (unsigned long long)noticed);
    CHECK(looked > 100, "nothing was looked at");
}

/* ---- others' ----------------------------------------------------------------------------------
 */

static _Thread_local sigjmp_buf back;
static _Thread_local volatile sig_atomic_t jumps;

/* As programs do that map files themselves. */
static void jump(int number)
{
    (void)number;
    jumps++;
    siglongjmp(back, 1);
}

static void jump_with_address(int number, siginfo_t *info, void *context)
{
    (void)context;
    CHECK(info && info->si_addr, "no address");
    jump(number);
}

static void leave(int number)
{
    (void)number;
    _exit(42);
}

static void look_behind_the_end(void)
{
    const int fd = memfd_create("others", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)page) == 0, "no file");
    const volatile char *mapped = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED && ftruncate(fd, 0) == 0, "no file");
    close(fd);
    if (sigsetjmp(back, 1) == 0) {
        (void)mapped[5];
        CHECK(false, "no bus error behind the end of a file");
    }
    munmap((void *)mapped, page);
}

static void handle(void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    CHECK(sigaction(SIGBUS, &action, NULL) == 0, "no handler");
}

static struct sigaction handler_now(void)
{
    struct sigaction action;
    CHECK(sigaction(SIGBUS, NULL, &action) == 0, "no handler");
    return action;
}

/* Where they jump to is as often reached as there are bus errors. */
static void check_those_who_jump(void)
{
    for (int with_address = 0; with_address < 2; with_address++) {
        struct sigaction action = {.sa_flags = with_address ? SA_SIGINFO : 0};
        if (with_address)
            action.sa_sigaction = jump_with_address;
        else
            action.sa_handler = jump;
        CHECK(sigaction(SIGBUS, &action, NULL) == 0, "no handler");
        jumps = 0;
        CHECK(begin(), "not begun");
        for (int i = 1; i <= 3; i++) {
            look_behind_the_end();
            CHECK(jumps == i, "%d of %d", (int)jumps, i);
        }
        end();
        look_behind_the_end();
        CHECK(jumps == 4, "%d of 4", (int)jumps);
    }
}

/* One thread is still in its handler when another has a bus error. */
static atomic_int inside;

static void jump_together(int number)
{
    atomic_fetch_add(&inside, 1);
    for (int i = 0; i < 10000 && atomic_load(&inside) < 2; i++)
        usleep(1000);
    jump(number);
}

static void *look_behind(void *unused)
{
    (void)unused;
    look_behind_the_end();
    return NULL;
}

static void check_two_at_a_time(void)
{
    pthread_t threads[2];
    handle(jump_together, 0);
    CHECK(begin(), "not begun");
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, look_behind, NULL) == 0, "no thread");
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&inside) == 2, "%d", atomic_load(&inside));
    end();
}

/* ---- what a process dies of -------------------------------------------------------------------
 */

static void send(void)
{
    raise(SIGBUS);
}

static void nothing(void) {}

static int status_of(void (*handler)(int), void (*what)(void))
{
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(20); /* one that goes round and round ends too */
        handle(handler, 0);
        CHECK(begin(), "not begun");
        what();
        end();
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child");
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* The same as without us. A bus error that is ignored is fatal, one that another process sends
 * is not. */
static void check_fates(void)
{
    static const struct {
        const char *name;
        void (*handler)(int), (*what)(void);
        int fate;
    } cases[] = {{"default, nothing", SIG_DFL, nothing, 0},
                 {"default, bus error", SIG_DFL, look_behind_the_end, -SIGBUS},
                 {"default, sent", SIG_DFL, send, -SIGBUS},
                 {"ignored, bus error", SIG_IGN, look_behind_the_end, -SIGBUS},
                 {"ignored, sent", SIG_IGN, send, 0},
                 {"handled, bus error", leave, look_behind_the_end, 42},
                 {"handled, sent", leave, send, 42}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int fate = status_of(cases[i].handler, cases[i].what);
        CHECK(fate == cases[i].fate, "%s: %d", cases[i].name, fate);
    }
}

/* ---- who is there when ------------------------------------------------------------------------
 */

static void check_handlers(void)
{
    handle(leave, SA_RESTART);
    CHECK(begin() && begin(), "not begun");
    CHECK(handler_now().sa_handler != leave, "nobody there");
    end();
    CHECK(handler_now().sa_handler != leave, "gone before the last end");
    end();
    CHECK(handler_now().sa_handler == leave && (handler_now().sa_flags & SA_RESTART),
          "not as it was");
    end(); /* one too many, as in the child after a fork */
    CHECK(handler_now().sa_handler == leave, "not as it was");

    CHECK(begin(), "not begun");
    const struct sigaction ours = handler_now();
    handle(jump, 0);
    end();
    CHECK(handler_now().sa_handler == jump, "another's handler was taken away");
    CHECK(sigaction(SIGBUS, &ours, NULL) == 0, "no handler"); /* it goes, and puts ours back */
    CHECK(begin(), "not begun");
    end();
    CHECK(handler_now().sa_handler == leave, "not as it was");
}

/* One that others put above ours, and that asks the one before it in turn. */
static struct sigaction below;
static volatile sig_atomic_t passed;

static void pass_on(int number, siginfo_t *info, void *context)
{
    if (++passed > 20)
        _exit(3); /* round and round */
    if (below.sa_flags & SA_SIGINFO)
        below.sa_sigaction(number, info, context);
    else
        below.sa_handler(number);
}

static void put_above(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
    action.sa_sigaction = pass_on;
    CHECK(sigaction(SIGBUS, &action, &below) == 0, "no handler");
}

static void behind_the_end_below_another(void)
{
    put_above();
    look_behind_the_end();
}

/* Ours does not go above it: nothing is looked at as long as it is there. `again`: all others
 * are done then. */
static void behind_the_end(bool again)
{
    put_above();
    if (again)
        end();
    CHECK(!begin(), "begun");
    CHECK(handler_now().sa_sigaction == pass_on, "above another");
    look_behind_the_end();
}

static void behind_the_end_meanwhile(void)
{
    behind_the_end(false);
}

static void behind_the_end_again(void)
{
    behind_the_end(true);
}

/* What was begun before goes on: the other one asks ours. */
static void cut_below(void)
{
    put_above();
    check_cut(9 * page, 100, 4 * page + 7);
    CHECK(passed == 4, "asked %d times", (int)passed); /* page by page from the end */
}

/* It goes, and puts ours back. */
static void gone_again(void)
{
    put_above();
    CHECK(!begin(), "begun");
    CHECK(sigaction(SIGBUS, &below, NULL) == 0, "no handler");
    CHECK(begin(), "not begun");
    check_cut(9 * page, 100, 4 * page + 7);
    end();
}

/* However often others come: not begun rather than round and round. */
static void come_and_stay(void)
{
    end();
    for (int i = 0; i < 100; i++) {
        handle(i % 2 ? leave : jump, 0);
        if (begin()) {
            handle(i % 2 ? jump : leave, 0);
            end();
        }
    }
    handle(leave, 0);
    if (begin())
        end();
    CHECK(handler_now().sa_handler == leave, "another's handler was taken away");
    look_behind_the_end();
}

static void check_those_above(void)
{
    static const struct {
        const char *name;
        void (*handler)(int), (*what)(void);
        int fate;
    } cases[] = {{"below, handled", leave, behind_the_end_below_another, 42},
                 {"meanwhile, handled", leave, behind_the_end_meanwhile, 42},
                 {"again, handled", leave, behind_the_end_again, 42},
                 {"below, default", SIG_DFL, behind_the_end_below_another, -SIGBUS},
                 {"meanwhile, default", SIG_DFL, behind_the_end_meanwhile, -SIGBUS},
                 {"again, default", SIG_DFL, behind_the_end_again, -SIGBUS},
                 {"cut", leave, cut_below, 0},
                 {"gone", leave, gone_again, 0},
                 {"many", leave, come_and_stay, 42}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int fate = status_of(cases[i].handler, cases[i].what);
        CHECK(fate == cases[i].fate, "%s: %d", cases[i].name, fate);
    }
}

/* A thread that blocks the signal would be killed by it. */
static void check_blocked(void)
{
    sigset_t bus;
    h5calib_opened v = file_of("inplace_blocked.bin", page);
    h5calib_window *window;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &bus, NULL);
    refuse(&v, 0, 10);
    pthread_sigmask(SIG_UNBLOCK, &bus, NULL);
    CHECK(right_bytes(hold(&v, 0, 10, &window), 0, 10), "wrong bytes");
    CHECK(h5calib_inplace_release(window), "not cut");
    close_file(&v);
}

int main(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    setenv("H5CALIB_IN_PLACE", "always", 1);
    if (!system_tells())
        return SKIPPED;
    check_handlers();
    check_those_who_jump();
    check_two_at_a_time();
    check_fates();
    check_those_above();
    handle(SIG_DFL, 0);
    CHECK(begin(), "not begun");
    check_cuts();
    check_cut_and_grown();
    check_grown_inside_of_a_page();
    check_blocked();
    check_lookers();
    end();
    CHECK(handler_now().sa_handler == SIG_DFL, "not as it was");
    return 0;
}
