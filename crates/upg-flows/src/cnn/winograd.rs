//! Convolutions of extent 3 along an axis for pairs of sites, with two thirds of the multiplications: Winograd's algorithm F(2, 3).
//!
//! Along a row of the window two neighbours y_0, y_1 need Σ_j g_j d_j and Σ_j g_j d_{j+1} of four sources d_0 … d_3. With
//!
//! | c | U_c | D_c |
//! |---|---|---|
//! | 0 | g_0 | d_0 − d_2 |
//! | 1 | (g_0 + g_1 + g_2)/2 | d_1 + d_2 |
//! | 2 | (g_0 − g_1 + g_2)/2 | d_2 − d_1 |
//! | 3 | −g_2 | d_1 − d_3 |
//!
//! y_0 = U_0 D_0 + U_1 D_1 + U_2 D_2 and y_1 = U_1 D_1 − U_2 D_2 + U_3 D_3: four products instead of six. The U_c are prepared with the
//! weights; the D_c are one addition each and serve all target channels of a block. Sums over rows and channels come before the last
//! step. The weight gradient goes the same way back: from cotangents v_0, v_1 of the pair
//!
//! ∂U_0 = v_0 D_0,  ∂U_1 = (v_0 + v_1) D_1,  ∂U_2 = (v_0 − v_1) D_2,  ∂U_3 = v_1 D_3,
//!
//! summed over pairs, then ∂g_0 = ∂U_0 + (∂U_1 + ∂U_2)/2, ∂g_1 = (∂U_1 − ∂U_2)/2, ∂g_2 = (∂U_1 + ∂U_2)/2 − ∂U_3.
//! Source: A. Lavin, S. Gray, *Fast algorithms for convolutional neural networks*, arXiv:1509.09308.

mod gradient;
mod product;

pub(super) use gradient::PairGradient;

use super::pairs::EXTENT;
use upg_core::Real;

/// Number of the U_c.
pub(super) const COMPONENTS: usize = 4;

/// How D_c and its factor in the weight gradient are made, for every c.
const RECIPES: [Recipe; COMPONENTS] = [
    Recipe { ends: [0, 2], sign: -1.0, factors: [1.0, 0.0] },
    Recipe { ends: [1, 2], sign: 1.0, factors: [1.0, 1.0] },
    Recipe { ends: [2, 1], sign: -1.0, factors: [1.0, -1.0] },
    Recipe { ends: [1, 3], sign: -1.0, factors: [0.0, 1.0] },
];

struct Recipe {
    /// a and b of D_c = d_a + sign·d_b.
    ends: [usize; 2],
    sign: f64,
    /// D_c is multiplied by factors[0]·v_0 + factors[1]·v_1.
    factors: [f64; 2],
}

/// U_0 … U_3 of a row of the window.
pub(super) fn transformed<T: Real>([g0, g1, g2]: [T; EXTENT]) -> [T; COMPONENTS] {
    let half = T::of(0.5);
    [g0, half * (g0 + g2 + g1), half * (g0 + g2 - g1), -g2]
}

/// ∂g_0, ∂g_1, ∂g_2 from ∂U_0 … ∂U_3: the transpose of [`transformed`].
pub(super) fn transformed_back<T: Real>([u0, u1, u2, u3]: [T; COMPONENTS]) -> [T; EXTENT] {
    let half = T::of(0.5);
    [u0 + half * (u1 + u2), half * (u1 - u2), half * (u1 + u2) - u3]
}
