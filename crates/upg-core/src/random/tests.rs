//! What needs the kernels themselves: instruction sets, and words made for the worst angles.

use super::{angles::Angles, angles::angle_of, lanes::Words, normals::Normals};
use crate::vmath::{InstructionSet, dispatch_to};
use crate::{Batch, Real};
use std::f64::consts::TAU;

/// The instruction sets this processor has.
fn sets() -> Vec<InstructionSet> {
    use InstructionSet::{Avx2, Avx512, Baseline};
    let all = [Baseline, Avx2, Avx512];
    let best = all.iter().position(|&set| set == InstructionSet::detect()).expect("one of all");
    all[..=best].to_vec()
}

/// Words are exact, and an angle is a single rounding, so all sets agree to the bit; a normal takes a few roundings, fused ones in some sets.
#[test]
fn instruction_sets_agree() {
    fn check<T: Real>(samples: usize, dof: usize) {
        let draw = |set| {
            let mut words = vec![0; dof * samples];
            let [mut normals, mut angles] = [0, 1].map(|_| Batch::<T>::zeros(dof, samples));
            dispatch_to(set, Words { start: 1, first: 2, words: 0..dof, out: &mut words });
            dispatch_to(set, Normals { start: 1, first: 2, z: &mut normals });
            dispatch_to(set, Angles { start: 1, first: 2, z: &mut angles });
            (words, normals, angles)
        };
        let (words, normals, angles) = draw(InstructionSet::Baseline);
        for set in sets() {
            let (same_words, close_normals, same_angles) = draw(set);
            assert_eq!(same_words, words, "words in {set:?}");
            assert_eq!(same_angles.as_slice(), angles.as_slice(), "angles in {set:?}");
            for (&a, &b) in close_normals.as_slice().iter().zip(normals.as_slice()) {
                assert!((a - b).abs() <= T::of(4.0) * T::epsilon() * b.abs(), "normals {a} and {b} in {set:?}");
            }
        }
    }
    for (samples, dof) in [(1, 1), (5000, 9), (131, 64)] {
        check::<f32>(samples, dof);
        check::<f64>(samples, dof);
    }
}

/// Where f32 rounds up to 2π, the angle is 0; f64 never does.
#[test]
fn angles_stay_below_a_full_turn() {
    for steps in 0..1000 {
        let word = u64::MAX - (steps << 11);
        let double = angle_of::<f64>(word);
        assert!(double < TAU && double > TAU - 1e-11, "{double}");
        assert!(double as f32 >= TAU as f32 && angle_of::<f32>(word) == 0.0);
    }
    let largest = (0..64).map(|n| angle_of::<f32>(u64::MAX << n)).fold(0.0, f32::max);
    assert_eq!(largest, (TAU as f32).next_down());
    assert_eq!((angle_of::<f32>(0x7ff), angle_of::<f64>(0x7ff)), (0.0, 0.0));
}
