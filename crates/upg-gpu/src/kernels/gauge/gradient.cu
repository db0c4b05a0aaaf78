// Sums of weight gradients: sum over positions of v_out(x) h_in(x + tap), kept in registers by threads that own a tap, two inputs and eight outputs.
//
// The threads of a block are GROUPS groups of WORKERS, each of them sums over its share of the positions; a block adds up its groups when it has
// done all its tiles, and leaves its part, PARTS numbers: layer after layer the sums of weights [tap across][tap along][in][out], then the sums of v over positions,
// [out][class]. `gauge_gradient` adds the parts of all blocks in f64, in order.

// Samples that are read at once: of one cell, so that neighbours of all of them lie side by side too.
constexpr int TOGETHER = SAMPLES % 4 == 0 ? 4 : SAMPLES % 2 == 0 ? 2 : 1;

struct alignas(TOGETHER * sizeof(REAL) > 16 ? 16 : TOGETHER * sizeof(REAL)) Some {
    REAL at[TOGETHER];
};

DEVICE constexpr int smaller(int a, int b) { return a < b ? a : b; }

template <int K>
struct Units {
    static constexpr int in = CHANNELS_OF[K], out = CHANNELS_OF[K + 1], pairs = (in + 1) / 2, eights = (out + 7) / 8;
    static constexpr int all = WINDOW * WINDOW * pairs * eights, workers = smaller(all, BLOCK), groups = BLOCK / workers;
    static constexpr int rounds = (all + workers - 1) / workers;
    static constexpr int totals = Field<K + 1>::rows, total_workers = smaller(totals, BLOCK), total_groups = BLOCK / total_workers;
    static constexpr int total_rounds = (totals + total_workers - 1) / total_workers;
};

// Where the sums of layer k are in a part.
DEVICE constexpr int part_of(int k) {
    int size = 0;
    for (int j = 0; j < k; j++) size += WINDOW * WINDOW * CHANNELS_OF[j] * CHANNELS_OF[j + 1] + rows_of(j + 1);
    return size;
}

DEVICE constexpr int totals_of(int k) { return part_of(k + 1) - rows_of(k + 1); }

constexpr int PARTS = part_of(LAYERS);
static_assert(PARTS == PART_NUMBERS, "numbers of a part, as gauge.rs counts them");

// What a thread sums up for layers 0 to k.
template <int K>
struct WeightSums {
    WeightSums<K - 1> below;
    REAL weight[Units<K>::rounds][2][8], total[Units<K>::total_rounds];
};
template <>
struct WeightSums<-1> {};

template <int K>
DEVICE void clear_sums(WeightSums<K>& sums) {
    if constexpr (K >= 0) {
#pragma unroll
        for (int round = 0; round < Units<K>::rounds; round++) {
#pragma unroll
            for (int i = 0; i < 16; i++) sums.weight[round][i / 8][i % 8] = R(0);
        }
#pragma unroll
        for (int round = 0; round < Units<K>::total_rounds; round++) sums.total[round] = R(0);
        clear_sums<K - 1>(sums.below);
    }
}

// A tap, two inputs and eight outputs; taps along the stripes are neighbours, then those across.
struct Unit {
    int along, across, in, out;
};

template <int K>
DEVICE Unit unit_of(int unit) {
    int pair = unit / (WINDOW * WINDOW);
    return {unit % WINDOW - RADIUS, unit / WINDOW % WINDOW - RADIUS, 2 * (pair % Units<K>::pairs), 8 * (pair / Units<K>::pairs)};
}

// Adds to the sums of one unit from the positions of a group.
template <int K>
DEVICE void add_products(REAL (&sum)[2][8], Unit of, int group, const REAL* h, const REAL* v) {
    constexpr int IN = CHANNELS_OF[K], OUT = CHANNELS_OF[K + 1];
#pragma unroll 1
    for (int at = group * TOGETHER; at < POSITIONS; at += Units<K>::groups * TOGETHER) {
#pragma unroll
        for (int c = 0; c < 4; c++) {
            int q = c + of.across;
            if (!lives_on<K + 1>(c) || (K == 0 && !lives_on<K>(q))) continue;
            const REAL* from = h + row_of<K>(of.in, q) * STRIDE + neighbour(at, of.along, q >> 2);
            Some input[2];
            input[0] = *(const Some*)from;
            if (of.in + 1 < IN) input[1] = *(const Some*)(from + Field<K>::count * STRIDE);
#pragma unroll
            for (int o = 0; o < 8; o++) {
                if ((OUT % 8 != 0 || OUT > 8) && of.out + o >= OUT) continue;
                Some output = *(const Some*)(v + row_of<K + 1>(of.out + o, c) * STRIDE + at);
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    if (IN % 2 != 0 && of.in + i >= IN) continue;
#pragma unroll
                    for (int s = 0; s < TOGETHER; s++) sum[i][o] = MAD(input[i].at[s], output.at[s], sum[i][o]);
                }
            }
        }
    }
}

// Adds the products of a tile, fields K and K + 1 in shared memory, to the sums of layer K.
template <int K>
DEVICE void add_tile(WeightSums<K>& sums, const REAL* h, const REAL* v) {
    typedef Units<K> U;
    int me = (int)threadIdx.x;
#pragma unroll
    for (int round = 0; round < U::rounds; round++) {
        int unit = me % U::workers + round * U::workers;
        if (me / U::workers < U::groups && unit < U::all) add_products<K>(sums.weight[round], unit_of<K>(unit), me / U::workers, h, v);
    }
#pragma unroll
    for (int round = 0; round < U::total_rounds; round++) {
        int row = me % U::total_workers + round * U::total_workers, group = me / U::total_workers;
        if (group >= U::total_groups || row >= U::totals) continue;
#pragma unroll 1
        for (int at = group * TOGETHER; at < POSITIONS; at += U::total_groups * TOGETHER) {
            Some values = *(const Some*)(v + row * STRIDE + at);
#pragma unroll
            for (int s = 0; s < TOGETHER; s++) sums.total[round] += values.at[s];
        }
    }
}

// Adds up the groups of a block, layers 0 to K; `shared` has 16 numbers for each thread.
template <int K>
DEVICE void write_part(const WeightSums<K>& sums, REAL* shared, REAL* part) {
    if constexpr (K >= 0) {
        typedef Units<K> U;
        constexpr int IN = CHANNELS_OF[K], OUT = CHANNELS_OF[K + 1];
        int me = (int)threadIdx.x;
#pragma unroll
        for (int round = 0; round < U::rounds; round++) {
            BARRIER();
#pragma unroll
            for (int i = 0; i < 16; i++) shared[i * BLOCK + me] = sums.weight[round][i / 8][i % 8];
            BARRIER();
            for (int i = me; i < 16 * U::workers; i += BLOCK) {
                int worker = i / 16, unit = worker + round * U::workers;
                Unit of = unit_of<K>(unit);
                int in = of.in + i % 16 / 8, out = of.out + i % 8;
                REAL sum = 0;
                for (int group = 0; group < U::groups; group++) sum += shared[i % 16 * BLOCK + group * U::workers + worker];
                int tap = (of.across + RADIUS) * WINDOW + of.along + RADIUS;
                if (unit < U::all && in < IN && out < OUT) part[part_of(K) + (tap * IN + in) * OUT + out] = sum;
            }
        }
#pragma unroll
        for (int round = 0; round < U::total_rounds; round++) {
            BARRIER();
            shared[me] = sums.total[round];
            BARRIER();
            int row = me + round * U::total_workers;
            if (me >= U::total_workers || row >= U::totals) continue;
            REAL sum = 0;
            for (int group = 0; group < U::total_groups; group++) sum += shared[group * U::total_workers + me];
            part[totals_of(K) + row] = sum;
        }
        write_part<K - 1>(sums.below, shared, part);
    }
}

// Number i of the gradient of layers K and above, in one part: for the first layer also from the constant inputs (1, 0).
template <int K>
DEVICE double gradient_in(const REAL* part, int direction, int i) {
    constexpr int IN = CHANNELS_OF[K], OUT = CHANNELS_OF[K + 1], TAPS = WINDOW * WINDOW;
    double sum = 0;
    if (i < TAPS * IN * OUT) {
        int out = i / TAPS / IN, in = i / TAPS % IN, outer = i % TAPS / WINDOW, inner = i % WINDOW;
        int along = direction == 0 ? outer : inner, across = direction == 0 ? inner : outer;
        sum = (double)part[part_of(K) + ((across * WINDOW + along) * IN + in) * OUT + out];
        for (int c = 0; K == 0 && in == 0 && c < 4; c++) {
            if (lives_on<K + 1>(c) && !lives_on<0>(c + across - RADIUS)) sum += (double)part[totals_of(K) + row_of<K + 1>(out, c)];
        }
    } else if (i < TAPS * IN * OUT + OUT) {
        for (int c = 0; c < Field<K + 1>::count; c++) sum += (double)part[totals_of(K) + (i - TAPS * IN * OUT) * Field<K + 1>::count + c];
    } else if constexpr (K + 1 < LAYERS) {
        sum = gradient_in<K + 1>(part, direction, i - (TAPS * IN + 1) * OUT);
    }
    return sum;
}
