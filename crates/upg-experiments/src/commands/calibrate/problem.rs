//! Problems of known answers that come with the program.

use clap::ValueEnum;

/// A flow, a target with exact values, and a training of seconds to a few minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Problem {
    /// U(1) gauge theory on 8×8 at β = 2.
    U1,
    /// φ⁴ theory on 8×2 in its bimodal phase.
    Phi4,
    /// A free field on 8×2, of which every observable is known.
    FreeField,
    /// A mixture of 64 Gaussians in six dimensions.
    Gmm,
    /// Sixteen double wells in 32 dimensions.
    ManyWell,
    /// A Gaussian with four times the variance of the flow: errors can't be right.
    HeavyTails,
}

impl Problem {
    /// Its configuration, RON.
    pub fn config(self) -> &'static str {
        match self {
            Self::U1 => include_str!("problems/u1.ron"),
            Self::Phi4 => include_str!("problems/phi4.ron"),
            Self::FreeField => include_str!("problems/free_field.ron"),
            Self::Gmm => include_str!("problems/gmm.ron"),
            Self::ManyWell => include_str!("problems/many_well.ron"),
            Self::HeavyTails => include_str!("problems/heavy_tails.ron"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigFile;
    use std::path::Path;

    #[test]
    fn problems_are_experiments() {
        for problem in Problem::value_variants() {
            let file = ConfigFile::of_text(problem.config().to_owned(), Path::new("")).unwrap();
            file.check().unwrap();
        }
    }
}
