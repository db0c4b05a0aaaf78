//! Which sites of a lattice a network reads, and where it gives values: both are sums of residue classes.

use super::geometry::{Classes, DIMENSIONS, Lattice};
use crate::{
    error::{FlowError, require},
    mask::Mask,
};

/// A periodic lattice with the sites whose values enter the network, *frozen*, and those where it has outputs, *active*.
#[derive(Clone, Debug)]
pub struct Sites {
    pub(super) lattice: Lattice,
    pub(super) active: Classes,
    pub(super) frozen: Classes,
}

impl Sites {
    /// Most residue classes of a mask.
    const MOST_CLASSES: usize = 64;

    /// The active, frozen and passive stripes of a gauge coupling.
    ///
    /// # Errors
    /// If an extent isn't a positive multiple of 4, the axis not 0 or 1, or the offset above 3.
    pub fn striped(stripes: Stripes) -> Result<Self, FlowError> {
        stripes.check()?;
        let Stripes { lattice, cross, offset } = stripes;
        let lattice = Lattice::new(&lattice, |x| (x[cross] + PERIOD - offset) % PERIOD);
        Ok(Self { lattice, active: vec![true, false, false, false], frozen: vec![false, true, true, false] })
    }

    /// The sites that `mask` transforms are active, all others frozen. Its residue classes are those of the sum of the coordinates modulo
    /// 2, for a checkerboard, else those of all coordinates modulo the periods of the mask.
    ///
    /// # Errors
    /// If there are more than four extents, or more than 64 residue classes, as on a lattice of odd extents.
    ///
    /// # Panics
    /// If the mask is one of another number of sites.
    pub fn of_mask(extents: &[usize], mask: &Mask) -> Result<Self, FlowError> {
        check_dimensions(extents)?;
        assert_eq!(mask.dof(), extents.iter().product(), "sites of the mask, and of the lattice");
        let mut active = vec![false; mask.dof()];
        mask.transformed().iter().for_each(|&site| active[site] = true);
        let lattice = match checkerboard(extents, &active) {
            Some(checkerboard) => checkerboard,
            None => repeating(extents, &active)?,
        };
        let classes: Classes = (0..lattice.classes()).map(|class| active[lattice.site_in(class)]).collect();
        Ok(Self { frozen: classes.iter().map(|&active| !active).collect(), active: classes, lattice })
    }

    /// Number of dimensions.
    pub fn dimensions(&self) -> usize {
        self.lattice.dimensions()
    }
}

/// Refuses a lattice of no dimension, or more than four.
pub(crate) fn check_dimensions(extents: &[usize]) -> Result<(), FlowError> {
    let accepted = "one to four extents, for a convolutional net";
    require((1..=DIMENSIONS).contains(&extents.len()), "shape", extents, accepted)
}

/// The lattice in two classes, if the active sites are those of one of them.
fn checkerboard(extents: &[usize], active: &[bool]) -> Option<Lattice> {
    if extents.iter().any(|extent| !extent.is_multiple_of(2)) {
        return None;
    }
    let lattice = Lattice::new(extents, |x| x.iter().sum::<usize>() % 2);
    let even = active[0];
    (0..active.len()).all(|site| active[site] == (even == (lattice.class(site) == 0))).then_some(lattice)
}

/// The lattice in the classes of all coordinates modulo the periods of `active`.
fn repeating(extents: &[usize], active: &[bool]) -> Result<Lattice, FlowError> {
    let whole = Lattice::new(extents, |_| 0);
    let periods: Vec<usize> = (0..extents.len()).map(|axis| period(&whole, extents, axis, active)).collect();
    if periods.iter().product::<usize>() > Sites::MOST_CLASSES {
        let accepted = "sites of residue classes of the coordinates, at most 64 of them, with a convolutional net";
        return Err(FlowError::new("mask", format_args!("one of periods {periods:?}"), accepted));
    }
    Ok(Lattice::new(extents, |x| x.iter().zip(&periods).fold(0, |class, (x, period)| class * period + x % period)))
}

/// The smallest divisor of the extent of an axis that is a period of `active`.
fn period(whole: &Lattice, extents: &[usize], axis: usize, active: &[bool]) -> usize {
    let along = DIMENSIONS - extents.len() + axis;
    let repeats = |period: usize| {
        let by = super::geometry::step(along, period as isize);
        (0..active.len()).all(|site| active[site] == active[whole.shifted(site, by)])
    };
    let divides = |period: &usize| extents[axis].is_multiple_of(*period);
    (1..extents[axis]).filter(divides).find(|&period| repeats(period)).unwrap_or(extents[axis])
}

/// The period of the stripes.
const PERIOD: usize = 4;

/// Stripes of period four on a periodic two-dimensional lattice, MATH §"Gauge theory".
///
/// Site x has the residue r(x) = (x_cross − offset) mod 4: active for r = 0, frozen for 1 and 2, passive for 3. For links of direction
/// μ the stripes are crossed by going along the other axis, cross = 1 − μ. The flat index of a site is in C order, x_0·L_1 + x_1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripes {
    /// Extents [L_0, L_1], multiples of 4.
    pub lattice: [usize; 2],
    /// The axis along which the residue changes, 0 or 1.
    pub cross: usize,
    /// Coordinate of the first active stripe, 0 to 3.
    pub offset: usize,
}

impl Stripes {
    /// Refuses what isn't a striped lattice.
    fn check(&self) -> Result<(), FlowError> {
        let striped = self.lattice.iter().all(|&extent| extent > 0 && extent.is_multiple_of(PERIOD));
        require(striped, "lattice", self.lattice, "two extents that are positive multiples of 4")?;
        require(self.cross <= 1, "cross", self.cross, "an axis, 0 or 1")?;
        require(self.offset < PERIOD, "offset", self.offset, "a coordinate from 0 to 3")
    }
}
