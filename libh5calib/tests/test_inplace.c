/*
 * test_inplace.c - bytes looked at in the page cache are those of the file, in windows that stay
 * within their bound and last as long as they are used.
 */
#include "view_of_file.h"

#include <signal.h>
#include <sys/wait.h>

static uint64_t state = 2026;

static uint64_t below(uint64_t n)
{
    return random_bits(&state) % n;
}

/* Windows of a file this process has now; `at`: only those that begin there. */
static int windows_of(const char *name, uint64_t at)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    int n = 0;
    CHECK(maps, "no /proc here");
    while (fgets(line, sizeof line, maps)) {
        unsigned long long begin;
        if (strstr(line, name) && sscanf(line, "%*s %*s %llx", &begin) == 1)
            n += at == UINT64_MAX || begin == at;
    }
    fclose(maps);
    return n;
}
#define WINDOWS(name) windows_of(name, UINT64_MAX)

static void look(const h5calib_opened *v, uint64_t offset, size_t n)
{
    h5calib_window *window = NULL;
    const char *bytes = h5calib_inplace_get(v, offset, n, &window);
    CHECK(bytes && window, "%zu bytes at %llu", n, (unsigned long long)offset);
    CHECK(right_bytes(bytes, offset, n), "%zu bytes at %llu", n, (unsigned long long)offset);
    CHECK(h5calib_inplace_release(window), "%zu bytes at %llu", n, (unsigned long long)offset);
}

static void refuse(const h5calib_opened *v, uint64_t offset, size_t n)
{
    h5calib_window *window = NULL;
    CHECK(!h5calib_inplace_get(v, offset, n, &window) && !window, "%zu bytes at %llu", n,
          (unsigned long long)offset);
}

/* A file that ends in the middle of a page, in its fourth window. */
static void check_bytes(void)
{
    h5calib_opened v = file_of("inplace_bytes.bin", 3 * WINDOW + 2 * MIB + 1234);
    const uint64_t size = v.stamp.size;
    for (int i = 0; i < 400; i++) {
        const size_t n = 1 + (size_t)below(i % 8 ? 5000 : 200000);
        const uint64_t border = (i % 3 ? WINDOW : STEP) * (1 + below(3)),
                       near = border - below(n + 1);
        look(&v, i % 2 ? below(size - n) : near + n < size ? near : size - n, n);
    }
    look(&v, 0, 1);
    look(&v, size - 1, 1);
    look(&v, 3 * WINDOW - 1, 2);
    look(&v, 0, WINDOW);
    look(&v, WINDOW + 2 * MIB, WINDOW); /* of two windows: one that begins with it */
    look(&v, WINDOW + 3 * MIB + 5, WINDOW - 2 * MIB);

    refuse(&v, 0, 0);
    refuse(&v, 0, WINDOW + 1);
    refuse(&v, 1, WINDOW);
    refuse(&v, size, 1);
    refuse(&v, size - 1, 2);
    refuse(&v, size + 5 * WINDOW, 1);
    refuse(&v, UINT64_MAX - 4, 3);
    refuse(&v, UINT64_MAX - 4, 10);
    h5calib_opened image = v;
    image.fd = -1;
    refuse(&image, 0, 1);

    /* not of a file that is not as it was opened, or may be changed without a trace */
    h5calib_opened opened = v;
    opened.settled = false;
    refuse(&opened, 0, 1);
    write_bytes(&v, size, size + 1000);
    refuse(&v, 0, 1);
    refuse(&v, size - 1, 2);
    close_file(&v);
    CHECK(WINDOWS("inplace_bytes.bin") == 0, "still mapped");
}

/* Two files, the same offsets. */
static void check_files_apart(void)
{
    h5calib_opened one = file_of("inplace_one.bin", MIB), other = empty_file("inplace_other.bin");
    h5calib_window *window;
    CHECK(ftruncate(other.fd, MIB) == 0 && pwrite(other.fd, "other", 5, 70000) == 5, "no file");
    open_view(&other);
    look(&one, 70000, 5);
    const char *bytes = h5calib_inplace_get(&other, 70000, 5, &window);
    CHECK(bytes && memcmp(bytes, "other", 5) == 0, "bytes of another file");
    CHECK(h5calib_inplace_release(window), "not cut");
    look(&one, 70000, 5);
    close_file(&one);
    CHECK(WINDOWS("inplace_one.bin") == 0 && WINDOWS("inplace_other.bin") == 1, "forgot another");
    close_file(&other);
    CHECK(WINDOWS("inplace_other.bin") == 0, "still mapped");
}

/* Several at once, one of them behind the end, and what becomes of them when the file changes. */
static void check_several(void)
{
    enum { N = 5, BYTES = 1000 };
    const char *name = "inplace_several.bin";
    h5calib_opened v = file_of(name, 2 * STEP);
    const uint64_t offsets[N] = {STEP - 500, 7, 2 * STEP - 999, 7, STEP};
    const char *bytes[N];
    h5calib_window *windows[N], *held[N];
    size_t n = 0;
    h5calib_inplace_get_all(&v, offsets, N, BYTES, false, bytes, windows);
    for (int i = 0; i < N; i++) {
        CHECK((bytes[i] != NULL) == (i != 2) && (windows[i] != NULL) == (i != 2), "number %d", i);
        if (bytes[i]) {
            CHECK(right_bytes(bytes[i], offsets[i], BYTES), "number %d", i);
            held[n++] = windows[i];
        }
    }
    CHECK(h5calib_inplace_release_all(held, n), "not cut");
    h5calib_inplace_get_all(&v, offsets, 2, BYTES, false, bytes, held);
    write_bytes(&v, 0, 10);
    CHECK(!h5calib_inplace_release_all(held, 2), "not noticed");
    h5calib_inplace_get_all(&v, offsets, 2, BYTES, false, bytes, held);
    CHECK(!bytes[0] && !bytes[1], "it is not as it was opened");
    CHECK(h5calib_inplace_release_all(held, 0), "nothing was looked at");
    CHECK(WINDOWS(name) == 0, "still mapped");
    close_file(&v);
}

/* A file of holes: its pages are in memory once they were read. */
static h5calib_opened sparse_file(const char *name, uint64_t size)
{
    char byte;
    h5calib_opened v = empty_file(name);
    CHECK(ftruncate(v.fd, (off_t)size) == 0, "no file");
    open_view(&v);
    for (uint64_t at = 0; at < size; at += 2 * MIB)
        CHECK(pread(v.fd, &byte, 1, (off_t)at) == 1, "cannot be read");
    return v;
}

static h5calib_window *hold(const h5calib_opened *v, uint64_t offset)
{
    h5calib_window *window;
    CHECK(h5calib_inplace_get(v, offset, 1, &window), "at %llu", (unsigned long long)offset);
    return window;
}

static void check_bound(void)
{
    const char *name = "inplace_bound.bin";
    h5calib_opened v = sparse_file(name, 40 * WINDOW);
    for (uint64_t i = 0; i < 40; i++)
        h5calib_inplace_release(hold(&v, i * WINDOW));
    CHECK(WINDOWS(name) == H5CALIB_WINDOWS, "%d windows", WINDOWS(name));
    h5calib_inplace_bound(100 * WINDOW);
    CHECK(WINDOWS(name) == H5CALIB_WINDOWS, "%d windows", WINDOWS(name));

    h5calib_inplace_bound(3 * WINDOW - 1); /* two whole ones */
    CHECK(WINDOWS(name) == 2, "%d windows", WINDOWS(name));
    static const int visited[] = {0, 1, 0, 2, 3, 2, 4}, kept[] = {2, 4};
    for (size_t i = 0; i < sizeof visited / sizeof *visited; i++) {
        h5calib_inplace_release(hold(&v, visited[i] * STEP));
        CHECK(WINDOWS(name) <= 2, "%d windows", WINDOWS(name));
    }
    for (int i = 0; i < 2; i++)
        CHECK(windows_of(name, kept[i] * STEP) == 1, "those used longest ago go first");

    h5calib_inplace_bound(0);
    CHECK(WINDOWS(name) == 0, "still mapped");
    refuse(&v, 0, 1);
    h5calib_inplace_bound(SIZE_MAX);
    h5calib_inplace_release(hold(&v, 0));
    CHECK(WINDOWS(name) == 1, "%d windows", WINDOWS(name));
    close_file(&v);
}

/* What is looked at stays, whatever else happens. */
static void check_used_windows(void)
{
    const char *name = "inplace_used.bin";
    h5calib_opened v = file_of(name, 3 * MIB), other = sparse_file("inplace_more.bin", 20 * WINDOW);
    h5calib_window *window, *again;
    const char *bytes = h5calib_inplace_get(&v, 1001, 2 * MIB, &window);
    CHECK(bytes, "not looked at");
    h5calib_inplace_bound(0);
    CHECK(WINDOWS(name) == 1 && right_bytes(bytes, 1001, 2 * MIB), "unmapped while it was used");
    refuse(&other, 0, 1);
    h5calib_inplace_bound(2 * WINDOW);
    for (uint64_t i = 0; i < 5; i++)
        h5calib_inplace_release(hold(&other, i * WINDOW));
    CHECK(WINDOWS(name) == 1 && right_bytes(bytes, 1001, 2 * MIB), "unmapped while it was used");
    CHECK(h5calib_inplace_get(&v, 5, 1, &again) && again == window, "another window");
    CHECK(h5calib_inplace_release(again), "not cut");
    h5calib_inplace_bound(0);
    CHECK(right_bytes(bytes, 1001, 2 * MIB), "unmapped while it was used");
    CHECK(h5calib_inplace_release(window), "not cut");
    h5calib_inplace_bound(0);
    CHECK(WINDOWS(name) == 0, "still mapped");

    h5calib_inplace_bound(SIZE_MAX);
    bytes = h5calib_inplace_get(&v, 1001, 2 * MIB, &window);
    h5calib_inplace_forget(v.number);
    CHECK(WINDOWS(name) == 1 && right_bytes(bytes, 1001, 2 * MIB), "unmapped while it was used");
    h5calib_inplace_release(window);
    CHECK(WINDOWS(name) == 0, "still mapped");
    close_file(&other);
    close_file(&v);
}

static void check_not_in_memory(void)
{
    h5calib_opened v = file_of("inplace_cold.bin", 8 * MIB);
    look(&v, 4 * MIB, 100);
    h5calib_inplace_forget(v.number); /* mapped pages are not dropped */
    CHECK(fsync(v.fd) == 0, "no disk");
    posix_fadvise(v.fd, 0, 0, POSIX_FADV_DONTNEED);
    if (h5calib_in_memory(v.fd, 4 * MIB + 99))
        printf("skipped: pages cannot be dropped on this file system\n");
    else
        refuse(&v, 4 * MIB, 100);
    char byte;
    posix_fadvise(v.fd, 0, 0, POSIX_FADV_RANDOM); /* what is asked for and no more */
    CHECK(pread(v.fd, &byte, 1, 4 * MIB + 99) == 1, "cannot be read");
    look(&v, 4 * MIB, 100);
    for (uint64_t at = 0; at < 8 * MIB; at += MIB / 2) /* by the same window */
        if (!h5calib_in_memory(v.fd, at + 99))
            refuse(&v, at, 100);
    CHECK(pread(v.fd, &byte, 1, 6 * MIB - 1) == 1, "cannot be read");
    look(&v, 6 * MIB - 100, 100);
    close_file(&v);
}

static void check_variable(void)
{
    static const struct {
        const char *value;
        bool begins;
    } cases[] = {{"0", false}, {"1", true}, {"always", true}, {"", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("H5CALIB_IN_PLACE", cases[i].value, 1);
        const unsigned token = h5calib_inplace_begin();
        CHECK((token != 0) == cases[i].begins, "'%s'", cases[i].value);
        h5calib_inplace_end(token);
    }
    setenv("H5CALIB_IN_PLACE", "always", 1);
}

/* The parent is looking at all that may be looked at. */
static void check_fork(unsigned parents)
{
    h5calib_opened v = file_of("inplace_fork.bin", 2 * WINDOW);
    h5calib_inplace_bound(WINDOW);
    h5calib_window *window = hold(&v, 0);
    refuse(&v, WINDOW, 1);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        h5calib_inplace_after_fork();
        const unsigned token = h5calib_inplace_begin();
        CHECK(token && token != parents, "in the child");
        look(&v, 5, 3 * MIB);
        look(&v, WINDOW + 5, 3 * MIB);
        h5calib_inplace_end(parents); /* of the parent's work: nothing of ours */
        struct sigaction found;
        CHECK(sigaction(SIGBUS, NULL, &found) == 0 && found.sa_handler != SIG_DFL, "ended");
        h5calib_inplace_end(token);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "status %d", status);
    CHECK(h5calib_inplace_release(window), "not cut");
    h5calib_inplace_bound(SIZE_MAX);
    close_file(&v);
}

enum { BYTES = 1 << 18, ENOUGH = H5CALIB_GOES_ON_BYTES / BYTES + 1 };

/* How many of `calls` calls, so many windows apart, find a window. */
static unsigned found(const h5calib_opened *v, uint64_t step, unsigned calls, uint64_t windows)
{
    unsigned some = 0;
    for (unsigned i = 0; i < calls; i++) {
        h5calib_window *window = NULL;
        if (h5calib_inplace_get(v, i * step % windows * WINDOW, BYTES, &window)) {
            some++;
            CHECK(h5calib_inplace_release(window), "call %u", i);
        }
    }
    return some;
}

/* A window is made where reading goes on: in one place, from one place to the next, or in sixteen
 * in turn; not here and there. */
static void check_when_it_pays(void)
{
    const uint64_t windows = 64;
    h5calib_opened v = empty_file("inplace_pays.bin"); /* a hole, but for what is in memory */
    char page[4096];
    CHECK(ftruncate(v.fd, (off_t)(WINDOW * windows)) == 0, "no hole");
    for (uint64_t at = 0; at < WINDOW * windows; at += BYTES)
        CHECK(pread(v.fd, page, 1, (off_t)(at + BYTES - 1)) == 1, "no zeros");
    open_view(&v);
    CHECK(found(&v, 0, 20, windows) == 20 - ENOUGH, "in one place");
    open_view(&v);
    CHECK(found(&v, 19, windows, windows) == 0, "here and there");
    const uint64_t where = 40 * WINDOW;
    const char *bytes;
    h5calib_window *first;
    h5calib_inplace_get_all(&v, &where, 1, BYTES, false, &bytes, &first);
    CHECK(!bytes && !first, "once");
    h5calib_inplace_get_all(&v, &where, 1, BYTES, true, &bytes, &first);
    CHECK(bytes && h5calib_inplace_release(first), "once, with all around it");
    h5calib_inplace_forget(v.number);
    CHECK(WINDOWS("inplace_pays.bin") == 0, "windows");
    open_view(&v);
    CHECK(found(&v, 3, 16 * 16, 48) == 16 * (16 - ENOUGH), "in sixteen places");
    open_view(&v);
    for (unsigned i = 0; i < 8 * ENOUGH; i++) {
        h5calib_window *window = NULL;
        const bool some = h5calib_inplace_get(&v, i * BYTES, BYTES, &window) != NULL;
        CHECK(some == (i >= ENOUGH), "call %u of those that go on", i);
        CHECK(!some || h5calib_inplace_release(window), "call %u", i);
    }
    open_view(&v);
    for (unsigned i = 0; i < 4 * ENOUGH; i++) {
        h5calib_window *window = NULL;
        h5calib_opened other = v;
        other.number = 1000000 + i;
        CHECK(!h5calib_inplace_get(&other, 0, BYTES, &window), "of a file never asked for");
    }
    CHECK(found(&v, 0, 1, windows) == 0, "by calls of another file");
    close_file(&v);
}

int main(void)
{
    if (!system_tells())
        return SKIPPED;
    setenv("H5CALIB_IN_PLACE", "1", 1);
    h5calib_inplace_end(h5calib_inplace_begin());
    check_when_it_pays();
    check_variable();
    const unsigned token = h5calib_inplace_begin();
    CHECK(token, "not begun");
    check_bytes();
    check_files_apart();
    check_several();
    check_bound();
    check_used_windows();
    check_not_in_memory();
    check_fork(token);
    h5calib_inplace_end(token);
    return 0;
}
