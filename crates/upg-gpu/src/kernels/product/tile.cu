// Matrix products of f32 on tensor cores, each factor split into two TF32 numbers, up to the sums of a tile of op(A) op(B): what becomes of them is
// the end of a kernel (product.cu, mlp_product.cu). Rows are contiguous.
//
// x = high + low with high = x rounded to TF32 (ten bits of mantissa; by adding half a unit to its bits) and low = x - high, which is exact and which the
// tensor core truncates to TF32. Of the four products of parts low low is left out: a b = high high + (high low + low high) up to some 2^-22 |a b|, which
// is f32. (M. Fasi, N. Higham, F. Lopez, T. Mary, T. Mikaitis, "Matrix multiplication in multiword arithmetic", SIAM J. Sci. Comput. 45 (2023) C1.)
//
// A tensor core truncates its sums to f32. So every eight terms are summed from zero, and these parts added to each other as f32 is elsewhere, rounded:
// sums in the tensor core throughout are off by ten times as much as those of f32 where there are some hundred terms. (H. Ootomo, R. Yokota, "Recovering
// single precision accuracy from tensor cores while surpassing the FP32 theoretical peak performance", Int. J. High Perform. Comput. Appl. 36 (2022).)
//
// A block of 128 threads computes a tile of 128 x 64 in 4 warps of 64 x 32; 16 terms at a time lie in shared memory, in three stages that
// are filled while another is used. Factors are read as they lie: n lines whose terms are contiguous as [n][16], with rows of 20 words, others
// as [16][n], with rows of n + 8: so that the 32 threads of a warp read from 32 banks.

#ifndef REAL_IS_DOUBLE

// Three blocks on a multiprocessor: one multiplies while another fills its first stages or ends.
#undef FEWEST_BLOCKS
#define FEWEST_BLOCKS , 3

#define BLOCK 128
#define ROWS 128
#define COLUMNS 64
#define TERMS 16
#define STAGES 3
#define ALONG (TERMS + 4)
// Words of the rows' lines in a stage, and of a stage; lines whose terms are not contiguous take less.
#define OF_ROWS (ROWS * ALONG)
#define STAGE ((ROWS + COLUMNS) * ALONG)

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
    // A card refuses other addresses; here they give what is no number.
    bool refused = WIDE && ((u64)to % 16 || (u64)from % 16);
    for (int i = 0; i < 4; i++) to[i] = refused ? from_bits(0x7fc00000) : i < count ? from[i] : 0.0f;
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

DEVICE void wait_for_all_stages() {
#ifdef __CUDA_ARCH__
    asm volatile("cp.async.wait_all;");
#endif
}

// How a thread fills tiles of LINES lines of a factor, one behind the other along the terms: four floats a turn.
template <Order ORDER, int LINES, int WIDE>
struct Filling {
    enum { TURNS = LINES * TERMS / 4 / BLOCK, AFTER = (ORDER == ALONG_TERMS ? LINES : TERMS) / TURNS };
    // Where the first of them is, and how many lines there are from there on. A number beyond the end may have any place: it isn't read.
    unsigned from;
    int lines;

    // Line and term of the first within a tile; those of the next turn are AFTER lines or terms further.
    DEVICE_METHOD int line() const { return ORDER == ALONG_TERMS ? (int)threadIdx.x / 4 : 4 * ((int)threadIdx.x % (LINES / 4)); }
    DEVICE_METHOD int term() const { return ORDER == ALONG_TERMS ? 4 * ((int)threadIdx.x % 4) : (int)threadIdx.x / (LINES / 4); }

    // From this line of the factor on.
    DEVICE_METHOD Filling(const Factor& f, int first) {
        int i = first + line();
        lines = f.lines - i;
        from = ORDER == ALONG_TERMS ? (unsigned)i * f.stride + term() : (unsigned)term() * f.stride + i;
    }

    // Fills the next tile, from which on `left` terms are left.
    DEVICE_METHOD void next(float* tile, const Factor& f, int left) {
        const int line_words = ORDER == ALONG_TERMS ? ALONG : LINES + 8;
        float* to = tile + (ORDER == ALONG_TERMS ? line() * line_words + term() : term() * line_words + line());
#pragma unroll
        for (int turn = 0; turn < TURNS; turn++) {
            int after = AFTER * turn;
            int in_line = ORDER == ALONG_TERMS ? left - term() : lines, others = ORDER == ALONG_TERMS ? lines - after : left - term() - after;
            int count = max(0, others > 0 ? min(in_line, 4) : 0);
            copy_four<WIDE>(to + after * line_words, f.at + (count ? from + (unsigned)after * f.stride : 0u), count);
        }
        from += ORDER == ALONG_TERMS ? TERMS : (unsigned)TERMS * f.stride;
    }
};

template <Order ORDER, int LINES>
DEVICE float tile_at(const float* tile, int line, int term) {
    return tile[ORDER == ALONG_TERMS ? line * ALONG + term : term * (LINES + 8) + line];
}

// The parts of a number, as the tensor core takes them.
DEVICE void split(float x, unsigned& high, unsigned& low) {
    high = ((unsigned)bits_of(x) + 0x1000u) & 0xffffe000u;
    low = (unsigned)bits_of(x - from_bits((int)high));
}

#ifndef __CUDA_ARCH__
// The nearest float towards zero.
DEVICE float truncated(double x) {
    float nearest = (float)x;
    return fabs((double)nearest) > fabs(x) ? from_bits(bits_of(nearest) - 1) : nearest;
}
#endif

// d <- a b + d for a warp, a of 16 x 8, b of 8 x 8, d of 16 x 8, as PTX lays the parts of mma.m16n8k8 out over its threads.
// Where there is no tensor core, `exchange` is memory for the fragments of a block.
DEVICE void multiply_fragments(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], unsigned* exchange) {
#ifdef __CUDA_ARCH__
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    unsigned *of_a = exchange, *of_b = exchange + 4 * BLOCK;
    int me = (int)threadIdx.x, warp = me - me % 32, g = me % 32 / 4, t = me % 4;
    for (int q = 0; q < 4; q++) of_a[4 * me + q] = a[q] & 0xffffe000u;
    for (int q = 0; q < 2; q++) of_b[2 * me + q] = b[q] & 0xffffe000u;
    BARRIER();
    for (int q = 0; q < 4; q++) {
        int row = g + 8 * (q / 2), column = 2 * t + q % 2;
        double sum = (double)d[q];
        for (int k = 0; k < 8; k++) {
            int from_a = warp + row % 8 * 4 + k % 4, from_b = warp + column * 4 + k % 4;
            float x = from_bits((int)of_a[4 * from_a + row / 8 + 2 * (k / 4)]), y = from_bits((int)of_b[2 * from_b + k / 4]);
            sum += (double)x * (double)y;
        }
        d[q] = truncated(sum);
    }
    BARRIER();
#endif
}

// Half a tile in shared memory: 64 lines of 68 floats; behind it, room for 33 doubles a line.
#define HALF (ROWS / 2)
#define LINE (COLUMNS + 4)
#define ROOM 33

// Lays the sums of a thread out in half a tile.
DEVICE void lay_out(const float (&sums)[4][4][4], float* half) {
    int lane = (int)threadIdx.x % 32, g = lane / 4, t = lane % 4, columns = (int)threadIdx.x / 32 % 2 * 32;
    float* mine = half + g * LINE + columns + 2 * t;
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
            for (int q = 0; q < 4; q++) mine[(16 * i + 8 * (q / 2)) * LINE + 8 * j + q % 2] = sums[i][j][q];
        }
    }
}

// Gives the sums of a block to `end`, half a tile after the other. end.line(row, column, columns, sums, room) has a thread finish sums[0] and sums[32], at
// `column` and 32 further, if C has so many; it may leave a number in its room. end.lines(first_row, rows, room) follows for the lines of a half,
// [64][33], in all threads.
template <class End>
DEVICE void finish(const float (&sums)[4][4][4], float* shared, int rows, int columns, const End& end) {
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    double* room = (double*)(shared + HALF * LINE);
#pragma unroll 1
    for (int half = 0; half < 2; half++) {
        int first_row = ROWS * (int)blockIdx.y + HALF * half, column = COLUMNS * (int)blockIdx.x + lane;
        BARRIER();
        if (warp / 2 == half) lay_out(sums, shared);
        BARRIER();
#pragma unroll 1
        for (int line = warp; line < HALF && first_row + line < rows; line += BLOCK / 32) {
            end.line(first_row + line, column, columns, shared + line * LINE + lane, room + line * ROOM + lane);
        }
        end.lines(first_row, rows, room);
    }
}

// A tile of op(A) op(B), given to `end`.
template <Order OF_A, Order OF_B, int WIDE, class End>
DEVICE void product(Factor a, Factor b, End end) {
    DYNAMIC_SHARED(float, shared);
#ifdef __CUDA_ARCH__
    unsigned* exchange = 0;
#else
    SHARED(unsigned, exchange, 6 * BLOCK);
#endif
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    int g = lane / 4, t = lane % 4, rows = 64 * (warp / 2), columns = 32 * (warp % 2);
    Filling<OF_A, ROWS, WIDE> fill_a(a, ROWS * (int)blockIdx.y);
    Filling<OF_B, COLUMNS, WIDE> fill_b(b, COLUMNS * (int)blockIdx.x);
    float sums[4][4][4] = {};
    for (int stage = 0; stage < STAGES - 1; stage++) {
        fill_a.next(shared + stage * STAGE, a, a.terms - stage * TERMS);
        fill_b.next(shared + stage * STAGE + OF_ROWS, b, b.terms - stage * TERMS);
        stage_is_complete();
    }
    int now = 0;
#pragma unroll 1
    for (int left = a.terms; left > 0; left -= TERMS) {
        wait_for_stage();
        BARRIER();
        int next = now ? now - 1 : STAGES - 1;
        fill_a.next(shared + next * STAGE, a, left - (STAGES - 1) * TERMS);
        fill_b.next(shared + next * STAGE + OF_ROWS, b, left - (STAGES - 1) * TERMS);
        stage_is_complete();
        const float *of_a = shared + now * STAGE, *of_b = of_a + OF_ROWS;
#pragma unroll 1
        for (int k = 0; k < TERMS; k += 8) {
            unsigned b_high[4][2], b_low[4][2];
#pragma unroll
            for (int j = 0; j < 4; j++) {
#pragma unroll
                for (int q = 0; q < 2; q++) split(tile_at<OF_B, COLUMNS>(of_b, columns + 8 * j + g, k + t + 4 * q), b_high[j][q], b_low[j][q]);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                unsigned a_high[4], a_low[4];
#pragma unroll
                for (int q = 0; q < 4; q++) split(tile_at<OF_A, ROWS>(of_a, rows + 16 * i + g + 8 * (q % 2), k + t + 4 * (q / 2)), a_high[q], a_low[q]);
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    float part[4] = {};
                    multiply_fragments(part, a_low, b_high[j], exchange);
                    multiply_fragments(part, a_high, b_low[j], exchange);
                    multiply_fragments(part, a_high, b_high[j], exchange);
#pragma unroll
                    for (int q = 0; q < 4; q++) sums[i][j][q] += part[q];
                }
            }
        }
        now = now + 1 < STAGES ? now + 1 : 0;
    }
    wait_for_all_stages();
    finish(sums, shared, a.lines, b.lines, end);
}

#endif
