//! The size of a flow and the cut of its batches, from the kinds of layers it has.

use super::{
    base::BaseSpec,
    description::{Description, Needs, Work},
    layer::LayerSpec,
};
use crate::{error::FlowError, size::Size};
use upg_core::Cut;

/// The base of a flow and the kinds of layers that it has, with how many there are of each.
pub(crate) struct Outline<'a> {
    /// Shape of a sample.
    pub shape: &'a [usize],
    /// The base.
    pub base: &'a BaseSpec,
    /// Numbers of layers and kinds.
    pub kinds: Vec<(u64, &'a LayerSpec)>,
}

impl Outline<'_> {
    /// How large the flow is.
    ///
    /// # Errors
    /// If it is larger than [`Size::LARGEST`] in any respect.
    pub fn size(&self) -> Result<Size, FlowError> {
        let Cut { micro_batch, lanes } = self.cut();
        let of_base = (1, self.base.needs(self.shape));
        let all = self.needs().chain([of_base]).fold(Size::default(), |all, (count, needs)| {
            let grow = |sum: u64, part: u64| sum.saturating_add(count.saturating_mul(part));
            Size {
                parameters: grow(all.parameters, needs.parameters),
                indices: grow(all.indices, needs.indices),
                kept: grow(all.kept, needs.kept),
            }
        });
        let kept = all.kept.saturating_mul((micro_batch * lanes) as u64);
        let largest = self.largest_net();
        let checked = Size { kept, ..all }.check(self.shape, largest.map(|(_, hidden)| hidden));
        checked.map_err(|error| match largest {
            Some((layer, _)) if error.field == "net.hidden" => error.in_layer(layer),
            _ => error,
        })
    }

    /// Tiles: one of single-precision samples at a time, which stays in cache, and eight lanes for the threads. Wide nets: one lane, and
    /// micro-batches that feed the matrix products. Small nets: eight lanes, and micro-batches whose tape stays within about half a
    /// megabyte, but of 64 samples where weights are many: to pack them for 16 samples takes longer than to read a tape from the next cache.
    pub fn cut(&self) -> Cut {
        const WIDE: usize = 256;
        const CACHED_NUMBERS: u64 = 1 << 17;
        let works = || self.kinds.iter().map(|(_, layer)| layer.work());
        if works().any(|work| work == Work::Tiles) {
            return Cut { micro_batch: 16, lanes: 8 };
        }
        let dof = self.shape.iter().fold(1, |dof: usize, &extent| dof.saturating_mul(extent));
        let is_wide = |work| match work {
            Work::Products(widest) => widest >= WIDE,
            Work::Squares => dof >= WIDE,
            Work::Numbers | Work::Tiles => false,
        };
        if works().any(is_wide) {
            return Cut { micro_batch: 1024, lanes: 1 };
        }
        let sum = |of: fn(&Needs) -> u64| {
            self.needs().fold(0_u64, |sum, (count, needs)| sum.saturating_add(count.saturating_mul(of(&needs))))
        };
        let (kept, weights) = (sum(|needs| needs.kept).max(1), sum(|needs| needs.parameters));
        let cached = (CACHED_NUMBERS / kept) as usize;
        let fewest = if weights / 16 >= kept { 64 } else { 16 };
        Cut { micro_batch: cached.next_multiple_of(16).clamp(fewest, 512), lanes: 8 }
    }

    fn needs(&self) -> impl Iterator<Item = (u64, Needs)> {
        self.kinds.iter().map(|(count, layer)| (*count, layer.needs(self.shape)))
    }

    /// The layer whose net has the most parameters, and the net's hidden widths.
    fn largest_net(&self) -> Option<(usize, &[usize])> {
        let sizes = self.needs().map(|(_, needs)| needs.parameters);
        let (layer, _) = sizes.enumerate().max_by_key(|(_, parameters)| *parameters)?;
        Some((layer, self.kinds[layer].1.hidden()?))
    }
}
