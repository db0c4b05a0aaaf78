// The lattice of a gauge coupling as a block sees it, and the fields of its net (cnn.rs and gauge.rs of upg-flows).
//
// A cell is four neighbours across the stripes: of the residue classes 0 to 3, passive, active, frozen, frozen. CELLS = ALONG * CROSS / 4. A position
// is a cell of one of the SAMPLES samples of a tile, the samples of a cell side by side; a thread does one position at a time, all classes of it.
//
// Field 0 are the features (cos P, sin P) of the frozen plaquettes, 1 to LAYERS - 1 the hidden values, LAYERS the numbers phi of the active ones.
// CHANNELS lists their channels. Each lives on the classes that the next one is read from. A row of a field is a channel in a class: POSITIONS
// numbers, in shared memory STRIDE apart. Layer k is the convolution from field k to field k + 1, its window 2 RADIUS + 1 in both directions.

constexpr int CHANNELS_OF[] = {CHANNELS};
constexpr int LAYERS = (int)(sizeof(CHANNELS_OF) / sizeof(int)) - 1;
constexpr int WINDOW = 2 * RADIUS + 1;
constexpr int CELLS = ALONG * (CROSS / 4);
constexpr int POSITIONS = CELLS * SAMPLES;
constexpr int VOLUME = ALONG * CROSS;
// Rows of a class and of the next start three groups of four banks apart: the threads of a quarter of a warp that read neighbours don't meet.
constexpr int STRIDE = POSITIONS + 12;

enum { PASSIVE, ACTIVE, FROZEN_1, FROZEN_2 };

// The classes on which field k has values, as bits.
DEVICE constexpr int classes_of(int k) {
    if (k == 0) return 1 << FROZEN_1 | 1 << FROZEN_2;
    int bits = 0, reach = (LAYERS - k) * RADIUS;
    for (int c = ACTIVE - reach; c <= ACTIVE + reach; c++) bits |= 1 << (c & 3);
    return bits;
}

DEVICE constexpr int count_of(int bits) { return (bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1) + (bits >> 3 & 1); }

DEVICE constexpr int rows_of(int k) { return CHANNELS_OF[k] * count_of(classes_of(k)); }

// Rows of the fields below k: where field k is on the tape, the numbers of the transform behind all fields.
DEVICE constexpr int rows_before(int k) {
    int rows = 0;
    for (int j = 0; j < k; j++) rows += rows_of(j);
    return rows;
}

// Fields k, k + 2, ... share a place in shared memory.
DEVICE constexpr int most_rows(int parity) {
    int most = 0;
    for (int k = parity; k <= LAYERS; k += 2) most = rows_of(k) > most ? rows_of(k) : most;
    return most;
}

template <int K>
struct Field {
    static constexpr int channels = CHANNELS_OF[K], classes = classes_of(K), count = count_of(classes), rows = channels * count;
    static constexpr int on_tape = rows_before(K);
};

template <int K>
DEVICE constexpr bool lives_on(int c) {
    return (Field<K>::classes >> (c & 3) & 1) != 0;
}

template <int K>
DEVICE constexpr int row_of(int channel, int c) {
    return channel * Field<K>::count + count_of(Field<K>::classes & ((1 << (c & 3)) - 1));
}

constexpr int KEPT_ON_TAPE = rows_before(LAYERS + 1);
constexpr int TAPE = (KEPT_ON_TAPE + KEPT) * POSITIONS;
static_assert(CHANNELS_OF[LAYERS] == WIDTH, "the last channels are the parameters of the transform");
static_assert(KEPT_ON_TAPE + KEPT == TAPE_ROWS, "rows of the tape, as gauge.rs counts them");

// The position of the same sample so many cells further along the stripes and across them.
DEVICE int neighbour(int at, int along, int across) {
    constexpr int BANDS = CROSS / 4, BEHIND = RADIUS + 1;
    int cell = at / SAMPLES;
    int i = (int)((unsigned)(cell % ALONG + along + BEHIND * ALONG) % ALONG);
    int j = (int)((unsigned)(cell / ALONG + across + BEHIND * BANDS) % BANDS);
    return (j * ALONG + i) * SAMPLES + at % SAMPLES;
}

// Which links move, those of a direction on the stripes of an offset, and the number of samples.
struct Links {
    int direction, offset, samples;
};

// +1 if an active link enters its plaquette with +, for direction 0, else -1.
DEVICE REAL sigma_of(Links links) { return links.direction == 0 ? R(1) : R(-1); }

// Where the link at class c (4: of the next cell) of a position lies in a batch [2V, samples]: of the direction that moves, or of the other one.
enum { MOVING, CROSSING };
DEVICE int link_at(Links links, int which, int sample, int at, int c, int along) {
    int cell = at / SAMPLES, i = (cell % ALONG + along) % ALONG, x = (4 * (cell / ALONG) + links.offset + c + CROSS - 1) % CROSS;
    int site = links.direction == 0 ? i * CROSS + x : x * ALONG + i, direction = which == MOVING ? links.direction : 1 - links.direction;
    return (direction * VOLUME + site) * links.samples + sample;
}

// The plaquette of class c of a position; 0 where there is no sample.
DEVICE REAL plaquette(const REAL* x, Links links, int sample, int at, int c) {
    if (sample >= links.samples) return R(0);
    REAL here = x[link_at(links, MOVING, sample, at, c, 0)] - x[link_at(links, CROSSING, sample, at, c, 0)];
    REAL there = x[link_at(links, CROSSING, sample, at, c, 1)] - x[link_at(links, MOVING, sample, at, c + 1, 0)];
    return sigma_of(links) * (here + there);
}
