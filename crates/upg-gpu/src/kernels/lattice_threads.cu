// Who has what of the samples of a block in shared memory, and sums over the threads; behind lattice_modes.cu.
//
// Macros beside those: thread j of a sample owns its sites and modes j, j + THREADS_OF_SAMPLE, ..., OWN of them; DOF, as many as there are sites.

#define DOF SITES
// Parts of a sum that are left after its first step.
#define LANES 16

// What is reduced: REDUCED doubles for each thread.
DEVICE double* reduced_parts() {
    DYNAMIC_SHARED(double, shared);
    return shared;
}

struct OnLattice {
    Fields fields;

    // The sample of this thread, and its number among the threads of that.
    DEVICE_METHOD int sample() const { return ME / THREADS_OF_SAMPLE; }
    DEVICE_METHOD int mine() const { return ME % THREADS_OF_SAMPLE; }
    DEVICE_METHOD int site(int e) const { return e * THREADS_OF_SAMPLE + mine(); }
    DEVICE_METHOD bool owns(int e) const { return SITES % THREADS_OF_SAMPLE == 0 || site(e) < SITES; }
    // Field g of the sample of this thread, at places; and what the thread owns of it.
    DEVICE_METHOD REAL* field(int g) const { return tables_of_axes() + fields.now + (g * SAMPLES + sample()) * LATTICE; }
    DEVICE_METHOD REAL& at(int g, int e) const { return field(g)[place(site(e))]; }
    DEVICE_METHOD double* reduced() const { return reduced_parts(); }
};

// With the tables of the axes in shared memory.
DEVICE OnLattice on_lattice(const REAL* numbers) {
    REAL* room = tables_of_axes();
    for (int i = ME; i < TABLES; i += BLOCK) room[i] = numbers[i];
    BARRIER();
    return {{TABLES, TABLES + GROUP * SAMPLES * LATTICE}};
}

// sums[q] of `of` sums over the threads of a block, whose parts are [of][BLOCK], in a fixed order; in `reduced`[q * BLOCK]. Needs a barrier before.
DEVICE void reduce_lanes(int of) {
    for (int task = ME; task < of * LANES; task += BLOCK) {
        double* parts = reduced_parts() + task / LANES * BLOCK + task % LANES;
        double sum = 0;
        for (int i = 0; i + task % LANES < BLOCK; i += LANES) sum += parts[i];
        if (task % LANES < BLOCK) parts[0] = sum;
    }
    BARRIER();
}

DEVICE double reduced_sum(int q) {
    double sum = 0;
    for (int lane = 0; lane < LANES && lane < BLOCK; lane++) sum += reduced_parts()[q * BLOCK + lane];
    return sum;
}
