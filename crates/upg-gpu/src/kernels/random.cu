// Random numbers of samples, MATH (16), as random/{lanes, normals, angles}.rs of upg-core make them: z has shape [rows, samples], sample s is number
// first + s of the stream that starts at `start`. Words are equal to the host's to the bit, angles too, normals to 4 ulp.

// Words of a sample that are drawn at a time; even.
#define DRAWN 28

// The normals r cos alpha and r sin alpha of two words, by Box and Muller: r = sqrt(-2 log u), u = 2^n (1 + f) of the first word, n and f exact
// until they are rounded once; the second word as the nearest quarter turn and the rest.
DEVICE void normals_of(u64 first, u64 second, REAL& cosine, REAL& sine) {
    double u = fraction_of(first) + 1.1102230246251565e-16;
    u64 bits = (u64)bits_of(u), one = (u64)1023 << 52;
    u64 biased = (bits + (one - (u64)bits_of(0.7071067811865476))) >> 52;
    double n = (double)(int)biased - 1023.0, m = from_bits((long long)(bits - ((biased - 1023) << 52)));
    REAL r = sqrt(R(-2) * ln_of_parts(R(n), R(m - 1.0)));
    const u64 quarter = (u64)1 << 51;
    u64 shifted = (second >> 11) + quarter / 2;
    long long rest = (long long)(shifted % quarter) - (long long)(quarter / 2);
    REAL s, c;
    sin_cos_turned((UBITS)(shifted / quarter), R((double)rest * (1.1102230246251565e-16 * 6.283185307179586)), s, c);
    cosine = r * c;
    sine = r * s;
}

// out[j, s] <- word number from + j of sample s, for `count` words; one thread a sample.
// limits: 40 registers, 0 bytes shared
KERNEL(64) random_words(u64 start, u64 first, u64* out, int from, int count, int samples) {
    int s = THREAD;
    if (s >= samples) return;
    Generator g = generator_of(start, first + (u64)s);
    for (int j = 0; j < from; j++) next_word(g);
    for (int j = 0; j < count; j++) out[(u64)j * samples + s] = next_word(g);
}

// z[i, s] <- the uniform angle in [0, 2 pi) of word i of sample s; what f32 rounds up to 2 pi is 0. One thread a sample.
// limits: 48 registers, 0 bytes shared
KERNEL(64) random_angles(u64 start, u64 first, REAL* z, int rows, int samples) {
    int s = THREAD;
    if (s >= samples) return;
    Generator g = generator_of(start, first + (u64)s);
    const double tau = 6.283185307179586;
    for (int i = 0; i < rows; i++) {
        REAL angle = R(fraction_of(next_word(g)) * tau);
        z[(u64)i * samples + s] = angle < R(tau) ? angle : R(0);
    }
}

// z[i, s] <- mean_i + scale_i e, e the normal number i of sample s; e alone where `scale` is 0, and no mean where `mean` is 0. If `signs` isn't 0,
// signs[s] <- -1 where the highest bit of the word behind those of the normals is set, else 1. Blocks of 32 samples and 8 rows of threads: while
// the first row draws the next words of its samples, the others make normals of the words drawn before.
// limits: 40 registers, 14336 bytes shared
// limits f64: 64 registers, 14336 bytes shared
KERNEL(256) random_normals(u64 start, u64 first, const REAL* scale, const REAL* mean, REAL* signs, REAL* z, int rows, int samples) {
    SHARED(u64, words, 2 * DRAWN * 32);
    int lane = (int)threadIdx.x, group = (int)threadIdx.y, s = (int)blockIdx.x * 32 + lane;
    int needed = rows + rows % 2, rounds = (needed + DRAWN - 1) / DRAWN;
    Generator g = generator_of(start, first + (u64)s);
    for (int round = 0; round <= rounds; round++) {
        int drawn = round * DRAWN, before = drawn - DRAWN;
        if (group == 0 && round < rounds) {
            u64* into = words + round % 2 * (DRAWN * 32) + lane;
            int count = needed - drawn < DRAWN ? needed - drawn : DRAWN;
            for (int j = 0; j < count; j++) into[j * 32] = next_word(g);
        }
        if (group > 0 && round > 0) {
            const u64* from = words + (round - 1) % 2 * (DRAWN * 32) + lane;
            for (int j = 2 * (group - 1); j < DRAWN && before + j < needed; j += 14) {
                int i = before + j;
                REAL e[2];
                normals_of(from[j * 32], from[(j + 1) * 32], e[0], e[1]);
                for (int k = 0; k < 2; k++) {
                    if (s >= samples || i + k >= rows) continue;
                    REAL value = e[k];
                    if (scale) value = mean ? fma(scale[i + k], value, mean[i + k]) : scale[i + k] * value;
                    z[(u64)(i + k) * samples + s] = value;
                }
            }
        }
        BARRIER();
    }
    if (signs && group == 0 && s < samples) signs[s] = next_word(g) >> 63 ? R(-1) : R(1);
}
