// The real Fourier transform of fields on a periodic lattice along one axis (modes.rs of upg-flows). Fields have shape [outer, extent, inner], inner
// counting samples too; the axis has the orthonormal matrix M, and all axes one after the other are the transform.

// Results of a thread.
#define RESULTS 8

// Sites whose elements of the matrix are in shared memory at a time.
#define SITES 64

// to[o, i, c] <- sum_n from[o, n, c] matrix[n, i], the matrix stored [extent][extent]: m_i(n) to get the modes, its transpose to get back. A thread
// does RESULTS values of i of a line (o, c), blockIdx.y says which.
// limits: 40 registers, 2048 bytes shared
// limits f64: 56 registers, 4096 bytes shared
KERNEL(256) modes_along_axis(const REAL* from, REAL* to, const REAL* matrix, int extent, int inner, int lines) {
    SHARED(REAL, columns, SITES * RESULTS);
    int first = (int)blockIdx.y * RESULTS, results = extent - first < RESULTS ? extent - first : RESULTS, line = THREAD;
    u64 begin = (u64)(line / inner) * extent * inner + line % inner;
    REAL sums[RESULTS] = {};
    for (int at = 0; at < extent; at += SITES) {
        int sites = extent - at < SITES ? extent - at : SITES;
        for (int k = (int)threadIdx.x; k < sites * RESULTS; k += 256) {
            int i = k % RESULTS;
            columns[k] = i < results ? matrix[(at + k / RESULTS) * extent + first + i] : R(0);
        }
        BARRIER();
        for (int n = 0; n < sites && line < lines; n++) {
            REAL x = from[begin + (u64)(at + n) * inner];
#pragma unroll
            for (int i = 0; i < RESULTS; i++) sums[i] = MAD(columns[n * RESULTS + i], x, sums[i]);
        }
        BARRIER();
    }
#pragma unroll
    for (int i = 0; i < RESULTS; i++) {
        if (i < results && line < lines) to[begin + (u64)(first + i) * inner] = sums[i];
    }
}
