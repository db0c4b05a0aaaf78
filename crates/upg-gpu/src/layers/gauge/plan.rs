//! How a gauge coupling is cut into blocks: what fields.cu, convolution.cu and gradient.cu count, in the same words, for whoever allocates it.

use upg_flows::spec::CnnSpec;

/// Residue classes across the stripes.
const CLASSES: usize = 4;
/// Where the features are, and where the parameters of the transform.
const FROZEN: [bool; CLASSES] = [false, false, true, true];
const ACTIVE: usize = 1;
/// cos P and sin P.
const FEATURES: usize = 2;
/// Threads of a block at least and at most, and samples of a tile at most.
const FEWEST_THREADS: usize = 128;
const MOST_THREADS: usize = 256;
const MOST_SAMPLES: usize = 32;
/// Samples of a tile, on any lattice, if there is room: those that are read at once.
const TOGETHER: usize = 4;

/// Sizes of a gauge coupling.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// Extents along the stripes and across them.
    pub extents: [usize; 2],
    /// Samples of a tile.
    pub samples: usize,
    /// Channels of the fields: features, hidden layers, parameters of the transform.
    channels: Vec<usize>,
    radius: usize,
    slope: f64,
    /// Numbers that the transform keeps.
    kept: usize,
}

impl Plan {
    /// As many samples a tile as threads can do at once, if a block has room for them in `bytes` of shared memory; none if there is no room for one.
    pub fn new(
        extents: [usize; 2],
        net: &CnnSpec,
        [width, kept]: [usize; 2],
        real: usize,
        bytes: usize,
    ) -> Option<Self> {
        let channels = [&[FEATURES], &net.hidden[..], &[width]].concat();
        let plan = Self { extents, samples: 1, channels, radius: net.kernel / 2, slope: net.slope, kept };
        let most = (MOST_THREADS / plan.cells()).next_power_of_two().clamp(TOGETHER, MOST_SAMPLES);
        let cuts = std::iter::successors(Some(most), |samples| (*samples > 1).then_some(samples / 2));
        let mut plans = cuts.map(|samples| Self { samples, ..plan.clone() });
        plans.find(|plan| plan.most_shared() * real <= bytes)
    }

    /// With fewer samples a tile, so that few samples are more tiles.
    pub fn finer(&self) -> Self {
        Self { samples: (self.samples / 4).max(1), ..self.clone() }
    }

    /// Cells of four classes.
    fn cells(&self) -> usize {
        self.extents[0] * self.extents[1] / CLASSES
    }

    /// Cells of all samples of a tile.
    fn positions(&self) -> usize {
        self.cells() * self.samples
    }

    /// Threads of a block.
    pub fn threads(&self) -> usize {
        self.positions().next_multiple_of(32).clamp(FEWEST_THREADS, MOST_THREADS)
    }

    fn layers(&self) -> usize {
        self.channels.len() - 1
    }

    /// Numbers in a window.
    fn taps(&self) -> usize {
        (2 * self.radius + 1) * (2 * self.radius + 1)
    }

    /// Rows of field k: its channels on the classes from which the next field is read.
    fn rows(&self, k: usize) -> usize {
        let reach = (self.layers() - k) * self.radius;
        let reads = |class: usize| (0..=2 * reach).any(|d| (class + reach + CLASSES - ACTIVE) % CLASSES == d % CLASSES);
        let lives = |class: usize| if k == 0 { FROZEN[class] } else { reads(class) };
        self.channels[k] * (0..CLASSES).filter(|&class| lives(class)).count()
    }

    fn all_rows(&self) -> impl Iterator<Item = usize> {
        (0..=self.layers()).map(|k| self.rows(k))
    }

    fn tape_rows(&self) -> usize {
        self.all_rows().sum::<usize>() + self.kept
    }

    /// Numbers on the tape for a tile.
    pub fn tape(&self) -> usize {
        self.tape_rows() * self.positions()
    }

    /// Packed weights and starts, for the way up.
    fn up(&self) -> usize {
        let of_layer = |k: usize| {
            let starts = if k == 0 { CLASSES } else { 1 };
            (self.taps() * self.channels[k] + starts) * padded(self.channels[k + 1])
        };
        (0..self.layers()).map(of_layer).sum()
    }

    /// Packed weights for the way down.
    fn down(&self) -> usize {
        (0..self.layers()).map(|k| self.taps() * self.channels[k + 1] * padded(self.channels[k])).sum()
    }

    /// Packed weights for both ways.
    pub fn packed(&self) -> usize {
        self.up() + self.down()
    }

    /// Numbers that a block leaves of the weight gradients.
    pub fn part(&self) -> usize {
        let of_layer = |k: usize| self.taps() * self.channels[k] * self.channels[k + 1] + self.rows(k + 1);
        (0..self.layers()).map(of_layer).sum()
    }

    /// Numbers in shared memory beside the weights: fields by turns in two places, and three rows of changes.
    fn fields(&self) -> usize {
        let most = |parity: usize| (parity..=self.layers()).step_by(2).map(|k| self.rows(k)).max().unwrap_or(0);
        (most(0) + most(1) + 3) * (self.positions() + 12)
    }

    /// Numbers in shared memory of a kernel.
    pub fn shared(&self, kernel: Kernel) -> usize {
        match kernel {
            Kernel::Up => self.up() + self.fields(),
            Kernel::Down => self.down() + self.fields(),
            Kernel::Both => self.packed() + self.fields(),
            Kernel::Gradient => self.down() + self.fields().max(16 * self.threads()),
        }
    }

    fn most_shared(&self) -> usize {
        self.shared(Kernel::Both).max(self.shared(Kernel::Gradient))
    }

    /// What specialises the text.
    pub fn defines(&self) -> Vec<(&'static str, String)> {
        let [along, across] = self.extents;
        let channels: Vec<String> = self.channels.iter().map(usize::to_string).collect();
        let sizes = [
            ("RADIUS", self.radius),
            ("ALONG", along),
            ("CROSS", across),
            ("SAMPLES", self.samples),
            ("BLOCK", self.threads()),
            ("TAPE_ROWS", self.tape_rows()),
            ("UP_WEIGHTS", self.up()),
            ("DOWN_WEIGHTS", self.down()),
            ("PART_NUMBERS", self.part()),
        ];
        let sizes = sizes.map(|(name, size)| (name, size.to_string()));
        [("CHANNELS", channels.join(",")), ("SLOPE", format!("{:e}", self.slope))].into_iter().chain(sizes).collect()
    }
}

/// What a kernel has in shared memory beside the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Weights for the way up.
    Up,
    /// Weights for the way down.
    Down,
    /// Both.
    Both,
    /// Weights for the way down, and, later, sums of weight gradients in the place of the fields.
    Gradient,
}

/// The channels that are packed: fours are read at once.
fn padded(channels: usize) -> usize {
    channels.next_multiple_of(4)
}
