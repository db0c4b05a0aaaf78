// Convolutional nets on lattices, MATH (29) (lattice_net.rs and cnn.rs of upg-flows).
//
// A field has channels on some sites, shape [channels sites, samples]: channel c at position p in row c sites + p, rows `stride` apart.
// Windows are lists of links, pairs of numbers (links.rs of upg-flows). Those that are read for position p, `starts[p]` to `starts[p + 1]`, name
// the position that is read and the tap; where there is no source, there is no link. Weights have shape [outputs][inputs][taps].
//
// Convolutions go by blocks of 64 samples, 8 sites and a group of up to 8 channels, whose weights lie in shared memory; a thread computes all
// channels of the group at one site, for two samples.

// Two blocks on a multiprocessor are enough.
#undef FEWEST_BLOCKS
#define FEWEST_BLOCKS , 2

#define SITES 8
#define LANES 32
#define EACH 2
#define WIDEST 8
// Weights of a channel in shared memory.
#define ROOM 256

// What a convolution reads: values, or their squares.
enum Reads { VALUES, SQUARES };

// N weights, one a channel, at an address that one instruction can read.
template <int N>
struct alignas(N * sizeof(REAL) < 16 ? N * sizeof(REAL) : 16) Weights {
    REAL of[N];
};

// The position of this thread, the links that it reads, and its samples; beyond the last sample this one again.
struct Here {
    const int* links;
    int position, first, last, sample[EACH];
    bool mine[EACH];
};

DEVICE Here here(const int* starts, const int* links, int sites, int samples) {
    Here h;
    h.links = links;
    h.position = (int)(blockIdx.x * SITES + threadIdx.y);
    bool is = h.position < sites;
    h.first = is ? starts[h.position] : 0;
    h.last = is ? starts[h.position + 1] : 0;
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        int s = (int)(blockIdx.y * (LANES * EACH) + threadIdx.x) + LANES * j;
        h.mine[j] = is && s < samples;
        h.sample[j] = min(s, samples - 1);
    }
    return h;
}

// A field that is read, from some channel on, and the weights there: `own` and `other` apart from one channel that is computed, or read, to the next.
struct Source {
    const REAL* at;
    int stride, sites, channels;
    Reads reads;
    const REAL* weight;
    int own, other, taps;
};

// Fills the shared weights [channel that is read][tap][N] with those of `channels` channels from `channel` on and `taps` taps from `tap` on.
template <int N>
DEVICE void fill_weights(REAL* shared, const Source& from, int channel, int channels, int tap, int taps) {
    for (int e = (int)(threadIdx.y * LANES + threadIdx.x); e < N * channels * taps; e += LANES * SITES) {
        int t = e % taps, rest = e / taps, c = rest % channels, n = rest / channels;
        shared[(c * taps + t) * N + n] = from.weight[n * from.own + (channel + c) * from.other + tap + t];
    }
}

// z[j] += the weights of one link times the number of each sample.
template <int N>
DEVICE void add_link(REAL (&z)[EACH][N], const REAL* at, const Here& here, const Weights<N>& w, Reads reads) {
    REAL value[EACH];
#pragma unroll
    for (int j = 0; j < EACH; j++) value[j] = at[here.sample[j]];
    if (reads == SQUARES) {
#pragma unroll
        for (int j = 0; j < EACH; j++) value[j] *= value[j];
    }
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) z[j][n] = MAD(w.of[n], value[j], z[j][n]);
    }
}

// z[j][n] += the sum over links and channels; all threads of a block come here. As many weights are in shared memory as there is room for.
template <int N>
DEVICE void add_window(REAL (&z)[EACH][N], const Here& here, const Source& from, REAL* shared) {
    int most = max(1, ROOM / from.taps), step = from.sites * from.stride;
    for (int channel = 0; channel < from.channels; channel += most) {
        int channels = min(most, from.channels - channel), link = here.first;
        for (int tap = 0; tap < from.taps; tap += ROOM) {
            int taps = min(ROOM, from.taps - tap);
            BARRIER();
            fill_weights<N>(shared, from, channel, channels, tap, taps);
            BARRIER();
            for (; link < here.last; link++) {
                int t = here.links[2 * link + 1] - tap;
                if (t >= taps) break;
                const REAL* at = from.at + here.links[2 * link] * from.stride + channel * step;
#pragma unroll 2
                for (int c = 0; c < channels; c++) {
                    add_link<N>(z, at + c * step, here, *(const Weights<N>*)(shared + (c * taps + t) * N), from.reads);
                }
            }
        }
    }
}

template <int N>
DEVICE void clear(REAL (&z)[EACH][N]) {
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) z[j][n] = 0;
    }
}

// A group of channels that a block computes: the first one and how many, a power of two, what they read, and where their biases are (-1: nowhere).
struct Group {
    int first, size, reads, bias;
};

// Where results go: rows <- by result, or rows += by result.
struct Target {
    REAL* at;
    int stride, sites;
    REAL by;
    int add;
};

DEVICE void put(const Target& to, int row, int s, REAL value) {
    REAL* place = to.at + row * to.stride + s;
    *place = to.add ? fma(to.by, value, *place) : to.by * value;
}

template <int N>
DEVICE void forward_of(const Here& here, const Group& group, const Source& from, const REAL* theta, const Target& to, REAL* derivative, int activation, REAL slope, REAL* shared) {
    REAL z[EACH][N];
    clear(z);
    add_window<N>(z, here, from, shared);
#pragma unroll
    for (int n = 0; n < N; n++) {
        REAL bias = group.bias < 0 ? R(0) : theta[group.bias + n];
        int row = (group.first + n) * to.sites + here.position;
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            if (!here.mine[j]) continue;
            REAL d = 1, value = activated(activation, slope, z[j][n] + bias, d);
            put(to, row, here.sample[j], value);
            if (derivative) derivative[row * to.stride + here.sample[j]] = d;
        }
    }
}

// A layer: to (+)= by act(b + sum_d W(d) h(x + d)) at the sites of `to`, and the derivative where it is stored (null: nobody will ask).
// Grid: blocks of sites, of samples, and groups of channels.
// limits: 88 registers, 8192 bytes shared
// limits f64: 120 registers, 16384 bytes shared
KERNEL(256) lattice_forward(const REAL* __restrict__ h, int h_stride, int h_sites, int inputs, const REAL* __restrict__ theta, int weight, int taps, const int* __restrict__ starts, const int* __restrict__ links, const int* groups, REAL* to, int to_stride, int sites, REAL by, int add, REAL* derivative, int activation, REAL slope, int samples) {
    SHARED(Weights<WIDEST>, shared, ROOM);
    REAL* weights = (REAL*)shared;
    Group group = ((const Group*)groups)[blockIdx.z];
    Here at = here(starts, links, sites, samples);
    int own = inputs * taps;
    Source from = {h, h_stride, h_sites, inputs, (Reads)group.reads, theta + weight + group.first * own, own, taps, taps};
    Target target = {to, to_stride, sites, by, add};
    switch (group.size) {
    case 8: return forward_of<8>(at, group, from, theta, target, derivative, activation, slope, weights);
    case 4: return forward_of<4>(at, group, from, theta, target, derivative, activation, slope, weights);
    case 2: return forward_of<2>(at, group, from, theta, target, derivative, activation, slope, weights);
    default: return forward_of<1>(at, group, from, theta, target, derivative, activation, slope, weights);
    }
}

// Channels of the cotangent that follow each other.
struct Run {
    int first, channels;
};

// What a convolution's input was: h, and the source of the derivative of the activation that gave it.
struct Input {
    const REAL *h, *slopes;
    int stride, activation;
    REAL slope;
};

template <int N>
DEVICE void back_of(const Here& here, const Group& group, Source v, const Run* runs, int count, int squares, const Input& input, const Target& to, REAL* shared) {
    REAL z[EACH][N];
    clear(z);
    const REAL *at = v.at, *weight = v.weight + group.first * v.own;
    for (int r = 0; r < count; r++) {
        Run run = runs[r];
        v.at = at + run.first * v.sites * v.stride;
        v.weight = weight + run.first * v.other;
        v.channels = run.channels;
        add_window<N>(z, here, v, shared);
        if (r + 1 != squares) continue;
#pragma unroll
        for (int n = 0; n < N; n++) {
            int row = (group.first + n) * to.sites + here.position;
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                if (here.mine[j]) z[j][n] *= R(2) * input.h[row * input.stride + here.sample[j]];
            }
        }
    }
#pragma unroll
    for (int n = 0; n < N; n++) {
        int row = (group.first + n) * to.sites + here.position;
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            if (!here.mine[j]) continue;
            REAL h = input.slopes ? input.slopes[row * input.stride + here.sample[j]] : R(0);
            put(to, row, here.sample[j], z[j][n] * activation_slope(input.activation, input.slope, h));
        }
    }
}

// A layer's way back: to (+)= by act' sum_d W(d)^T v(x - d), where the sum over the channels of the first `squares` runs has a factor 2 h.
// h and `slopes`, the source of act' (null where there is none), have the shape of `to`, their rows h_stride apart.
// Grid: blocks of sites, of samples, and groups of channels.
// limits: 120 registers, 8192 bytes shared
// limits f64: 128 registers, 16384 bytes shared
KERNEL(256) lattice_back(const REAL* __restrict__ v, int v_stride, int v_sites, const REAL* __restrict__ theta, int weight, int inputs, int taps, const int* __restrict__ starts, const int* __restrict__ links, const int* groups, const int* runs, int count, int squares, const REAL* h, const REAL* slopes, int h_stride, int activation, REAL slope, REAL* to, int to_stride, int sites, REAL by, int add, int samples) {
    SHARED(Weights<WIDEST>, shared, ROOM);
    REAL* weights = (REAL*)shared;
    Group group = ((const Group*)groups)[blockIdx.z];
    Here at = here(starts, links, sites, samples);
    Source from = {v, v_stride, v_sites, 0, VALUES, theta + weight, taps, inputs * taps, taps};
    Input input = {h, slopes, h_stride, activation, slope};
    Target target = {to, to_stride, sites, by, add};
    const Run* all = (const Run*)runs;
    switch (group.size) {
    case 8: return back_of<8>(at, group, from, all, count, squares, input, target, weights);
    case 4: return back_of<4>(at, group, from, all, count, squares, input, target, weights);
    case 2: return back_of<2>(at, group, from, all, count, squares, input, target, weights);
    default: return back_of<1>(at, group, from, all, count, squares, input, target, weights);
    }
}
