//! What became of the trajectories of each chain.

/// Counts of the trajectories after the warm-up, per chain; proposals don't count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    trajectories: usize,
    acceptance: Vec<f64>,
    moves: Vec<usize>,
}

impl Tally {
    pub(super) fn new(chains: usize) -> Self {
        Self { trajectories: 0, acceptance: vec![0.0; chains], moves: vec![0; chains] }
    }

    /// Takes in one trajectory: acceptance probabilities and outcomes, per chain.
    pub(super) fn add(&mut self, probability: &[f64], accepted: &[bool]) {
        self.trajectories += 1;
        self.acceptance.iter_mut().zip(probability).for_each(|(sum, probability)| *sum += probability);
        self.moves.iter_mut().zip(accepted).for_each(|(moves, &accepted)| *moves += usize::from(accepted));
    }

    /// Trajectories of each chain.
    pub fn trajectories(&self) -> usize {
        self.trajectories
    }

    /// Mean acceptance probability of each chain; NaN before the first trajectory.
    pub fn acceptance(&self) -> impl Iterator<Item = f64> {
        self.acceptance.iter().map(|sum| sum / self.trajectories as f64)
    }

    /// Accepted trajectories of each chain.
    pub fn moves(&self) -> &[usize] {
        &self.moves
    }
}
