//! How large a flow is, told before it is made, and how large it may be.
//!
//! A wrong digit in a description must not ask for a terabyte: what is larger than [`Size::LARGEST`] in any respect is refused before
//! anything is allocated. Counts saturate, so they are right wherever it matters.

use crate::{error::FlowError, mask::MaskPattern};

/// How large a flow is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Parameters.
    pub parameters: u64,
    /// Entries of the tables of indices that the layers keep: masks and stencils. At most so many.
    pub indices: u64,
    /// Numbers that a gradient keeps at one time, of all samples under way. Roughly.
    pub kept: u64,
}

/// Most layers of a flow.
const MOST_LAYERS: usize = 10_000;
/// Most hidden layers of a net.
const MOST_HIDDEN: usize = 100;

impl Size {
    /// 2³¹ parameters, 2³¹ indices, 2³⁶ numbers kept: some hundred gigabytes.
    pub const LARGEST: Self = Self { parameters: 1 << 31, indices: 1 << 31, kept: 1 << 36 };

    /// Refuses what is larger than [`LARGEST`](Self::LARGEST).
    pub(crate) fn check(self, lattice: &[usize], hidden: &[usize]) -> Result<Self, FlowError> {
        let Self { parameters, indices, kept } = self;
        let refuse = |field, value: &[usize], what: String, accepted| {
            Err(FlowError { field, value: format!("{value:?} ({what})"), accepted })
        };
        if parameters > Self::LARGEST.parameters {
            return refuse(
                "hidden",
                hidden,
                format!("{parameters} parameters"),
                "at most 2147483648 parameters in all layers",
            );
        }
        if indices > Self::LARGEST.indices {
            return refuse(
                "lattice",
                lattice,
                format!("{indices} indices"),
                "at most 2147483648 indices in all layers",
            );
        }
        if kept > Self::LARGEST.kept {
            let accepted = "at most 68719476736 numbers kept of a micro-batch by all layers and lanes";
            return refuse("lattice", lattice, format!("{kept} numbers kept"), accepted);
        }
        Ok(self)
    }
}

/// Refuses more layers, called `field`, or more hidden layers than anybody wants.
pub(crate) fn check_depth(field: &'static str, layers: usize, hidden: &[usize]) -> Result<(), FlowError> {
    if layers == 0 || layers > MOST_LAYERS {
        return Err(FlowError::new(field, layers, "a whole number, at least 1, at most 10000"));
    }
    if hidden.len() > MOST_HIDDEN {
        return Err(FlowError::new("hidden", hidden, "at most 100 widths"));
    }
    Ok(())
}

/// The product of the extents.
pub(crate) fn sites(lattice: &[usize]) -> u64 {
    lattice.iter().fold(1, |sites, &extent| sites.saturating_mul(extent as u64))
}

/// Sum of the widths.
pub(crate) fn sum(widths: &[usize]) -> u64 {
    widths.iter().fold(0, |sum, &width| sum.saturating_add(width as u64))
}

/// Parameters of a net of the widths inputs → hidden… → outputs with `window` weights for each pair of channels, and a `bias` or none.
pub(crate) fn parameters(inputs: u64, hidden: &[usize], outputs: u64, window: u64, bias: u64) -> u64 {
    let (mut width, mut all) = (inputs, 0_u64);
    for next in hidden.iter().map(|&width| width as u64).chain([outputs]) {
        let per_output = width.saturating_mul(window).saturating_add(bias);
        all = all.saturating_add(next.saturating_mul(per_output));
        width = next;
    }
    all
}

/// The kinds of layers that `layers` couplings with masks of this pattern have: how many there are of each, and how many of `sites`
/// they transform.
pub(crate) fn couplings(mask: &MaskPattern, layers: usize, sites: u64) -> impl Iterator<Item = (u64, u64)> {
    let period = if let MaskPattern::Custom(lists) = mask { lists.len().max(1) } else { 2 };
    (0..period.min(layers)).map(move |layer| {
        let transformed = match mask {
            MaskPattern::Custom(lists) => lists.get(layer).map_or(0, Vec::len) as u64,
            MaskPattern::Alternating | MaskPattern::Checkerboard if layer == 0 => sites.div_ceil(2),
            MaskPattern::Alternating | MaskPattern::Checkerboard => sites / 2,
        };
        ((layers - layer).div_ceil(period) as u64, transformed.min(sites))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, RealNvp, U1Flow, Z2Nice};
    use proptest::prelude::*;
    use upg_core::{Cpu, Layer};

    fn counted(flow: &crate::Flow<f64>) -> u64 {
        Layer::<Cpu<f64>>::params(flow).size() as u64
    }

    fn any_lattice() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(1..5_usize, 1..4)
            .prop_filter("a coupling needs two sites", |l| l.iter().product::<usize>() > 1)
    }

    fn any_hidden() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(1..9_usize, 0..4)
    }

    fn any_mask() -> impl Strategy<Value = MaskPattern> {
        let custom = vec![vec![0], vec![1], vec![0]];
        prop_oneof![Just(MaskPattern::Alternating), Just(MaskPattern::Checkerboard), Just(MaskPattern::Custom(custom))]
    }

    proptest! {
        #[test]
        fn the_parameters_are_those_of_the_flow(
            lattice in any_lattice(), hidden in any_hidden(), couplings in 1..8_usize, mask in any_mask(),
        ) {
            let (l, h, m) = (lattice.clone(), hidden.clone(), mask.clone());
            let z2 = Z2Nice { lattice: l, couplings, hidden: h, mask: m, ..Default::default() };
            prop_assert_eq!(z2.size().unwrap().parameters, counted(&z2.build().unwrap()));
            let nvp = RealNvp { lattice, couplings, hidden, activation: Activation::Silu, mask, ..Default::default() };
            prop_assert_eq!(nvp.size().unwrap().parameters, counted(&nvp.build().unwrap()));
        }

        #[test]
        fn the_parameters_are_those_of_the_gauge_flow(
            extents in prop::array::uniform2(1..4_usize), hidden in any_hidden(), layers in 1..5_usize, mixtures in 1..5_usize,
            kernel in 0..3_usize,
        ) {
            let (lattice, kernel) = (extents.map(|n| 4 * n).to_vec(), 2 * kernel + 1);
            let flow = U1Flow { lattice, hidden, layers, mixtures, kernel, ..Default::default() };
            prop_assert_eq!(flow.size().unwrap().parameters, counted(&flow.build().unwrap()));
        }
    }

    /// None of them would fit into any memory, and some counts not into any number.
    #[test]
    fn what_nobody_wants_is_refused_before_it_is_made() {
        let nvp = |lattice: &[usize], couplings, hidden: &[usize]| {
            let flow = RealNvp { lattice: lattice.into(), couplings, hidden: hidden.into(), ..Default::default() };
            flow.build::<f32>().map(drop).unwrap_err()
        };
        let u1 = |flow: U1Flow| flow.build::<f32>().map(drop).unwrap_err();
        let big = vec![1000, 1000];
        let cases = [
            (nvp(&[8, 2], 6, &[1_000_000; 2]), "hidden", "6000156000096 parameters"),
            (nvp(&[8, 2], 6, &[usize::MAX; 9]), "hidden", "18446744073709551615 parameters"),
            (nvp(&[8, 2], 10_001, &[]), "couplings", "10001"),
            (nvp(&[8, 2], usize::MAX, &[usize::MAX]), "couplings", "18446744073709551615"),
            (nvp(&[8, 2], 6, &[1; 101]), "hidden", "1, 1, 1"),
            (nvp(&big, 500, &[1]), "lattice", "numbers kept"),
            (u1(U1Flow { hidden: vec![100_000; 2], ..Default::default() }), "hidden", "parameters"),
            (u1(U1Flow { mixtures: usize::MAX, ..Default::default() }), "hidden", "parameters"),
            (u1(U1Flow { layers: 1_000_000, ..Default::default() }), "layers", "1000000"),
            (u1(U1Flow { kernel: 65, ..Default::default() }), "kernel", "65"),
            (u1(U1Flow { kernel: 999_999, ..Default::default() }), "kernel", "999999"),
            (u1(U1Flow { lattice: big.clone(), layers: 48, ..Default::default() }), "lattice", "indices"),
            (u1(U1Flow { lattice: big, layers: 1, hidden: vec![90], ..Default::default() }), "hidden", "90"),
        ];
        for (error, field, value) in cases {
            assert!(error.field == field && error.value.contains(value), "{error} should be about {field} and {value}");
        }
    }
}
