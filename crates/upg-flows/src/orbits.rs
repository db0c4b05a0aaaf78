//! Fourier modes of a periodic lattice, and their orbits under its reflections and the exchange of equal axes.
//!
//! Along an axis of L sites mode r is a real function of frequency k = ⌈r/2⌉: r = 0 the constant, r = 2k − 1 the cosine and r = 2k the
//! sine of 2πkx/L; for even L the last one, r = L − 1, is the alternating cosine of k = L/2. A mode of the lattice has one r for each
//! axis; its flat index is in C order, as that of a site. Modes are in one orbit if their frequencies agree up to the exchange of axes
//! of equal extents, so that a field which commutes with the symmetries has one number for each orbit.
//! Orbits are numbered by their smallest member among the frequencies (k_1, …, k_d) in C order.

use std::collections::HashMap;
use std::f64::consts::TAU;

/// The orbits of the modes of a lattice.
#[derive(Clone, Debug, PartialEq)]
pub struct Orbits {
    /// The orbit of every mode.
    of_mode: Vec<usize>,
    /// Modes in every orbit.
    members: Vec<usize>,
    /// p̂² = Σ_μ (2 − 2 cos p_μ), p_μ = 2πk_μ/L_μ, of every orbit.
    p_hat_squared: Vec<f64>,
}

impl Orbits {
    /// The orbits of a lattice of these extents.
    pub fn new(lattice: &[usize]) -> Self {
        let frequencies: Vec<usize> = lattice.iter().map(|&extent| extent / 2 + 1).collect();
        let mut numbers = HashMap::new();
        let mut p_hat_squared = vec![];
        for flat in 0..frequencies.iter().product() {
            let k = unravel(flat, &frequencies);
            numbers.entry(representative(&k, lattice)).or_insert_with(|| {
                p_hat_squared.push(p_hat_squared_of(&k, lattice));
                p_hat_squared.len() - 1
            });
        }
        let orbit = |mode| {
            let k: Vec<usize> = unravel(mode, lattice).into_iter().map(frequency).collect();
            numbers[&representative(&k, lattice)]
        };
        let of_mode: Vec<usize> = (0..lattice.iter().product()).map(orbit).collect();
        let mut members = vec![0; p_hat_squared.len()];
        of_mode.iter().for_each(|&orbit| members[orbit] += 1);
        Self { of_mode, members, p_hat_squared }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// The orbit of every mode, in the order of the modes.
    pub fn of_mode(&self) -> &[usize] {
        &self.of_mode
    }

    /// Modes in every orbit.
    pub fn members(&self) -> &[usize] {
        &self.members
    }

    /// p̂² = Σ_μ (2 − 2 cos p_μ) of every orbit.
    pub fn p_hat_squared(&self) -> &[f64] {
        &self.p_hat_squared
    }
}

/// How many orbits there are, told before they are made; saturates.
pub(crate) fn number_of_orbits(lattice: &[usize]) -> u64 {
    let axes = |extent| lattice.iter().filter(|&&other| other == extent).count() as u64;
    let first = |i: usize| !lattice[..i].contains(&lattice[i]);
    let kinds =
        (0..lattice.len()).filter(|&i| first(i)).map(|i| multisets(lattice[i] as u64 / 2 + 1, axes(lattice[i])));
    kinds.fold(1, u64::saturating_mul)
}

/// (n + k − 1 over k), how many multisets of k among n there are; saturates.
fn multisets(n: u64, k: u64) -> u64 {
    (1..=k).fold(1, |count: u64, j| count.saturating_mul(n + j - 1) / j)
}

/// The largest p̂².
pub(crate) fn largest_p_hat_squared(lattice: &[usize]) -> f64 {
    let k: Vec<usize> = lattice.iter().map(|&extent| extent / 2).collect();
    p_hat_squared_of(&k, lattice)
}

/// The frequency of mode r of an axis.
pub(crate) fn frequency(r: usize) -> usize {
    r.div_ceil(2)
}

/// The frequencies, sorted among axes of equal extents.
fn representative(k: &[usize], lattice: &[usize]) -> Vec<usize> {
    let mut sorted = k.to_vec();
    for i in 0..lattice.len() {
        for j in i + 1..lattice.len() {
            if lattice[i] == lattice[j] && sorted[j] < sorted[i] {
                sorted.swap(i, j);
            }
        }
    }
    sorted
}

fn p_hat_squared_of(k: &[usize], lattice: &[usize]) -> f64 {
    let momenta = k.iter().zip(lattice).map(|(&k, &extent)| TAU * k as f64 / extent as f64);
    momenta.map(|p| 2.0 - 2.0 * p.cos()).sum()
}

/// The coordinates of a flat index in C order.
fn unravel(mut flat: usize, extents: &[usize]) -> Vec<usize> {
    let mut coordinates = vec![0; extents.len()];
    for (coordinate, &extent) in coordinates.iter_mut().zip(extents).rev() {
        *coordinate = flat % extent;
        flat /= extent;
    }
    coordinates
}
