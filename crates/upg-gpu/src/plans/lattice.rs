//! How the kernels of fields on lattices go about them: what specialises `lattice_modes.cu`, `lattice_field.cu` and `plaquette_field.cu`, and the tables that
//! they read.

use super::tiling::Tiling;
use upg_flows::{Orbits, modes};

/// How the kernels go about a lattice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatticePlan {
    lattice: Vec<usize>,
    tiling: Tiling,
    /// Fields of a sample that are transformed together.
    group: usize,
    /// Sums over a block that are taken together.
    reduced: usize,
}

/// Sums that a field of plaquettes takes together.
const REDUCED: usize = 4;

/// Shared memory of a block that features share with each other, in bytes: so that some blocks find room beside each other.
const ROOM: usize = 64 << 10;

impl LatticePlan {
    /// For a lattice field of so many features, of `number` bytes each site.
    pub fn new(lattice: &[usize], kinds: usize, number: usize) -> Self {
        let tiling = Tiling::new(lattice.iter().product());
        let bytes = |group| shared_bytes(lattice, tiling, [group, 2 * group], number);
        let most = (1..=kinds).take_while(|&group| bytes(group) <= ROOM).last().unwrap_or(1);
        let group = kinds.div_ceil(kinds.div_ceil(most));
        Self::of_group(lattice, tiling, [group, 2 * group], number)
    }

    /// For a field of plaquettes with products of so many sines and cosines, of `number` bytes each site.
    pub fn of_plaquettes(lattice: &[usize], products: usize, number: usize) -> Self {
        Self::of_group(lattice, Tiling::new(lattice.iter().product()), [2 * products, REDUCED], number)
    }

    fn of_group(lattice: &[usize], tiling: Tiling, [group, reduced]: [usize; 2], number: usize) -> Self {
        let shared = shared_bytes(lattice, tiling, [group, reduced], number);
        Self { lattice: lattice.to_vec(), tiling: Tiling { shared, ..tiling }, group, reduced }
    }

    /// The extents.
    pub fn lattice(&self) -> &[usize] {
        &self.lattice
    }

    /// How samples are spread.
    pub fn tiling(&self) -> Tiling {
        self.tiling
    }

    /// What specialises the kernels.
    pub fn defines(&self) -> Vec<(&'static str, String)> {
        let mut defines = self.tiling.defines();
        let axes: String =
            axes(&self.lattice).iter().map(|a| format!("AXIS({},{},{})", a.extent, a.inner, a.table)).collect();
        defines.push(("SITES", self.tiling.dof.to_string()));
        defines.push(("LAST", last(&self.lattice).to_string()));
        defines.push(("AXES", axes));
        defines.push(("TABLES", tables(&self.lattice).to_string()));
        defines.push(("GROUP", self.group.to_string()));
        defines.push(("REDUCED", self.reduced.to_string()));
        defines
    }

    /// What specialises the kernels of a field of plaquettes, which the plan is for.
    pub fn plaquette_defines(&self, products: usize) -> Vec<(&'static str, String)> {
        let mut defines = self.defines();
        defines.push(("PRODUCTS", products.to_string()));
        defines
    }

    /// The tables of all axes.
    pub fn fold_tables(&self) -> Vec<f64> {
        let mut numbers = vec![0.0; tables(&self.lattice)];
        for axis in axes(&self.lattice) {
            let folds = Folds::of(axis.extent);
            let table = &mut numbers[axis.table..][..folds.numbers()];
            table.iter_mut().zip(folds.table()).for_each(|(to, number)| *to = number);
        }
        numbers
    }

    /// Where the modes of each orbit begin, and their places one orbit after the other.
    pub fn members(&self, orbits: &Orbits) -> Vec<i32> {
        let mut of_orbit = vec![vec![]; orbits.count()];
        for (mode, &orbit) in orbits.of_mode().iter().enumerate() {
            of_orbit[orbit].push(place(&self.lattice, mode) as i32);
        }
        let ends = of_orbit.iter().scan(0, |end, members| {
            *end += members.len() as i32;
            Some(*end)
        });
        std::iter::once(0).chain(ends).chain(of_orbit.iter().flatten().copied()).collect()
    }
}

/// Bytes of shared memory of a block that transforms `group` fields of its samples together: `reduced` sums, tables, and twice the fields.
fn shared_bytes(lattice: &[usize], tiling: Tiling, [group, reduced]: [usize; 2], number: usize) -> usize {
    let sums = reduced * tiling.block() * size_of::<f64>();
    sums + number * (tables(lattice) + 2 * group * tiling.samples * places(lattice))
}

fn last(lattice: &[usize]) -> usize {
    lattice.last().copied().unwrap_or(1)
}

/// From one line of the last axis to the next; odd, for the banks of shared memory.
fn pitch(lattice: &[usize]) -> usize {
    last(lattice) | 1
}

/// Places of a lattice in shared memory.
fn places(lattice: &[usize]) -> usize {
    lattice.iter().product::<usize>() / last(lattice) * pitch(lattice)
}

fn place(lattice: &[usize], site: usize) -> usize {
    site / last(lattice) * pitch(lattice) + site % last(lattice)
}

/// An axis to be transformed.
struct Axis {
    extent: usize,
    /// Sites of the axes behind it.
    inner: usize,
    /// Where its table begins.
    table: usize,
}

/// The axes of more than one site, the last one first; equal ones have one table.
fn axes(lattice: &[usize]) -> Vec<Axis> {
    let (mut axes, mut inner, mut end): (Vec<Axis>, _, _) = (vec![], 1, 0);
    for &extent in lattice.iter().rev() {
        if extent > 1 {
            let same = axes.iter().find(|axis| axis.extent == extent).map(|axis| axis.table);
            let table = same.unwrap_or(end);
            end = end.max(table + Folds::of(extent).numbers());
            axes.push(Axis { extent, inner, table });
        }
        inner *= extent;
    }
    axes
}

/// Numbers of all tables.
fn tables(lattice: &[usize]) -> usize {
    axes(lattice).iter().map(|axis| axis.table + Folds::of(axis.extent).numbers()).max().unwrap_or(0)
}

/// How a line is folded, as lattice_modes.cu has it.
#[derive(Clone, Copy, Debug)]
struct Folds {
    extent: usize,
    /// Kinds of modes.
    kinds: usize,
    /// Folded sites.
    count: usize,
}

impl Folds {
    fn of(extent: usize) -> Self {
        match extent % 2 {
            0 => Self { extent, kinds: 4, count: extent / 4 + 1 },
            _ => Self { extent, kinds: 2, count: extent / 2 + 1 },
        }
    }

    /// Numbers of a row: whole fours.
    fn row(self) -> usize {
        self.count.next_multiple_of(4)
    }

    fn numbers(self) -> usize {
        self.kinds * self.count * self.row()
    }

    /// r of mode j of a kind, if there is one.
    fn mode(self, kind: usize, j: usize) -> Option<usize> {
        let r = match (self.kinds, kind) {
            (2, 0) => (2 * j).saturating_sub(1),
            (2, _) => 2 * j + 2,
            (_, 0) => (4 * j).saturating_sub(1),
            (_, 3) => 4 * j + 4,
            (_, kind) => 4 * j + kind,
        };
        (r < self.extent).then_some(r)
    }

    /// Whether modes of a kind can be other than 0 at folded site n.
    fn meets(self, kind: usize, n: usize) -> bool {
        match n {
            0 => kind < self.kinds / 2,
            n => 4 * n != self.extent || kind.is_multiple_of(2),
        }
    }

    /// m_r(n), `[kind][mode of the kind][n]`.
    fn table(self) -> impl Iterator<Item = f64> {
        let rows = (0..self.kinds).flat_map(move |kind| (0..self.count).map(move |j| (kind, j)));
        rows.flat_map(move |(kind, j)| {
            (0..self.row()).map(move |n| match self.mode(kind, j) {
                Some(r) if n < self.count && self.meets(kind, n) => modes::mode(self.extent, r, n),
                _ => 0.0,
            })
        })
    }
}
