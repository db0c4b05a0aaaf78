// Random words of samples, MATH (16): each sample has a generator of its own, xoshiro256++ (D. Blackman, S. Vigna, arXiv:1805.01407), seeded by
// SplitMix64. Words are those of the host to the bit (random/lanes.rs of upg-core).

struct Generator {
    u64 s0, s1, s2, s3;
};

// The output of SplitMix64 in state x.
DEVICE u64 split_mix(u64 x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

// The generator of sample n of the stream that starts at `start`, before its first word: outputs 4n to 4n + 3 of SplitMix64.
DEVICE Generator generator_of(u64 start, u64 n) {
    const u64 increment = 0x9e3779b97f4a7c15ull;
    u64 x = start + 4 * n * increment;
    Generator g;
    g.s0 = split_mix(x);
    g.s1 = split_mix(x + increment);
    g.s2 = split_mix(x + 2 * increment);
    g.s3 = split_mix(x + 3 * increment);
    return g;
}

DEVICE u64 turned_left(u64 x, int by) { return (x << by) | (x >> (64 - by)); }

// The next word.
DEVICE u64 next_word(Generator& g) {
    u64 word = turned_left(g.s0 + g.s3, 23) + g.s0, shifted = g.s1 << 17;
    g.s2 ^= g.s0;
    g.s3 ^= g.s1;
    g.s1 ^= g.s2;
    g.s0 ^= g.s3;
    g.s2 ^= shifted;
    g.s3 = turned_left(g.s3, 45);
    return word;
}

// (w >> 11) 2^-53, exactly.
DEVICE double fraction_of(u64 word) { return (double)(word >> 11) * 1.1102230246251565e-16; }
