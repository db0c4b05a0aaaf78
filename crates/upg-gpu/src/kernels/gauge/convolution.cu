// Convolutions between fields in shared memory, and their weights in the order in which they are read.
//
// Packed are, layer after layer, the weights for the way up, [tap along][in][tap across][out], and what its sums start from, [out], for layer 0 [class][out];
// then, layer after layer, the weights for the way down, [tap along][out][tap across][in], their taps turned around. The last index is padded to fours.

// Four numbers that are read at once.
struct alignas(16) Four {
    REAL at[4];
};

DEVICE constexpr int padded(int channels) { return (channels + 3) / 4 * 4; }

DEVICE constexpr int weights_of(int from, int to) { return WINDOW * WINDOW * CHANNELS_OF[from] * padded(CHANNELS_OF[to]); }

DEVICE constexpr int starts_of(int k) { return (k == 0 ? 4 : 1) * padded(CHANNELS_OF[k + 1]); }

// Where the weights of layer k lie, for the way up.
DEVICE constexpr int upward(int k) {
    int size = 0;
    for (int j = 0; j < k; j++) size += weights_of(j, j + 1) + starts_of(j);
    return size;
}

// The same for the way down, from the first of them on.
DEVICE constexpr int downward(int k) {
    int size = 0;
    for (int j = 0; j < k; j++) size += weights_of(j + 1, j);
    return size;
}

constexpr int UPWARD = upward(LAYERS), DOWNWARD = downward(LAYERS);
static_assert(UPWARD == UP_WEIGHTS && DOWNWARD == DOWN_WEIGHTS, "packed weights, as gauge.rs counts them");

// Where layer k is in theta: weights [out, in, tap, tap] and biases [out].
DEVICE constexpr int theta_of(int k) {
    int size = 0;
    for (int j = 0; j < k; j++) size += (WINDOW * WINDOW * CHANNELS_OF[j] + 1) * CHANNELS_OF[j + 1];
    return size;
}

// W of layer k; theta has the taps of axis 0 outside, whichever direction the stripes have.
template <int K>
DEVICE REAL weight_of(const REAL* theta, int direction, int out, int in, int along, int across) {
    int tap = direction == 0 ? along * WINDOW + across : across * WINDOW + along;
    return theta[theta_of(K) + (out * CHANNELS_OF[K] + in) * WINDOW * WINDOW + tap];
}

// What the sum of an output starts from: its bias, and for the first layer the constant inputs (1, 0) where a plaquette isn't frozen.
template <int K>
DEVICE REAL start_of(const REAL* theta, int direction, int c, int out) {
    REAL sum = theta[theta_of(K + 1) - CHANNELS_OF[K + 1] + out];
    for (int tap = 0; K == 0 && tap < WINDOW * WINDOW; tap++) {
        int along = tap / WINDOW, across = tap % WINDOW;
        if (!lives_on<0>(c + across - RADIUS)) sum += weight_of<0>(theta, direction, out, 0, along, across);
    }
    return sum;
}

// Element i of the packed weights of layer k, up and down, and of its starts.
template <int K>
DEVICE void pack_layer(const REAL* theta, REAL* packed, int direction, int first, int step) {
    constexpr int IN = CHANNELS_OF[K], OUT = CHANNELS_OF[K + 1];
    for (int i = first; i < weights_of(K, K + 1); i += step) {
        int out = i % padded(OUT), across = i / padded(OUT) % WINDOW, in = i / padded(OUT) / WINDOW % IN, along = i / padded(OUT) / WINDOW / IN;
        packed[upward(K) + i] = out < OUT ? weight_of<K>(theta, direction, out, in, along, across) : R(0);
    }
    for (int i = first; i < starts_of(K); i += step) {
        int out = i % padded(OUT);
        packed[upward(K) + weights_of(K, K + 1) + i] = out < OUT ? start_of<K>(theta, direction, i / padded(OUT), out) : R(0);
    }
    for (int i = first; i < weights_of(K + 1, K); i += step) {
        int in = i % padded(IN), across = i / padded(IN) % WINDOW, out = i / padded(IN) / WINDOW % OUT, along = i / padded(IN) / WINDOW / OUT;
        REAL weight = in < IN ? weight_of<K>(theta, direction, out, in, WINDOW - 1 - along, WINDOW - 1 - across) : R(0);
        packed[UPWARD + downward(K) + i] = weight;
    }
    if constexpr (K + 1 < LAYERS) pack_layer<K + 1>(theta, packed, direction, first, step);
}

// The values of field TO at one position from those of field FROM around it: the sums over the window, from start(channel, class) on, go to
// finish(channel, class, sum). Eight channels at a time; only taps from where field FROM lives. `weights` as packed.
template <int FROM, int TO, class Start, class Finish>
DEVICE void convolve(const REAL* weights, const REAL* from, int at, Start start, Finish finish) {
    constexpr int IN = CHANNELS_OF[FROM], OUT = CHANNELS_OF[TO], REACH = (RADIUS + 3) / 4;
#pragma unroll
    for (int first = 0; first < OUT; first += 8) {
        REAL sum[4][8];
#pragma unroll
        for (int c = 0; c < 4; c++) {
#pragma unroll
            for (int o = 0; o < 8; o++) sum[c][o] = lives_on<TO>(c) && first + o < OUT ? start(first + o, c) : R(0);
        }
        const REAL* w = weights + first;
#pragma unroll 1
        for (int along = -RADIUS; along <= RADIUS; along++) {
            const REAL* near[2 * REACH + 1];
#pragma unroll
            for (int cell = -REACH; cell <= REACH; cell++) near[cell + REACH] = from + neighbour(at, along, cell);
#pragma unroll 1
            for (int i = 0; i < IN; i++) {
                REAL value[4 + 2 * RADIUS];
#pragma unroll
                for (int q = -RADIUS; q < 4 + RADIUS; q++) {
                    bool read = false;
#pragma unroll
                    for (int c = 0; c < 4; c++) read = read || (lives_on<TO>(c) && c - RADIUS <= q && q <= c + RADIUS);
                    if (read && lives_on<FROM>(q)) value[q + RADIUS] = near[(q >> 2) + REACH][row_of<FROM>(i, q) * STRIDE];
                }
#pragma unroll
                for (int across = -RADIUS; across <= RADIUS; across++, w += padded(OUT)) {
                    Four of_tap[2];
#pragma unroll
                    for (int four = 0; four < 2; four++) {
                        if (first + 4 * four < OUT) of_tap[four] = *(const Four*)(w + 4 * four);
                    }
#pragma unroll
                    for (int c = 0; c < 4; c++) {
#pragma unroll
                        for (int o = 0; o < 8; o++) {
                            if (!lives_on<TO>(c) || !lives_on<FROM>(c + across) || first + o >= OUT) continue;
                            sum[c][o] = MAD(of_tap[o / 4].at[o % 4], value[c + across + RADIUS], sum[c][o]);
                        }
                    }
                }
            }
        }
#pragma unroll
        for (int c = 0; c < 4; c++) {
#pragma unroll
            for (int o = 0; o < 8; o++) {
                if (lives_on<TO>(c) && first + o < OUT) finish(first + o, c, sum[c][o]);
            }
        }
    }
}
