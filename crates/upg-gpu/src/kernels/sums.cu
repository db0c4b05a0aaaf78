// Sums in f64 that repeat to the bit: their order follows from shapes alone.

// The sum of the 256 threads of a block, in all of them, by a tree. `shared` has 256 doubles.
DEVICE double sum_of_block(double mine, double* shared) {
    int me = (int)(threadIdx.y * blockDim.x + threadIdx.x);
    shared[me] = mine;
    BARRIER();
    for (int half = 128; half > 0; half /= 2) {
        if (me < half) shared[me] += shared[me + half];
        BARRIER();
    }
    double sum = shared[0];
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
