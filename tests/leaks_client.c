/*
 * leaks_client.c - read the chunks of a calibrated dataset again and again.
 *
 *     leaks_client FILE READS
 *
 * Declares what it uses of HDF5 itself, so that it can be linked to the libhdf5
 * of a wheel. Leaves by _exit, so that what HDF5 still holds is seen by valgrind.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

typedef int64_t hid_t;
extern hid_t H5Fopen(const char *, unsigned, hid_t);
extern hid_t H5Dopen2(hid_t, const char *, hid_t);
extern hid_t H5Dget_type(hid_t);
extern hid_t H5Dget_space(hid_t);
extern hid_t H5Screate_simple(int, const uint64_t *, const uint64_t *);
extern int H5Sselect_hyperslab(hid_t, int, const uint64_t *, const uint64_t *, const uint64_t *,
                               const uint64_t *);
extern int H5Dread(hid_t, hid_t, hid_t, hid_t, hid_t, void *);
extern int H5Fclose(hid_t), H5Dclose(hid_t), H5Tclose(hid_t), H5Sclose(hid_t);

static int read_some(const char *path, int reads)
{
    static float buffer[32 * 32];
    const uint64_t count[3] = {1, 32, 32};
    hid_t file = H5Fopen(path, 0, 0);
    for (int i = 0; i < reads; i++) {
        const uint64_t start[3] = {(uint64_t)i % 8, 0, 0};
        hid_t dataset = H5Dopen2(file, "v", 0); /* a fresh chunk cache */
        hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
        hid_t memory = H5Screate_simple(3, count, NULL);
        H5Sselect_hyperslab(space, 0, start, NULL, count, NULL);
        if (H5Dread(dataset, type, memory, space, 0, buffer) < 0)
            return 1;
        H5Sclose(memory);
        H5Sclose(space);
        H5Tclose(type);
        H5Dclose(dataset);
    }
    return H5Fclose(file);
}

int main(int argc, char **argv)
{
    const int each = 50;
    if (argc != 3)
        return 2;
    for (int done = 0; done < atoi(argv[2]); done += each)
        if (read_some(argv[1], each) != 0)
            _exit(1);
    _exit(0);
}
