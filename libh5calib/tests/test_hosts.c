/*
 * test_hosts.c - programs with habits of their own that read a calibrated dataset through HDF5.
 *
 *     test_hosts HABIT VIEW DATASET
 */
#include <hdf5.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { FRAMES = 7, PIXELS = 48, SKIPPED = 77 };
static const char *view, *name;
static float expected[FRAMES * PIXELS];

static void read_all(hid_t dataset, float *out)
{
    memset(out, 0, sizeof expected);
    CHECK(H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0, "no values");
}

/* Opens and closes all; nothing of a chunk is kept by HDF5. */
static void read_anew(float *out)
{
    hid_t file = H5Fopen(view, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    CHECK(dataset >= 0, "%s has no dataset %s", view, name);
    read_all(dataset, out);
    H5Dclose(dataset);
    H5Fclose(file);
}

static void check_again(const char *when)
{
    float values[FRAMES * PIXELS];
    read_anew(values);
    CHECK(memcmp(values, expected, sizeof values) == 0, "other values %s", when);
}

/* ---- H5close: HDF5 gives its ids once more --------------------------------------------------- */

static void closes_hdf5(void)
{
    enum { IDS = 60 };
    hid_t files[IDS], datasets[IDS];
    for (int turn = 0; turn < 3; turn++) {
        H5close();
        H5open();
        for (int i = 0; i < IDS; i++) {
            files[i] = H5Fopen(view, H5F_ACC_RDONLY, H5P_DEFAULT);
            datasets[i] = H5Dopen2(files[i], "raw", H5P_DEFAULT);
        }
        check_again("after H5close");
        for (int i = 0; i < IDS; i++)
            CHECK(H5Iis_valid(files[i]) > 0 && H5Iis_valid(datasets[i]) > 0,
                  "an id of the program was closed");
        for (int i = 0; i < IDS; i++)
            CHECK(H5Dclose(datasets[i]) >= 0 && H5Fclose(files[i]) >= 0, "an id is another's");
        check_again("once more");
    }
}

/* ---- SIGBUS --------------------------------------------------------------------------------- */

static void on_bus_error(int number)
{
    (void)number;
    _exit(42);
}

static void has_a_handler(void)
{
    struct sigaction found, action = {.sa_handler = on_bus_error};
    int status;
    CHECK(sigaction(SIGBUS, &action, NULL) == 0, "no handler");
    check_again("with a handler of SIGBUS");
    sigaction(SIGBUS, NULL, &found);
    CHECK(found.sa_handler == on_bus_error, "the program's handler was not put back");
    const pid_t child = fork();
    if (child == 0) {
        raise(SIGBUS);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42,
          "the program's handler was not called");
}

static void blocks_bus_errors(void)
{
    sigset_t bus;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &bus, NULL);
    check_again("with SIGBUS blocked");
    pthread_sigmask(SIG_BLOCK, NULL, &bus);
    CHECK(sigismember(&bus, SIGBUS), "SIGBUS is no longer blocked");
}

/* ---- libraries and processes ----------------------------------------------------------------- */

static void unloads_the_plugin(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/libh5calib_plugin.so", getenv("HDF5_PLUGIN_PATH"));
    for (int turn = 0; turn < 4; turn++) {
        void *plugin = dlopen(path, RTLD_NOW);
        CHECK(plugin, "%s", dlerror());
        dlclose(plugin);
        H5close(); /* which unloads plugins */
        H5open();
        check_again("after the plugin was unloaded");
    }
}

static void forks(void)
{
    int status;
    hid_t file = H5Fopen(view, H5F_ACC_RDONLY, H5P_DEFAULT);
    for (int turn = 0; turn < 4; turn++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(30);
            check_again("in a child");
            _exit(0);
        }
        check_again("beside a child");
        CHECK(waitpid(child, &status, 0) == child && status == 0, "the child: %d", status);
    }
    H5Fclose(file);
}

static void *reads(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2000; i++)
        check_again("beside a thread");
    return NULL;
}

typedef int read_directly(void *function, int64_t dataset, unsigned rank, const uint64_t *start,
                          const uint64_t *count, void *out, uint64_t step, unsigned threads,
                          void *(*save)(void), void (*restore)(void *), char *message, size_t size);

/* One thread through HDF5, which calls the filter; the other the other way round. */
static void reads_both_ways(void)
{
    bool safe = false;
    char path[4096], message[1024] = "";
    float values[FRAMES * PIXELS];
    const uint64_t start[3] = {0}, count[3] = {FRAMES, 6, 8};
    read_directly *read_by;
    pthread_t thread;
    H5is_library_threadsafe(&safe);
    if (!safe)
        exit(SKIPPED);
    snprintf(path, sizeof path, "%s/libh5calib_plugin.so", getenv("HDF5_PLUGIN_PATH"));
    void *symbol = dlsym(dlopen(path, RTLD_NOW), "h5calib_plugin_read");
    CHECK(symbol, "%s", dlerror());
    memcpy(&read_by, &symbol, sizeof read_by);
    hid_t file = H5Fopen(view, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    void *function = dlsym(RTLD_DEFAULT, "H5Dread");
    alarm(60); /* both wait for ever where the order of the locks is not the same */
    pthread_create(&thread, NULL, reads, NULL);
    for (int i = 0; i < 20000; i++) {
        CHECK(read_by(function, dataset, 3, start, count, values, 0, 1, NULL, NULL, message,
                      sizeof message) == 0,
              "%s", message);
        CHECK(memcmp(values, expected, sizeof values) == 0, "other values");
    }
    pthread_join(thread, NULL);
    H5Dclose(dataset);
    H5Fclose(file);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*check)(void);
    } habits[] = {{"h5close", closes_hdf5},
                  {"handler", has_a_handler},
                  {"blocked", blocks_bus_errors},
                  {"dlclose", unloads_the_plugin},
                  {"fork", forks},
                  {"locks", reads_both_ways}};
    CHECK(argc == 4, "HABIT VIEW DATASET");
    view = argv[2];
    name = argv[3];
    read_anew(expected);
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
        if (strcmp(habits[i].name, argv[1]) == 0) {
            habits[i].check();
            return 0;
        }
    return 2;
}
