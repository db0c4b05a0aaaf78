// Weight gradients of a convolutional net on a lattice: dW(d) = sum_x v(x) h(x + d)^T, db = sum_x v(x), over the samples too.
//
// A warp has a *unit*: a tap, up to 8 channels of v and up to 4 of h, or the sums of up to 8 channels of v. Its steps, a pair of sites for 32 samples each,
// are shared out over blockIdx.y: a lane adds up its samples, the block its lanes in f64, and `lattice_sum` the shares. The words are those of lattice_net.cu.

enum Kind { OF_VALUES, OF_SQUARES, OF_ONE };
// Which batch the rows are of: of the net's input or output, or of hidden layers.
enum Place { OUTSIDE, HIDDEN };

#define UNIT_OUTPUTS 8
#define UNIT_INPUTS 4
#define UNIT_SUMS (UNIT_OUTPUTS * UNIT_INPUTS)
// Sums that are added up over the lanes at once, and the distance of one to the next.
#define AT_ONCE 16
#define LINE (LANES + 1)

struct Unit {
    int kind, outputs, inputs;
    // Rows of v and h at position 0, and rows from one channel to the next.
    int v_place, v_row, v_sites, h_place, h_row, h_sites;
    // Pairs of positions of v and h.
    int first, pairs;
    // The first parameter, and the distances to those of the next channels.
    int position, of_output, of_input;
};

// Rows of a batch.
struct Rows {
    const REAL* at;
    int stride;
};

// The steps of this block: from `begin` to `end`, pair by pair for 32 samples, then for the next ones.
struct Steps {
    u64 begin, end;
};

DEVICE Steps steps_of(int pairs, int samples) {
    u64 all = (u64)pairs * ((samples + LANES - 1) / LANES), each = (all + gridDim.y - 1) / gridDim.y;
    u64 begin = min(all, blockIdx.y * each);
    Steps steps = {begin, min(all, begin + each)};
    return steps;
}

template <int OUTPUTS, int INPUTS>
DEVICE void add_pair(REAL (&sums)[UNIT_SUMS], const REAL* v, int v_step, const REAL* h, int h_step, int kind) {
    REAL of_v[OUTPUTS], of_h[INPUTS];
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) of_v[o] = v[o * v_step];
    if (kind == OF_ONE) {
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) sums[o * UNIT_INPUTS] += of_v[o];
        return;
    }
#pragma unroll
    for (int i = 0; i < INPUTS; i++) of_h[i] = h[i * h_step];
    if (kind == OF_SQUARES) {
#pragma unroll
        for (int i = 0; i < INPUTS; i++) of_h[i] *= of_h[i];
    }
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
#pragma unroll
        for (int i = 0; i < INPUTS; i++) sums[o * UNIT_INPUTS + i] = MAD(of_v[o], of_h[i], sums[o * UNIT_INPUTS + i]);
    }
}

template <int OUTPUTS, int INPUTS>
DEVICE void add_steps(REAL (&sums)[UNIT_SUMS], const Unit& unit, const int* pairs, const Rows& v, const Rows& h, int samples) {
    Steps steps = steps_of(unit.pairs, samples);
    const REAL *of_v = v.at + unit.v_row * v.stride, *of_h = h.at + unit.h_row * h.stride;
    while (steps.begin < steps.end) {
        int tile = (int)(steps.begin / unit.pairs), pair = (int)(steps.begin - (u64)tile * unit.pairs);
        int stop = (int)min((u64)unit.pairs, pair + steps.end - steps.begin), s = tile * LANES + (int)threadIdx.x;
        steps.begin += stop - pair;
        if (s >= samples) continue;
#pragma unroll 2
        for (; pair < stop; pair++) {
            const int* at = pairs + 2 * (unit.first + pair);
            add_pair<OUTPUTS, INPUTS>(sums, of_v + at[0] * v.stride + s, unit.v_sites * v.stride, of_h + at[1] * h.stride + s, unit.h_sites * h.stride, unit.kind);
        }
    }
}

template <int OUTPUTS>
DEVICE void add_unit(REAL (&sums)[UNIT_SUMS], const Unit& unit, const int* pairs, const Rows& v, const Rows& h, int samples) {
    switch (unit.inputs) {
    case 4: return add_steps<OUTPUTS, 4>(sums, unit, pairs, v, h, samples);
    case 2: return add_steps<OUTPUTS, 2>(sums, unit, pairs, v, h, samples);
    default: return add_steps<OUTPUTS, 1>(sums, unit, pairs, v, h, samples);
    }
}

// The sum over the lanes, and into the parts of this block.
DEVICE void add_lanes(const REAL* line, const Unit& unit, int sum, double by, double* parts) {
    int o = sum / UNIT_INPUTS, i = sum % UNIT_INPUTS;
    if (o >= unit.outputs || i >= unit.inputs) return;
    double total = 0;
    for (int lane = 0; lane < LANES; lane++) total += (double)line[lane];
    parts[unit.position + o * unit.of_output + i * unit.of_input] = by * total;
}

// parts[blockIdx.y] <- the gradient from this share of the steps, [parameters], all layers at once; v_last is to be multiplied by `by`.
// Grid: blocks of 8 units, and shares.
// limits: 96 registers, 16896 bytes shared
// limits f64: 128 registers, 33792 bytes shared
KERNEL(256) lattice_gradient(const int* units, int count, const int* __restrict__ pairs, const REAL* __restrict__ c, int c_stride, const REAL* __restrict__ hidden, const REAL* __restrict__ v_last, int v_stride, REAL by, const REAL* __restrict__ v_hidden, double* parts, int parameters, int samples) {
    SHARED(REAL, shared, SITES * AT_ONCE * LINE);
    int u = (int)(blockIdx.x * SITES + threadIdx.y);
    Unit unit = ((const Unit*)units)[min(u, count - 1)];
    Rows outside_v = {v_last, v_stride}, inside_v = {v_hidden, samples}, outside_h = {c, c_stride}, inside_h = {hidden, samples};
    const Rows v = unit.v_place == HIDDEN ? inside_v : outside_v, h = unit.h_place == HIDDEN ? inside_h : outside_h;
    REAL sums[UNIT_SUMS];
#pragma unroll
    for (int k = 0; k < UNIT_SUMS; k++) sums[k] = 0;
    if (u < count) {
        switch (unit.outputs) {
        case 8: add_unit<8>(sums, unit, pairs, v, h, samples); break;
        case 4: add_unit<4>(sums, unit, pairs, v, h, samples); break;
        case 2: add_unit<2>(sums, unit, pairs, v, h, samples); break;
        default: add_unit<1>(sums, unit, pairs, v, h, samples);
        }
    }
    double factor = unit.v_place == HIDDEN ? 1.0 : (double)by;
    parts += (u64)blockIdx.y * parameters;
    REAL* lines = shared + threadIdx.y * AT_ONCE * LINE;
#pragma unroll
    for (int first = 0; first < UNIT_SUMS; first += AT_ONCE) {
        BARRIER();
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) lines[k * LINE + threadIdx.x] = sums[first + k];
        BARRIER();
        if (u < count && threadIdx.x < AT_ONCE) add_lanes(lines + threadIdx.x * LINE, unit, first + (int)threadIdx.x, factor, parts);
    }
}

// grad (+)= the sum of the parts of all shares; one thread a parameter.
// limits: 48 registers, 0 bytes shared
KERNEL(256) lattice_sum(const double* parts, int shares, REAL* grad, int add, int parameters) {
    int p = THREAD;
    if (p >= parameters) return;
    double sum = 0;
    for (int share = 0; share < shares; share++) sum += parts[(u64)share * parameters + p];
    grad[p] = R(sum) + (add ? grad[p] : R(0));
}
