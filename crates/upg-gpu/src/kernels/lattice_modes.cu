// Real Fourier transforms of fields on a periodic lattice in shared memory, axis by axis (modes.rs of upg-flows).
//
// Macros: SITES of the lattice; LAST, the extent of its last axis; AXES, for each axis of more than one site, the last one first,
// AXIS(extent,sites of the axes behind it,where its table begins); TABLES, the numbers of all tables; SAMPLES of a block, and THREADS_OF_SAMPLE;
// GROUP, how many fields of each sample are transformed together; REDUCED, sums over a block that are taken together: doubles for each thread, at the
// beginning of shared memory.
//
// A lattice has LATTICE places: lines of the last axis begin an odd number of places after each other, so that the threads of a warp, which go
// along different lines, meet different banks. A line of L sites is folded at 0 and L/2, and for even L at L/4 and 3L/4 as well: n stands for
// the sites n, L - n, L/2 - n, L/2 + n. By symmetry modes are of four kinds (cosines of even k, cosines of odd k, sines of odd k, sines of even
// k; for odd L of two, cosines and sines), and each meets one combination of these sites: L^2/4 multiply-adds a line instead of L^2.
// The table of an axis holds m_r(n), shape [kind][mode of the kind][n], rows padded to fours, 0 where there is no such mode or it is 0.

#define PITCH (LAST + 1 - LAST % 2)
#define LATTICE (SITES / LAST * PITCH)
#define BLOCK (SAMPLES * THREADS_OF_SAMPLE)
#define ME ((int)threadIdx.x)

struct alignas(16) Four { REAL of[4]; };

template <int L> struct Axis {
    enum {
        KINDS = L % 2 == 0 ? 4 : 2,
        FOLDS = L % 2 == 0 ? L / 4 + 1 : L / 2 + 1,
        FOURS = (FOLDS + 3) / 4,
        ROW = 4 * FOURS,
        LINES = SITES / L,
    };
};

// Where a site lies in its lattice.
DEVICE int place(int site) { return site / LAST * PITCH + site % LAST; }

// Where a line begins among lattices.
template <int L, int INNER>
DEVICE int line_at(int line) {
    int lattice = line / Axis<L>::LINES, within = line % Axis<L>::LINES;
    return lattice * LATTICE + place(within / INNER * (L * INNER) + within % INNER);
}

// Places from one site of a line to the next.
template <int INNER>
DEVICE int stride_of() { return INNER % LAST == 0 ? INNER / LAST * PITCH : 1; }

// r of mode j of a kind; L or more where there is none.
template <int L>
DEVICE int mode_of(int kind, int j) {
    if (L % 2 != 0) return kind == 0 ? max(2 * j - 1, 0) : 2 * j + 2;
    return kind == 0 ? max(4 * j - 1, 0) : 4 * j + (kind == 3 ? 4 : kind);
}

// The site at which the part of folded site n that is of a kind waits to be unfolded.
template <int L>
DEVICE int slot_of(int kind, int n) {
    if (L % 2 != 0) return kind == 0 ? n : L - n;
    return kind == 0 ? n : kind == 1 ? L / 2 - n : kind == 2 ? L / 2 + n : L - n;
}

// Whether modes of a kind can be other than 0 at folded site n.
template <int L>
DEVICE bool meets(int kind, int n) {
    if (n == 0) return kind < Axis<L>::KINDS / 2;
    return 4 * n != L || kind % 2 == 0;
}

// Folded site n of a line; the signs are those of the kind under n -> L - n, and under n -> L/2 - n.
template <int L>
DEVICE REAL folded_at(const REAL* line, int stride, int n, REAL mirrored, REAL quartered) {
    REAL sum = line[n * stride] + mirrored * line[(L - n) % L * stride];
    if (L % 2 == 0) sum += quartered * (line[(L / 2 - n) * stride] + mirrored * line[(L / 2 + n) * stride]);
    return n == 0 || 4 * n == L ? R(0.5) * sum : sum;
}

// The modes along one axis of so many lattices; one thread the modes of one kind of a line.
template <int L, int INNER>
DEVICE void axis_to_modes(const REAL* from, REAL* to, const REAL* table, int lattices) {
    typedef Axis<L> A;
    const int stride = stride_of<INNER>();
    int lines = lattices * A::LINES;
    for (int task = ME; task < lines * A::KINDS; task += BLOCK) {
        int kind = task / lines, at = line_at<L, INNER>(task % lines);
        REAL mirrored = kind < A::KINDS / 2 ? R(1) : R(-1), quartered = kind % 2 == 0 ? R(1) : R(-1);
        REAL folded[A::ROW];
#pragma unroll
        for (int n = 0; n < A::ROW; n++)
            folded[n] = n < A::FOLDS ? folded_at<L>(from + at, stride, n < A::FOLDS ? n : 0, mirrored, quartered) : R(0);
        const Four* row = (const Four*)(table + kind * A::FOLDS * A::ROW);
        for (int j = 0; j < A::FOLDS; j++, row += A::FOURS) {
            int r = mode_of<L>(kind, j);
            REAL sum = 0;
#pragma unroll
            for (int n = 0; n < A::FOLDS; n++) sum = MAD(row[n / 4].of[n % 4], folded[n], sum);
            if (r < L) to[at + r * stride] = sum;
        }
    }
    BARRIER();
}

// The folded values at the sites along one axis, each in its slot; one thread those of one kind of a line.
template <int L, int INNER>
DEVICE void axis_to_folded(const REAL* from, REAL* to, const REAL* table, int lattices) {
    typedef Axis<L> A;
    const int stride = stride_of<INNER>();
    int lines = lattices * A::LINES;
    for (int task = ME; task < lines * A::KINDS; task += BLOCK) {
        int kind = task / lines, at = line_at<L, INNER>(task % lines);
        REAL sums[A::FOLDS] = {};
        const Four* row = (const Four*)(table + kind * A::FOLDS * A::ROW);
        for (int j = 0; j < A::FOLDS; j++, row += A::FOURS) {
            int r = mode_of<L>(kind, j);
            REAL amplitude = r < L ? from[at + r * stride] : R(0);
#pragma unroll
            for (int n = 0; n < A::FOLDS; n++) sums[n] = MAD(row[n / 4].of[n % 4], amplitude, sums[n]);
        }
#pragma unroll
        for (int n = 0; n < A::FOLDS; n++)
            if (meets<L>(kind, n)) to[at + slot_of<L>(kind, n) * stride] = sums[n];
    }
    BARRIER();
}

// From the folded values to those at the sites, in place; one thread the sites of one folded one.
template <int L, int INNER>
DEVICE void axis_unfold(REAL* field, int lattices) {
    typedef Axis<L> A;
    const int stride = stride_of<INNER>();
    int lines = lattices * A::LINES;
    for (int task = ME; task < lines * A::FOLDS; task += BLOCK) {
        int n = task / lines;
        REAL* line = field + line_at<L, INNER>(task % lines);
        REAL of[4];
#pragma unroll
        for (int kind = 0; kind < 4; kind++)
            of[kind] = kind < A::KINDS && meets<L>(kind, n) ? line[slot_of<L>(kind, n) * stride] : R(0);
        if (L % 2 != 0) {
            line[n * stride] = of[0] + of[1];
            if (n > 0) line[(L - n) * stride] = of[0] - of[1];
        } else {
            REAL even = of[0] + of[1], odd = of[2] + of[3], even_turned = of[0] - of[1], odd_turned = of[2] - of[3];
            line[n * stride] = even + odd;
            line[(L / 2 + n) * stride] = even_turned - odd_turned;
            if (n > 0 && 4 * n != L) {
                line[(L - n) * stride] = even - odd;
                line[(L / 2 - n) * stride] = even_turned + odd_turned;
            }
        }
    }
    BARRIER();
}

// Fields in shared memory, behind the tables, and as much room beside them: where each of the two begins, in numbers.
struct Fields {
    int now, spare;

    DEVICE_METHOD void swap() {
        int other = spare;
        spare = now;
        now = other;
    }
};

// Shared memory behind what is reduced there: the tables.
DEVICE REAL* tables_of_axes() {
    DYNAMIC_SHARED(double, shared);
    return (REAL*)(shared + REDUCED * BLOCK);
}

// Replaces the values at the sites by the amplitudes of the modes. Between what the threads wrote and this they meet a barrier; behind it too.
DEVICE void to_modes(Fields& fields, int lattices) {
    REAL* room = tables_of_axes();
#define AXIS(extent, inner, table)                                                              \
    axis_to_modes<extent, inner>(room + fields.now, room + fields.spare, room + table, lattices); \
    fields.swap();
    AXES
#undef AXIS
}

// Replaces the amplitudes of the modes by the values at the sites; barriers as for to_modes.
DEVICE void to_sites(Fields& fields, int lattices) {
    REAL* room = tables_of_axes();
#define AXIS(extent, inner, table)                                                               \
    axis_to_folded<extent, inner>(room + fields.now, room + fields.spare, room + table, lattices); \
    fields.swap();                                                                               \
    axis_unfold<extent, inner>(room + fields.now, lattices);
    AXES
#undef AXIS
}
