// The U(1) gauge coupling (gauge.rs of upg-flows): MATH (10) and (11), each verb in one kernel. A block takes tiles of SAMPLES samples through the
// whole layer, in shared memory; a thread does one position at a time (see fields.cu), or sums up weight gradients (gradient.cu).
//
// Batches have shape [2V, samples]. A tile's part of the tape is [row][position]: the features, the hidden values, phi, and what the transform keeps.
// Where a tile has no sample its numbers are those of links 0, and its cotangents 0.

// Shared memory of a block.
struct Memory {
    REAL *up, *down, *even, *odd, *change;
};

enum { NO_WEIGHTS = 0, UP = 1, DOWN = 2, BOTH = 3 };

template <int WEIGHTS>
DEVICE Memory memory_at(REAL* shared) {
    Memory memory;
    memory.up = shared;
    memory.down = memory.up + (WEIGHTS & UP ? UPWARD : 0);
    memory.even = memory.down + (WEIGHTS & DOWN ? DOWNWARD : 0);
    memory.odd = memory.even + most_rows(0) * STRIDE;
    memory.change = memory.odd + most_rows(1) * STRIDE; // of active and frozen plaquettes, 3 rows; before that, lambda
    return memory;
}

// Where field k is.
DEVICE REAL* field_at(Memory memory, int k) { return k % 2 == 0 ? memory.even : memory.odd; }

// The packed weights that are wanted, into shared memory.
template <int WEIGHTS>
DEVICE void load_weights(const REAL* packed, Memory memory) {
    constexpr int FIRST = WEIGHTS == DOWN ? UPWARD : 0, LAST = WEIGHTS == UP ? UPWARD : UPWARD + DOWNWARD;
    for (int i = (int)threadIdx.x; i < (LAST - FIRST) / 4; i += BLOCK) ((Four*)memory.up)[i] = ((const Four*)(packed + FIRST))[i];
}

DEVICE int sample_of(int tile, int at) { return tile * SAMPLES + at % SAMPLES; }

// Whether `forward` leaves the tape.
enum { WITHOUT_TAPE, WITH_TAPE };

// Field K + 1 and all above it, from field K.
template <int TAPED, int K>
DEVICE void go_up(Memory memory, REAL* tape) {
    for (int at = (int)threadIdx.x; at < POSITIONS; at += BLOCK) {
        const REAL *weights = memory.up + upward(K), *starts = weights + weights_of(K, K + 1);
        REAL* to = field_at(memory, K + 1);
        auto start = [&](int out, int c) { return starts[(K == 0 ? c * padded(CHANNELS_OF[K + 1]) : 0) + out]; };
        convolve<K, K + 1>(weights, field_at(memory, K), at, start, [&](int out, int c, REAL sum) {
            REAL value = K + 1 == LAYERS || sum > R(0) ? sum : R(SLOPE) * sum;
            int row = row_of<K + 1>(out, c);
            to[row * STRIDE + at] = value;
            if (TAPED) tape[(Field<K + 1>::on_tape + row) * POSITIONS + at] = value;
        });
    }
    if constexpr (K + 1 < LAYERS) {
        BARRIER();
        go_up<TAPED, K + 1>(memory, tape);
    }
}

// Field 0, from the links.
template <int TAPED>
DEVICE void fill_features(const REAL* x, Links links, int tile, Memory memory, REAL* tape) {
    for (int at = (int)threadIdx.x; at < POSITIONS; at += BLOCK) {
        for (int c = FROZEN_1; c <= FROZEN_2; c++) {
            REAL feature[2];
            sin_cos_of(plaquette(x, links, sample_of(tile, at), at, c), feature[1], feature[0]);
            for (int i = 0; i < 2; i++) {
                memory.even[row_of<0>(i, c) * STRIDE + at] = feature[i];
                if (TAPED) tape[row_of<0>(i, c) * POSITIONS + at] = feature[i];
            }
        }
    }
}

// u <- u + sigma (g(p) - p) mod 2 pi; leaves lambda in shared memory. A thread reads phi where it has put it itself.
template <int TAPED>
DEVICE void turn_links(REAL* x, Links links, int tile, Memory memory, REAL* tape) {
    double* lambda = (double*)memory.change;
    for (int at = (int)threadIdx.x; at < POSITIONS; at += BLOCK) {
        int sample = sample_of(tile, at);
        const REAL* of_phi = field_at(memory, LAYERS) + at;
        auto phi = [&](int p) { return of_phi[p * STRIDE]; };
        REAL p = plaquette(x, links, sample, at, ACTIVE), y = p;
        if (TAPED) {
            REAL kept[KEPT];
            lambda[at] = (double)transform_evaluate(y, phi, kept);
            for (int k = 0; k < KEPT; k++) tape[(KEPT_ON_TAPE + k) * POSITIONS + at] = kept[k];
        } else {
            lambda[at] = (double)transform_value(y, phi);
        }
        if (sample >= links.samples) continue;
        REAL* u = x + link_at(links, MOVING, sample, at, ACTIVE, 0);
        *u = wrap_angle(fma(sigma_of(links), y - p, *u));
    }
}

// log_det += sum over cells of lambda: by eight threads a sample, the cells of each in order.
DEVICE void add_log_det(double* log_det, Links links, int tile, Memory memory) {
    double* lambda = (double*)memory.change;
    BARRIER();
    for (int i = (int)threadIdx.x; i < 8 * SAMPLES; i += BLOCK) {
        double sum = 0;
        for (int cell = i / SAMPLES; cell < CELLS; cell += 8) sum += lambda[cell * SAMPLES + i % SAMPLES];
        if (i / SAMPLES < CELLS) lambda[i] = sum;
    }
    BARRIER();
    for (int s = (int)threadIdx.x; s < SAMPLES && sample_of(tile, s) < links.samples; s += BLOCK) {
        double sum = 0;
        for (int i = 0; i < smaller(8, CELLS); i++) sum += lambda[i * SAMPLES + s];
        log_det[sample_of(tile, s)] += sum;
    }
}

// MATH (10) for one tile.
template <int TAPED>
DEVICE void go_forward(REAL* x, double* log_det, Links links, int tile, Memory memory, REAL* tape) {
    fill_features<TAPED>(x, links, tile, memory, tape);
    BARRIER();
    go_up<TAPED, 0>(memory, tape);
    turn_links<TAPED>(x, links, tile, memory, tape);
    add_log_det(log_det, links, tile, memory);
}

// Which way a covector goes, MATH (4) or (5), and whether weight gradients are wanted.
enum { PUSH, PULL };
enum { WITHOUT_GRADIENT, WITH_GRADIENT };

// The change of the covector on the active plaquettes, and v, 0 where there is no sample.
template <int VERB>
DEVICE void carry_active(const REAL* a, REAL w, Links links, int tile, Memory memory, const REAL* tape) {
    for (int at = (int)threadIdx.x; at < POSITIONS; at += BLOCK) {
        int sample = sample_of(tile, at);
        bool real = sample < links.samples;
        REAL kept[KEPT], old = real ? sigma_of(links) * a[link_at(links, MOVING, sample, at, ACTIVE, 0)] : R(0);
        for (int k = 0; k < KEPT; k++) kept[k] = tape[(KEPT_ON_TAPE + k) * POSITIONS + at];
        REAL carried = VERB == PUSH ? (old - w * kept[1]) / kept[0] : fma(old, kept[0], w * kept[1]);
        memory.change[at] = carried - old;
        REAL* v = field_at(memory, LAYERS) + at;
        auto phi = [&](int p) { return tape[(Field<LAYERS>::on_tape + p) * POSITIONS + at]; };
        auto put = [&](int p, REAL value) { v[p * STRIDE] = real ? value : R(0); };
        transform_vjp(VERB == PUSH ? -carried : old, VERB == PUSH ? -w : w, kept, phi, put);
    }
}

// Field k as `forward` left it, into shared memory.
template <int K>
DEVICE void load_field(Memory memory, const REAL* tape) {
    REAL* to = field_at(memory, K);
    for (int at = (int)threadIdx.x; at < POSITIONS; at += BLOCK) {
#pragma unroll 8
        for (int row = 0; row < Field<K>::rows; row++) to[row * STRIDE + at] = tape[(Field<K>::on_tape + row) * POSITIONS + at];
    }
}

// The cotangent of field K, K > 0, from that of field K + 1: over the hidden values, where they are in shared memory.
template <int GRADIENT, int K>
DEVICE void hidden_back(Memory memory, const REAL* tape, int at) {
    REAL* to = field_at(memory, K);
    auto zero = [](int, int) { return R(0); };
    convolve<K + 1, K>(memory.down + downward(K), field_at(memory, K + 1), at, zero, [&](int in, int c, REAL sum) {
        int row = row_of<K>(in, c);
        REAL hidden = GRADIENT ? to[row * STRIDE + at] : tape[(Field<K>::on_tape + row) * POSITIONS + at];
        to[row * STRIDE + at] = hidden > R(0) ? sum : R(SLOPE) * sum;
    });
}

// The cotangents of the frozen plaquettes, from that of field 1.
DEVICE void features_back(Memory memory, const REAL* tape, int at) {
    REAL of[2][2] = {};
    auto zero = [](int, int) { return R(0); };
    convolve<1, 0>(memory.down, memory.odd, at, zero, [&](int i, int c, REAL sum) { of[i][c - FROZEN_1] = sum; });
#pragma unroll
    for (int c = FROZEN_1; c <= FROZEN_2; c++) {
        REAL cosine = tape[row_of<0>(0, c) * POSITIONS + at], sine = tape[row_of<0>(1, c) * POSITIONS + at];
        memory.change[(c - ACTIVE) * STRIDE + at] = of[1][c - FROZEN_1] * cosine - of[0][c - FROZEN_1] * sine;
    }
}

// From the cotangent of field K + 1 down to those of the frozen plaquettes, and the sums of weight gradients on the way.
template <int GRADIENT, int K>
DEVICE void go_down(Memory memory, const REAL* tape, WeightSums<GRADIENT ? K : -1>& sums) {
    if constexpr (GRADIENT) {
        load_field<K>(memory, tape);
        BARRIER();
        add_tile<K>(sums, field_at(memory, K), field_at(memory, K + 1));
    }
    if (GRADIENT || K + 1 == LAYERS) BARRIER();
    for (int at = (int)threadIdx.x; at < POSITIONS; at += BLOCK) {
        if constexpr (K > 0) hidden_back<GRADIENT, K>(memory, tape, at);
        else features_back(memory, tape, at);
    }
    BARRIER();
    if constexpr (K > 0) {
        if constexpr (GRADIENT) go_down<GRADIENT, K - 1>(memory, tape, sums.below);
        else go_down<GRADIENT, K - 1>(memory, tape, sums);
    }
}

// a <- a + P^T change: each link gets the changes of its two plaquettes.
DEVICE void gather_links(REAL* a, Links links, int tile, Memory memory) {
    REAL sigma = sigma_of(links);
    for (int at = (int)threadIdx.x; at < POSITIONS; at += BLOCK) {
        int sample = sample_of(tile, at);
        if (sample >= links.samples) continue;
        REAL behind = memory.change[(FROZEN_2 - ACTIVE) * STRIDE + neighbour(at, 0, -1)];
        for (int c = PASSIVE; c <= FROZEN_2; c++) {
            const REAL* row = memory.change + (c - ACTIVE) * STRIDE;
            REAL here = c == PASSIVE ? R(0) : row[at];
            a[link_at(links, MOVING, sample, at, c, 0)] += sigma * (here - behind);
            if (c != PASSIVE) a[link_at(links, CROSSING, sample, at, c, 0)] += sigma * (row[neighbour(at, -1, 0)] - here);
            behind = here;
        }
    }
}

// MATH (4) or (5), then (11), for one tile.
template <int VERB, int GRADIENT>
DEVICE void carry(REAL* a, REAL w, Links links, int tile, Memory memory, const REAL* tape, WeightSums<GRADIENT ? LAYERS - 1 : -1>& sums) {
    carry_active<VERB>(a, w, links, tile, memory, tape);
    go_down<GRADIENT, LAYERS - 1>(memory, tape, sums);
    gather_links(a, links, tile, memory);
}

// The same for all tiles of a block, with its part of the weight gradients.
template <int VERB>
DEVICE void carry_with_gradient(REAL* a, const REAL* packed, const REAL* tape, REAL* parts, REAL w, Links links, REAL* shared) {
    Memory memory = memory_at<DOWN>(shared);
    load_weights<DOWN>(packed, memory);
    WeightSums<LAYERS - 1> sums;
    clear_sums(sums);
#pragma unroll 1
    for (int tile = (int)blockIdx.x; tile * SAMPLES < links.samples; tile += (int)gridDim.x) {
        BARRIER();
        carry<VERB, WITH_GRADIENT>(a, w, links, tile, memory, tape + tile * TAPE, sums);
    }
    write_part(sums, memory.even, parts + blockIdx.x * PARTS);
}

// MATH (10): x, log_det; the tape. One block a tile, as for all kernels without weight gradients.
// limits: 64 registers, 0 bytes shared
// limits f64: 128 registers, 0 bytes shared
KERNEL(BLOCK) gauge_forward(REAL* x, double* log_det, const REAL* packed, REAL* tape, int direction, int offset, int samples) {
    DYNAMIC_SHARED(REAL, shared);
    Memory memory = memory_at<UP>(shared);
    load_weights<UP>(packed, memory);
    go_forward<WITH_TAPE>(x, log_det, {direction, offset, samples}, (int)blockIdx.x, memory, tape + blockIdx.x * TAPE);
}

// MATH (10) without a tape.
// limits: 64 registers, 0 bytes shared
// limits f64: 128 registers, 0 bytes shared
KERNEL(BLOCK) gauge_value(REAL* x, double* log_det, const REAL* packed, int direction, int offset, int samples) {
    DYNAMIC_SHARED(REAL, shared);
    Memory memory = memory_at<UP>(shared);
    load_weights<UP>(packed, memory);
    go_forward<WITHOUT_TAPE>(x, log_det, {direction, offset, samples}, (int)blockIdx.x, memory, 0);
}

// MATH (10), and the push of the score a, w = 1, while the weights are at hand.
// limits: 64 registers, 0 bytes shared
// limits f64: 128 registers, 0 bytes shared
KERNEL(BLOCK) gauge_forward_with_score(REAL* x, double* log_det, REAL* a, const REAL* packed, REAL* tape, int direction, int offset, int samples) {
    DYNAMIC_SHARED(REAL, shared);
    Memory memory = memory_at<BOTH>(shared);
    Links links = {direction, offset, samples};
    WeightSums<-1> none;
    load_weights<BOTH>(packed, memory);
    go_forward<WITH_TAPE>(x, log_det, links, (int)blockIdx.x, memory, tape + blockIdx.x * TAPE);
    BARRIER();
    carry<PUSH, WITHOUT_GRADIENT>(a, R(1), links, (int)blockIdx.x, memory, tape + blockIdx.x * TAPE, none);
}

// MATH (4) and (11): the covector a.
// limits: 64 registers, 0 bytes shared
// limits f64: 128 registers, 0 bytes shared
KERNEL(BLOCK) gauge_push(REAL* a, const REAL* packed, const REAL* tape, REAL w, int direction, int offset, int samples) {
    DYNAMIC_SHARED(REAL, shared);
    Memory memory = memory_at<DOWN>(shared);
    WeightSums<-1> none;
    load_weights<DOWN>(packed, memory);
    carry<PUSH, WITHOUT_GRADIENT>(a, w, {direction, offset, samples}, (int)blockIdx.x, memory, tape + blockIdx.x * TAPE, none);
}

// MATH (5) and (11).
// limits: 64 registers, 0 bytes shared
// limits f64: 128 registers, 0 bytes shared
KERNEL(BLOCK) gauge_pull(REAL* a, const REAL* packed, const REAL* tape, REAL w, int direction, int offset, int samples) {
    DYNAMIC_SHARED(REAL, shared);
    Memory memory = memory_at<DOWN>(shared);
    WeightSums<-1> none;
    load_weights<DOWN>(packed, memory);
    carry<PULL, WITHOUT_GRADIENT>(a, w, {direction, offset, samples}, (int)blockIdx.x, memory, tape + blockIdx.x * TAPE, none);
}

// The same with the part of each block in the weight gradient, [block][PARTS]; a block does every (number of blocks)-th tile.
// limits: 128 registers, 0 bytes shared
// limits f64: 240 registers, 0 bytes shared
KERNEL(BLOCK) gauge_push_gradient(REAL* a, const REAL* packed, const REAL* tape, REAL* parts, REAL w, int direction, int offset, int samples) {
    DYNAMIC_SHARED(REAL, shared);
    carry_with_gradient<PUSH>(a, packed, tape, parts, w, {direction, offset, samples}, shared);
}

// limits: 128 registers, 0 bytes shared
// limits f64: 240 registers, 0 bytes shared
KERNEL(BLOCK) gauge_pull_gradient(REAL* a, const REAL* packed, const REAL* tape, REAL* parts, REAL w, int direction, int offset, int samples) {
    DYNAMIC_SHARED(REAL, shared);
    carry_with_gradient<PULL>(a, packed, tape, parts, w, {direction, offset, samples}, shared);
}

// grad (+)= the sum of the parts; blocks of 4 parameters and 64 groups of parts, since a part is a walk through memory that waits for the one before.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) gauge_gradient(const REAL* parts, REAL* grad, int direction, int blocks, int add) {
    SHARED(double, shared, 272);
    int me = (int)threadIdx.x, i = (int)blockIdx.x * 4 + me % 4;
    double sum = 0;
    for (int block = me / 4; block < blocks && i < theta_of(LAYERS); block += 64) sum += gradient_in<0>(parts + block * PARTS, direction, i);
    sum = sum_of_block<4>(sum, shared);
    if (me < 4 && i < theta_of(LAYERS)) grad[i] = R(sum) + (add ? grad[i] : R(0));
}
