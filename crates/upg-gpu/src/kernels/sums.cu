// Sums in f64 that repeat to the bit: their order follows from shapes alone.

// The sum of the 256 threads of a block, in all of them: 16 threads add up 16 each, and everybody the 16. `shared` has 272 doubles. With a distance, which
// divides 16, each gets the sum of the threads whose number has the same remainder as its own.
template <int APART = 1>
DEVICE double sum_of_block(double mine, double* shared) {
    int me = (int)(threadIdx.y * blockDim.x + threadIdx.x);
    shared[me] = mine;
    BARRIER();
    if (me < 16) {
        double sum = 0;
        for (int i = 0; i < 16; i++) sum += shared[me + 16 * i];
        shared[256 + me] = sum;
    }
    BARRIER();
    double sum = 0;
    for (int i = me % APART; i < 16; i += APART) sum += shared[256 + i];
    BARRIER();
    return sum;
}

// The sum over the 8 groups of rows of a block of 32 samples, for the sample of this thread, in the threads of the group 0. `shared` has 256 doubles.
DEVICE double sum_of_groups(double mine, double* shared) {
    shared[threadIdx.y * 32 + threadIdx.x] = mine;
    BARRIER();
    double sum = 0;
    if (threadIdx.y == 0) {
        for (int group = 0; group < 8; group++) sum += shared[group * 32 + threadIdx.x];
    }
    BARRIER();
    return sum;
}

// The sum of so many threads, in all of them; this is number `mine`, and `parts`, as many doubles, are theirs alone. All threads of the block are here.
DEVICE double sum_of_threads(double x, int mine, int threads, double* parts) {
    int lanes = min(threads, 16);
    BARRIER();
    parts[mine] = x;
    BARRIER();
    if (mine < lanes) {
        double sum = 0;
        for (int j = mine; j < threads; j += lanes) sum += parts[j];
        parts[mine] = sum;
    }
    BARRIER();
    double sum = 0;
    for (int j = 0; j < lanes; j++) sum += parts[j];
    return sum;
}
