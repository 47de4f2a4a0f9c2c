/*
 * jobs.c - the frames of a piece of work, and the constants they need.
 */
#include "hdf5/work/jobs.h"

#include <stdlib.h>

#include "hdf5/dataset/constants.h"

/* ---- frames -------------------------------------------------------------------------------- */

/* Frame number `i` of the box, counted over the whole dataset and in the output. */
static void place_frame(const calibrated *c, const h5calib_box *at, size_t i, uint64_t *in_dataset,
                        size_t *in_out)
{
    uint64_t whole = 0, whole_step = 1;
    size_t part = 0, part_step = 1;
    for (int k = c->rank - 3; k >= 0; k--) {
        hsize_t index = i % at->count[k];
        i /= (size_t)at->count[k];
        whole += (at->start[k] + index) * whole_step;
        part += (size_t)index * part_step;
        whole_step *= c->dims[k];
        part_step *= (size_t)at->extent[k];
    }
    *in_dataset = whole;
    *in_out = part;
}

/* The memory cell of a frame: none where an unknown one is to be masked. */
static bool find_cell(const calibrated *c, h5calib_job *j, const int64_t *legacy_cell,
                      char *message, size_t size)
{
    j->constants = H5CALIB_KEPT;
    if (legacy_cell)
        j->cell_number = (uint32_t)*legacy_cell;
    if (legacy_cell || c->n_cells < 2 || !c->ids.values)
        return true;
    int64_t id;
    if (!h5calib_cell_id(&c->ids, j->raw_frame, &id)) {
        h5calib_say(
            message, size,
            "cell ids in '%s' cannot be read: the file is shorter than it says, or its disk failed",
            c->ids.source.view->path);
        return false;
    }
    if (h5calib_calibrator_locate(c->calibrator, id, c->n_cells, &j->cell_number, &j->weight))
        return true;
    j->constants = H5CALIB_MASKED;
    if (!h5calib_calibrator_masks_bad_cells(c->calibrator))
        h5calib_say(message, size,
                    "frame %llu was stored in memory cell %lld, the constants have cells 0 to %u",
                    (unsigned long long)j->frame, (long long)id, c->n_cells - 1);
    return h5calib_calibrator_masks_bad_cells(c->calibrator);
}

bool h5calib_jobs_add(h5calib_work *w, const h5calib_box *at, const int64_t *legacy_cell, char *out,
                      char *message, size_t size)
{
    const calibrated *c = w->c;
    size_t frame_bytes =
        (size_t)(at->extent[c->rank - 2] * at->extent[c->rank - 1]) * h5calib_dtype_size(c->dtype);
    if (at->frame_step)
        frame_bytes = at->frame_step;
    for (size_t i = 0; i < at->frames; i++) {
        h5calib_job *j = &w->jobs[w->n_jobs];
        size_t place;
        place_frame(c, at, i, &j->frame, &place);
        j->out = out + place * frame_bytes;
        j->number = w->n_jobs++;
        j->raw_frame = c->frames ? c->frames[j->frame] : j->frame;
        if (j->raw_frame >= c->n_raw_frames) {
            h5calib_say(message, size, "the frame selection asks for raw frame %llu of %llu",
                        (unsigned long long)j->raw_frame, (unsigned long long)c->n_raw_frames);
            return false;
        }
        if (!find_cell(c, j, legacy_cell, message, size))
            return false;
    }
    return true;
}

/* ---- constants ----------------------------------------------------------------------------- */

/* Let the system begin to read what a whole frame is made of. */
static void announce(const h5calib_work *w, const h5calib_job *j)
{
    if (w->at.rows < w->c->dims[w->c->rank - 2])
        return;
    if (!w->raw)
        h5calib_rawmap_announce(w->c->map, j->raw_frame);
    h5calib_constants_announce(w->c, j->cell_number);
}

/* The constants of every frame: already in memory, or to be loaded, or, where no other frame has
 * needed them so far, to pass by in strips. Lists the cells to be loaded. */
static size_t decide(binding *b, h5calib_work *w, unsigned char *uses, uint32_t *missing)
{
    calibrated *c = w->c;
    const bool strips = w->joined && h5calib_strips_possible(b, c);
    size_t n = 0;
    for (size_t i = 0; i < w->n_jobs; i++)
        if (w->jobs[i].constants == H5CALIB_KEPT)
            uses[w->jobs[i].cell_number] += uses[w->jobs[i].cell_number] < 2;
    for (size_t i = 0; i < w->n_jobs; i++) {
        h5calib_job *j = &w->jobs[i];
        const uint32_t cell = j->cell_number;
        if (j->constants != H5CALIB_KEPT || uses[cell] == 0)
            continue;
        if (c->cells[cell]) {
            h5calib_constants_get(b, c, cell, NULL, 0); /* the last to be dropped */
        } else if (strips && uses[cell] == 1 && !c->met[cell] && j->weight == 0) {
            j->constants = H5CALIB_IN_STRIPS;
            w->in_strips = true;
            announce(w, j);
        } else {
            missing[n++] = cell;
        }
        c->met[cell] = true;
        uses[cell] = 0; /* seen to */
    }
    return n;
}

/* Without memory for that, each cell is loaded when its turn comes. */
static void load_constants(binding *b, h5calib_work *w)
{
    calibrated *c = w->c;
    unsigned char *uses = calloc(c->n_cells, sizeof *uses);
    uint32_t *missing = malloc(c->n_cells * sizeof *missing);
    if (uses && missing)
        h5calib_constants_load(b, c, missing, decide(b, w, uses, missing), w->threads);
    free(uses);
    free(missing);
}

bool h5calib_jobs_choose_constants(binding *b, h5calib_work *w, char *message, size_t size)
{
    calibrated *c = w->c;
    if (!c->legacy_algorithm)
        load_constants(b, w);
    w->holds = true;
    b->works++;
    for (size_t i = 0; i < w->n_jobs; i++) {
        h5calib_job *j = &w->jobs[i];
        if (j->constants != H5CALIB_KEPT)
            continue;
        j->cell = h5calib_constants_get(b, c, j->cell_number, message, size);
        if (j->cell && j->weight > 0)
            j->next = h5calib_constants_get(b, c, j->cell_number + 1, message, size);
        if (!j->cell || (j->weight > 0 && !j->next))
            return false;
    }
    return true;
}

/* ---- groups -------------------------------------------------------------------------------- */

/* In the order of the cells, which is that of their frames in the file: what is looked at in place
 * goes on where it was (inplace.c). */
static int by_cell(const void *a, const void *b)
{
    const h5calib_job *one = a, *two = b;
    if (!one->cell != !two->cell)
        return one->cell ? 1 : -1;
    if (one->cell && one->cell_number != two->cell_number)
        return one->cell_number < two->cell_number ? -1 : 1;
    return one->number < two->number ? -1 : one->number > two->number;
}

static bool same_group(const h5calib_work *w, const h5calib_job *start, const h5calib_job *j)
{
    if (w->decodes)
        return h5calib_rawmap_chunk(w->c->map, start->raw_frame) ==
               h5calib_rawmap_chunk(w->c->map, j->raw_frame);
    return start->cell == j->cell &&
           (size_t)(j - start) < h5calib_group_frames(j->cell, w->c->n_cells);
}

void h5calib_jobs_group(h5calib_work *w)
{
    if (w->n_jobs > 1 && !w->decodes)
        qsort(w->jobs, w->n_jobs, sizeof *w->jobs, by_cell);
    w->n_groups = 0;
    for (size_t i = 0; i < w->n_jobs; i++)
        if (w->n_groups == 0 || !same_group(w, &w->jobs[w->groups[w->n_groups - 1]], &w->jobs[i]))
            w->groups[w->n_groups++] = i;
    w->groups[w->n_groups] = w->n_jobs;
}
