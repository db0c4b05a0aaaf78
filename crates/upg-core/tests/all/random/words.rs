//! Words against `rand_xoshiro` and SplitMix64 written out; pieces against the whole; starts.

use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use upg_core::random::{words_of_angles, words_of_normals};
use upg_core::{Batch, Real, SampleStream, Streams};

const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The first `count` outputs of SplitMix64 from `state` on.
fn splitmix(mut state: u64, count: usize) -> Vec<u64> {
    let mut output = || {
        state = state.wrapping_add(INCREMENT);
        let x = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    (0..count).map(|_| output()).collect()
}

/// The outputs from state 0 on that its authors' code gives.
#[test]
fn splitmix_from_outside() {
    let expected = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f, 0xf88b_b8a8_724c_81ec];
    assert_eq!(splitmix(0, 4), expected);
}

/// The words of one sample by MATH (16): `rand_xoshiro`, seeded by SplitMix64 written out.
fn defined_words(stream: SampleStream, n: u64, count: usize) -> Vec<u64> {
    let skipped = stream.start().wrapping_add(n.wrapping_mul(4).wrapping_mul(INCREMENT));
    let seed: Vec<u8> = splitmix(skipped, 4).into_iter().flat_map(u64::to_le_bytes).collect();
    let mut rng = Xoshiro256PlusPlus::from_seed(seed.try_into().expect("four words"));
    (0..count).map(|_| rng.next_u64()).collect()
}

/// Words `words` of `samples` samples, shape `[words, samples]`.
fn filled(stream: SampleStream, first: u64, words: std::ops::Range<usize>, samples: usize) -> Vec<u64> {
    let mut out = vec![0; words.len() * samples];
    stream.fill_words(first, words, &mut out);
    out
}

/// Outputs 4n … 4n + 3, counted one by one, seed the generator of sample n.
#[test]
fn generators_are_seeded_in_turn() {
    let stream = SampleStream::new(5, 6, 7);
    let outputs = splitmix(stream.start(), 4 * 300);
    for (n, seed) in outputs.chunks_exact(4).enumerate() {
        let seed: Vec<u8> = seed.iter().flat_map(|word| word.to_le_bytes()).collect();
        let expected = Xoshiro256PlusPlus::from_seed(seed.try_into().expect("four words"));
        assert_eq!(stream.generator(n as u64), expected, "sample {n}");
    }
}

#[test]
fn words_are_those_of_the_definition() {
    let firsts = [0, 1, 2, 63, 64, 1000, 1 << 32, (1 << 62) - 70, 1 << 62, u64::MAX / 4, u64::MAX - 70];
    for (k, first) in firsts.into_iter().enumerate() {
        let stream = SampleStream::new(k as u64, 3, 1 << k);
        let words = filled(stream, first, 0..11, 131);
        for i in 0..131 {
            let n = first.wrapping_add(i);
            let mut rng = stream.generator(n);
            let column: Vec<u64> = words.iter().skip(i as usize).step_by(131).copied().collect();
            assert_eq!(column, defined_words(stream, n, 11), "sample {n}");
            assert_eq!(column, (0..11).map(|_| rng.next_u64()).collect::<Vec<_>>(), "generator of sample {n}");
        }
    }
}

/// The counter of samples goes round at 2⁶⁴, and its two upper bits count for nothing.
#[test]
fn the_counter_wraps() {
    let stream = SampleStream::new(1, 2, 3);
    let around = filled(stream, u64::MAX - 4, 0..1, 10);
    assert_eq!(around[5..], filled(stream, 0, 0..1, 5));
    assert_eq!(filled(stream, 1 << 62, 0..3, 20), filled(stream, 0, 0..3, 20));
    let mut z = Batch::<f64>::zeros(2, 10);
    stream.fill_normals(u64::MAX - 4, &mut z);
    let mut start = Batch::<f64>::zeros(2, 5);
    stream.fill_normals(0, &mut start);
    assert_eq!(z.row(1)[5..], *start.row(1));
}

/// Words in the middle are those of the whole, and those behind the degrees of freedom can be had alone.
#[test]
fn words_can_be_had_alone() {
    let stream = SampleStream::new(8, 0, 0);
    let all = filled(stream, 40, 0..30, 77);
    for words in [0..1, 5..6, 3..30, 29..30, 4..8, 0..30] {
        assert_eq!(filled(stream, 40, words.clone(), 77), all[words.start * 77..words.end * 77], "{words:?}");
    }
    assert_eq!([0, 1, 2, 7, 8].map(words_of_normals), [0, 2, 2, 8, 8]);
    assert_eq!([0, 1, 2, 7, 8].map(words_of_angles), [0, 1, 2, 7, 8]);
}

#[test]
fn wrong_shapes_are_refused_with_both_numbers() {
    let fill = |len: usize, words| {
        let mut out = vec![0; len];
        std::panic::catch_unwind(move || SampleStream::new(0, 0, 0).fill_words(0, words, &mut out))
            .expect_err("refused")
            .downcast::<String>()
            .expect("a message")
    };
    let message = fill(10, 2..5);
    assert!(message.contains("10 numbers") && message.contains("3 rows"), "{message}");
    assert!(fill(10, 2..2).contains("no words"));
}

#[test]
fn nothing_can_be_drawn() {
    let stream = SampleStream::new(0, 0, 0);
    for (rows, samples) in [(0, 0), (0, 5), (5, 0)] {
        let mut z = Batch::<f32>::zeros(rows, samples);
        stream.fill_normals(3, &mut z);
        stream.fill_uniform_angles(3, &mut z);
        assert_eq!((z.rows(), z.samples()), (rows, samples));
    }
    stream.fill_words(0, 0..3, &mut []);
}

/// Something that fills a batch with the samples from a number on.
type Fill<T> = fn(SampleStream, u64, &mut Batch<T>);

/// The numbers of `samples` samples as bits, a column each.
fn columns<T: Real>(fill: Fill<T>, stream: SampleStream, first: u64, [rows, samples]: [usize; 2]) -> Vec<Vec<u64>> {
    let mut z = Batch::zeros(rows, samples);
    z.fill(T::nan());
    fill(stream, first, &mut z);
    (0..samples).map(|i| (0..rows).map(|row| z.row(row)[i].wide().to_bits()).collect()).collect()
}

/// Whether the samples drawn in pieces, and each alone, are those drawn at once.
fn assert_pieces<T: Real>(fill: Fill<T>, stream: SampleStream, first: u64, rows: usize, pieces: &[usize]) {
    let whole = columns(fill, stream, first, [rows, pieces.iter().sum()]);
    let mut at = 0;
    for &piece in pieces {
        let from = first.wrapping_add(at as u64);
        assert_eq!(columns(fill, stream, from, [rows, piece]), whole[at..at + piece], "{piece} samples from {from} on");
        at += piece;
    }
    let alone = columns(fill, stream, first.wrapping_add(at as u64 - 1), [rows, 1]);
    assert_eq!(alone, whole[at - 1..], "the last sample alone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Odd and even numbers of degrees of freedom, pieces shorter and longer than a block, and every start of the counter.
    #[test]
    fn pieces_are_the_whole(
        seed in any::<u64>(),
        first in prop_oneof![0..1000_u64, any::<u64>(), u64::MAX - 300..=u64::MAX],
        rows in prop_oneof![1..10_usize, 30..70_usize],
        pieces in prop::collection::vec(prop_oneof![Just(1), 1..20_usize, 60..70_usize, 120..200_usize], 1..6),
    ) {
        let stream = SampleStream::new(seed, 1, 2);
        assert_pieces::<f64>(SampleStream::fill_normals, stream, first, rows, &pieces);
        assert_pieces::<f32>(SampleStream::fill_normals, stream, first, rows, &pieces);
        assert_pieces::<f64>(SampleStream::fill_uniform_angles, stream, first, rows, &pieces);
        assert_pieces::<f32>(SampleStream::fill_uniform_angles, stream, first, rows, &pieces);
    }

    /// A sample of fewer degrees of freedom is the beginning of one of more.
    #[test]
    fn fewer_degrees_of_freedom_are_the_beginning(seed in any::<u64>(), few in 1..40_usize, more in 0..40_usize, samples in 1..100_usize) {
        let stream = SampleStream::new(seed, 0, 0);
        for fill in [SampleStream::fill_normals, SampleStream::fill_uniform_angles] as [Fill<f64>; 2] {
            let short = columns(fill, stream, 7, [few, samples]);
            let long = columns(fill, stream, 7, [few + more, samples]);
            prop_assert!(short.iter().zip(&long).all(|(short, long)| *short == long[..few]));
        }
    }
}

/// Streams that differ by a little in seed, purpose and step.
fn neighbours() -> Vec<SampleStream> {
    let few = [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        100,
        1 << 32,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
        INCREMENT,
        INCREMENT.wrapping_mul(2),
        INCREMENT.wrapping_mul(4),
    ];
    let steps = (0..40).chain([1 << 40, u64::MAX, INCREMENT.wrapping_mul(4)]);
    let pairs = few.into_iter().flat_map(|seed| few.map(|purpose| [seed, purpose]));
    pairs.flat_map(|[seed, purpose]| steps.clone().map(move |step| SampleStream::new(seed, purpose, step))).collect()
}

/// Where starts lie in the sequence of all states of SplitMix64 decides what they share: here no two of 11,008 streams share one of the state
/// words of their first 2²⁴ samples.
#[test]
fn neighbouring_streams_share_no_sample() {
    // The inverse of the increment modulo 2⁶⁴ by Newton's iteration: output number k of a start is number k + start/increment of the start 0.
    let inverse = (0..6).fold(INCREMENT, |x, _| x.wrapping_mul(2_u64.wrapping_sub(INCREMENT.wrapping_mul(x))));
    assert_eq!(inverse.wrapping_mul(INCREMENT), 1);
    let streams = neighbours();
    assert_eq!(streams.len(), 11_008);
    let mut places: Vec<u64> = streams.iter().map(|stream| stream.start().wrapping_mul(inverse)).collect();
    places.sort_unstable();
    let around = places[0].wrapping_sub(places[places.len() - 1]);
    let closest = places.windows(2).map(|pair| pair[1] - pair[0]).chain([around]).min().expect("many");
    assert!(closest >= 4 << 24, "two streams are {closest} outputs apart");
}

/// The same for a few streams and samples, by looking at the words; and none of them is a stream of [`Streams::derived`].
#[test]
fn first_words_of_neighbouring_streams_differ() {
    let streams = neighbours();
    let words: BTreeSet<u64> = streams.iter().flat_map(|&stream| filled(stream, 0, 0..1, 20)).collect();
    assert_eq!(words.len(), 20 * streams.len());
    for (purpose, step) in (0..20).flat_map(|purpose| (0..20).map(move |step| (purpose, step))) {
        let first_sample = SampleStream::new(7, purpose, step).generator(0);
        assert_ne!(first_sample, Streams::derived(7, &[purpose, step]).next_stream());
    }
}
