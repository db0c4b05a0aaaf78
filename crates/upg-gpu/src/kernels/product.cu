// Matrix products of f32 on tensor cores, each factor split into two TF32 numbers: C <- alpha op(A) op(B) + beta C, rows contiguous.
//
// x = high + low with high = x rounded to TF32 (ten bits of mantissa; by adding half a unit to its bits) and low = x - high, which is exact and which the
// tensor core truncates to TF32. Of the four products of parts low low is left out: a b = high high + (high low + low high) up to some 2^-22 |a b|, which
// is f32. (M. Fasi, N. Higham, F. Lopez, T. Mary, T. Mikaitis, "Matrix multiplication in multiword arithmetic", SIAM J. Sci. Comput. 45 (2023) C1.)
//
// A block of 256 threads computes a tile of 128 x 128 in 8 warps of 64 x 32; 16 terms at a time lie in shared memory, in three stages that
// are filled while another is used. Factors are read as they lie: tiles whose terms are contiguous as [128][16], with rows of 20 words, others
// as [16][128], with rows of 136: so that the 32 threads of a warp read from 32 banks.

#ifndef REAL_IS_DOUBLE

#define TILE 128
#define TERMS 16
#define STAGES 3
#define ALONG 20
#define ACROSS 136
#define WORDS (TILE * ALONG > TERMS * ACROSS ? TILE * ALONG : TERMS * ACROSS)

// A factor: `lines` lines (rows of C for A, columns for B) of `terms` terms. ALONG_TERMS: the terms of a line are contiguous.
enum Order { ALONG_TERMS, ACROSS_TERMS };

struct Factor {
    const float* at;
    int stride, lines, terms;
};

// Copies `count` <= 4 floats and zeros for the rest of four; 16 bytes at once where all addresses are multiples of 16 bytes.
template <int WIDE>
DEVICE void copy_four(float* to, const float* from, int count) {
#ifdef __CUDA_ARCH__
    unsigned place = (unsigned)__cvta_generic_to_shared(to);
    if (WIDE) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(from), "r"(4 * count));
    } else {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(place + 4 * i), "l"(from + (i < count ? i : 0)), "r"(i < count ? 4 : 0));
        }
    }
#else
    for (int i = 0; i < 4; i++) to[i] = i < count ? from[i] : 0.0f;
#endif
}

DEVICE void stage_is_complete() {
#ifdef __CUDA_ARCH__
    asm volatile("cp.async.commit_group;");
#endif
}

// Waits for all stages but the latest.
DEVICE void wait_for_stage() {
#ifdef __CUDA_ARCH__
    asm volatile("cp.async.wait_group 1;");
#endif
}

// Fills a tile with the lines from `line` on and the terms from `term` on; two times four floats a thread.
template <Order ORDER, int WIDE>
DEVICE void fill_tile(float* tile, const Factor& f, int line, int term) {
#pragma unroll
    for (int turn = 0; turn < 2; turn++) {
        int number = (int)threadIdx.x + 256 * turn;
        int i = ORDER == ALONG_TERMS ? number / 4 : 4 * (number % 32), k = ORDER == ALONG_TERMS ? 4 * (number % 4) : number / 32;
        int lines = f.lines - (line + i), terms = f.terms - (term + k);
        int count = lines <= 0 || terms <= 0 ? 0 : min(4, ORDER == ALONG_TERMS ? terms : lines);
        u64 from = ORDER == ALONG_TERMS ? (u64)(line + i) * f.stride + (term + k) : (u64)(term + k) * f.stride + (line + i);
        copy_four<WIDE>(tile + (ORDER == ALONG_TERMS ? i * ALONG + k : k * ACROSS + i), count ? f.at + from : f.at, count);
    }
}

template <Order ORDER>
DEVICE float tile_at(const float* tile, int line, int term) {
    return tile[ORDER == ALONG_TERMS ? line * ALONG + term : term * ACROSS + line];
}

// The parts of a number, as the tensor core takes them.
DEVICE void split(float x, unsigned& high, unsigned& low) {
    high = ((unsigned)bits_of(x) + 0x1000u) & 0xffffe000u;
    low = (unsigned)bits_of(x - from_bits((int)high));
}

// d <- a b + d for a warp, a of 16 x 8, b of 8 x 8, d of 16 x 8, as PTX lays the parts of mma.m16n8k8 out over its threads.
// Where there is no tensor core, `exchange` is memory for the fragments of a block.
DEVICE void multiply_fragments(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], unsigned* exchange) {
#ifdef __CUDA_ARCH__
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    unsigned *of_a = exchange, *of_b = exchange + 4 * 256;
    int me = (int)threadIdx.x, warp = me - me % 32, g = me % 32 / 4, t = me % 4;
    for (int q = 0; q < 4; q++) of_a[4 * me + q] = a[q] & 0xffffe000u;
    for (int q = 0; q < 2; q++) of_b[2 * me + q] = b[q] & 0xffffe000u;
    BARRIER();
    for (int q = 0; q < 4; q++) {
        int row = g + 8 * (q / 2), column = 2 * t + q % 2;
        for (int k = 0; k < 8; k++) {
            int from_a = warp + row % 8 * 4 + k % 4, from_b = warp + column * 4 + k % 4;
            d[q] = fma(from_bits((int)of_a[4 * from_a + row / 8 + 2 * (k / 4)]), from_bits((int)of_b[2 * from_b + k / 4]), d[q]);
        }
    }
    BARRIER();
#endif
}

// What becomes of a sum of C at (row, column).
struct Linear {
    float alpha, beta;
    float* c;
    int stride;
    DEVICE_METHOD void operator()(int row, int column, float sum) const {
        u64 at = (u64)row * stride + column;
        c[at] = alpha * sum + (beta == 0.0f ? 0.0f : beta * c[at]);
    }
};

template <Order OF_A, Order OF_B, int WIDE, class End>
DEVICE void product(Factor a, Factor b, End end) {
    DYNAMIC_SHARED(float, shared);
#ifdef __CUDA_ARCH__
    unsigned* exchange = 0;
#else
    SHARED(unsigned, exchange, 6 * 256);
#endif
    int first_row = TILE * (int)blockIdx.y, first_column = TILE * (int)blockIdx.x;
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    int g = lane / 4, t = lane % 4, rows = 64 * (warp / 4), columns = 32 * (warp % 4);
    float sums[4][4][4] = {};
    int steps = (a.terms + TERMS - 1) / TERMS;
    for (int stage = 0; stage < STAGES - 1; stage++) {
        fill_tile<OF_A, WIDE>(shared + 2 * stage * WORDS, a, first_row, stage * TERMS);
        fill_tile<OF_B, WIDE>(shared + (2 * stage + 1) * WORDS, b, first_column, stage * TERMS);
        stage_is_complete();
    }
    for (int step = 0; step < steps; step++) {
        wait_for_stage();
        BARRIER();
        int next = (step + STAGES - 1) % STAGES, now = step % STAGES;
        fill_tile<OF_A, WIDE>(shared + 2 * next * WORDS, a, first_row, (step + STAGES - 1) * TERMS);
        fill_tile<OF_B, WIDE>(shared + (2 * next + 1) * WORDS, b, first_column, (step + STAGES - 1) * TERMS);
        stage_is_complete();
        const float *of_a = shared + 2 * now * WORDS, *of_b = of_a + WORDS;
#pragma unroll
        for (int k = 0; k < TERMS; k += 8) {
            unsigned b_high[4][2], b_low[4][2];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                split(tile_at<OF_B>(of_b, columns + 8 * j + g, k + t), b_high[j][0], b_low[j][0]);
                split(tile_at<OF_B>(of_b, columns + 8 * j + g, k + t + 4), b_high[j][1], b_low[j][1]);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                unsigned a_high[4], a_low[4];
#pragma unroll
                for (int q = 0; q < 4; q++) split(tile_at<OF_A>(of_a, rows + 16 * i + g + 8 * (q % 2), k + t + 4 * (q / 2)), a_high[q], a_low[q]);
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    multiply_fragments(sums[i][j], a_low, b_high[j], exchange);
                    multiply_fragments(sums[i][j], a_high, b_low[j], exchange);
                    multiply_fragments(sums[i][j], a_high, b_high[j], exchange);
                }
            }
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
            for (int q = 0; q < 4; q++) {
                int row = first_row + rows + 16 * i + g + 8 * (q / 2), column = first_column + columns + 8 * j + 2 * t + q % 2;
                if (row < a.lines && column < b.lines) end(row, column, sums[i][j][q]);
            }
        }
    }
}

// C <- alpha A B + beta C, named by how the factors lie: n as in the formula, t transposed; `wide` where every line begins at a multiple of 16 bytes.

// limits: 168 registers, 0 bytes shared
KERNEL(256) product_nn_wide(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ACROSS_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(256) product_nn(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ACROSS_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(256) product_tn_wide(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ACROSS_TERMS, ACROSS_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(256) product_tn(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ACROSS_TERMS, ACROSS_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(256) product_nt_wide(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ALONG_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(256) product_nt(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ALONG_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

#endif
