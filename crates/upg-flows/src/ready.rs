//! Ready-made flows.

use crate::{
    activation::Activation,
    additive::Additive,
    affine::Affine,
    cnn::{Cnn, Stripes, check_kernel},
    coupling::Coupling,
    elementwise::Elementwise,
    error::FlowError,
    gauge::GaugeCoupling,
    mask::MaskPattern,
    mlp::{Bias, Mlp, StartAt},
    scaling::{GlobalScaling, Scales},
    size::{self, Size},
    tan_mixture::TanMixture,
};
use upg_core::{Chain, Cpu, Cut, Invertible, Real};

/// A chain of invertible layers on the host.
pub type Flow<T> = Chain<Box<dyn Invertible<Cpu<T>>>>;

/// RealNVP: affine couplings with fully connected conditioners (Dinh et al., arXiv:1605.08803).
///
/// ```
/// use upg_core::Layer;
/// let flow = upg_flows::RealNvp { lattice: vec![4, 4], couplings: 6, hidden: vec![32, 32], ..Default::default() };
/// assert_eq!(flow.build::<f64>().unwrap().dof(), 16);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RealNvp {
    /// Extents of the lattice; the flat index is in C order. `[d]` for d numbers without a lattice.
    pub lattice: Vec<usize>,
    /// Number of coupling layers.
    pub couplings: usize,
    /// Widths of the hidden layers of every conditioner.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Which degrees of freedom each layer transforms.
    pub mask: MaskPattern,
    /// Soft clamp c of the log-scale, s ← c·tanh(s/c); `None`: unbounded.
    pub clamp: Option<f64>,
    /// Initial parameters.
    pub start: StartAt,
}

impl RealNvp {
    /// The flow.
    ///
    /// # Errors
    /// Names the field that isn't accepted.
    pub fn build<T: Real>(&self) -> Result<Flow<T>, FlowError> {
        if self.clamp.is_some_and(|c| !(c.is_finite() && c > 0.0)) {
            return Err(FlowError::new("clamp", self.clamp, "a positive number, or none"));
        }
        let layers = self.plan().couplings::<T, _>(self.transform())?;
        Ok(Chain::new::<Cpu<T>>(layers))
    }

    /// How large the flow is.
    ///
    /// # Errors
    /// If there are no layers, more than 10,000 of them, nets of more than 100 hidden layers, or more of anything than [`Size::LARGEST`].
    pub fn size(&self) -> Result<Size, FlowError> {
        self.plan().size::<f64, _>(&self.transform())
    }

    /// How to cut a batch: see [`Cut`].
    pub fn cut(&self) -> Cut {
        self.plan().cut()
    }

    fn transform(&self) -> Affine {
        Affine { clamp: self.clamp }
    }

    fn plan(&self) -> Plan<'_> {
        let Self { lattice, couplings, hidden, activation, mask, start, .. } = self;
        Plan { lattice, couplings: *couplings, hidden, activation: *activation, mask, bias: Bias::Yes, start: *start }
    }
}

/// Z₂-equivariant NICE: additive couplings whose nets are odd functions, then a global scaling with one parameter.
///
/// T(−z) = −T(z) to the bit, so q(x) = q(−x): right for targets with S(φ) = S(−φ). Source: arXiv:2403.15881, section 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Z2Nice {
    /// Extents of the lattice; the flat index is in C order.
    pub lattice: Vec<usize>,
    /// Number of coupling layers; the scaling is one more layer.
    pub couplings: usize,
    /// Widths of the hidden layers of every conditioner.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers; must be odd.
    pub activation: Activation,
    /// Which degrees of freedom each layer transforms.
    pub mask: MaskPattern,
    /// Initial parameters.
    pub start: StartAt,
}

impl Z2Nice {
    /// The flow.
    ///
    /// # Errors
    /// Names the field that isn't accepted.
    pub fn build<T: Real>(&self) -> Result<Flow<T>, FlowError> {
        if !self.activation.is_odd() {
            return Err(FlowError::new("activation", self.activation, "an odd function: Tanh or Identity"));
        }
        let mut layers = self.plan().couplings::<T, _>(Additive)?;
        layers.push(Box::new(GlobalScaling::new(self.lattice.iter().product(), Scales::One)));
        Ok(Chain::new::<Cpu<T>>(layers))
    }

    /// How large the flow is.
    ///
    /// # Errors
    /// As [`RealNvp::size`].
    pub fn size(&self) -> Result<Size, FlowError> {
        let couplings = self.plan().size::<f64, _>(&Additive)?;
        Ok(Size { parameters: couplings.parameters + 1, ..couplings })
    }

    /// How to cut a batch: see [`Cut`].
    pub fn cut(&self) -> Cut {
        self.plan().cut()
    }

    fn plan(&self) -> Plan<'_> {
        let Self { lattice, couplings, hidden, activation, mask, start } = self;
        Plan { lattice, couplings: *couplings, hidden, activation: *activation, mask, bias: Bias::No, start: *start }
    }
}

/// Gauge-equivariant flow for U(1) theory in two dimensions: gauge couplings with mixtures of tan transforms (see [`gauge`](crate::gauge)).
///
/// Layer i moves links of direction i mod 2, its stripes offset by (i div 2) mod 4: eight layers move every link once.
/// Links form an array `[2, L_0, L_1]`; the base is uniform on the torus.
#[derive(Clone, Debug, PartialEq)]
pub struct U1Flow {
    /// Extents [L_0, L_1], multiples of 4.
    pub lattice: Vec<usize>,
    /// Number of couplings.
    pub layers: usize,
    /// K, the number of tan transforms that are averaged.
    pub mixtures: usize,
    /// Channels of the hidden layers of every network.
    pub hidden: Vec<usize>,
    /// Extent of the networks' windows, odd.
    pub kernel: usize,
    /// Slope of LeakyReLU for negative arguments.
    pub slope: f64,
    /// Initial parameters.
    pub start: StartAt,
}

impl Default for U1Flow {
    /// 8×8, eight layers, three mixtures, hidden channels 8 and 8, windows 3×3, slope 0.01.
    fn default() -> Self {
        Self {
            lattice: vec![8, 8],
            layers: 8,
            mixtures: 3,
            hidden: vec![8, 8],
            kernel: 3,
            slope: 0.01,
            start: StartAt::Random,
        }
    }
}

impl U1Flow {
    /// The flow.
    ///
    /// # Errors
    /// Names the field that isn't accepted.
    pub fn build<T: Real>(&self) -> Result<Flow<T>, FlowError> {
        let &[rows, columns] = self.lattice.as_slice() else {
            return Err(FlowError::new("lattice", &self.lattice, "two extents that are positive multiples of 4"));
        };
        if self.mixtures == 0 {
            return Err(FlowError::new("mixtures", self.mixtures, "at least 1"));
        }
        self.size()?;
        let layer = |i| self.coupling::<T>(Stripes { lattice: [rows, columns], cross: 1 - i % 2, offset: i / 2 % 4 });
        let layers = (0..self.layers).map(layer).collect::<Result<Vec<_>, _>>()?;
        Ok(Chain::new::<Cpu<T>>(layers))
    }

    /// How large the flow is.
    ///
    /// # Errors
    /// As [`RealNvp::size`].
    pub fn size(&self) -> Result<Size, FlowError> {
        size::check_depth("layers", self.layers, &self.hidden)?;
        check_kernel(self.kernel)?;
        let outputs = (self.mixtures as u64).saturating_add(1);
        let (layers, sites, hidden) = (self.layers as u64, size::sites(&self.lattice), self.hidden.as_slice());
        let window = (self.kernel as u64).saturating_mul(self.kernel as u64);
        let per_layer = size::parameters(2, hidden, outputs, window, 1);
        let stencils = 2 * (hidden.len() as u64 + 1) + 1; // there, back, and for the gradient of the last
        let kept_per_site = size::sum(hidden).saturating_add(outputs).saturating_add(4);
        let Cut { micro_batch, lanes } = self.cut();
        let size = Size {
            parameters: layers.saturating_mul(per_layer),
            indices: layers.saturating_mul(sites).saturating_mul(window).saturating_mul(stencils),
            kept: layers
                .saturating_mul(sites)
                .saturating_mul(kept_per_site)
                .saturating_mul((micro_batch * lanes) as u64),
        };
        size.check(&self.lattice, hidden)
    }

    fn coupling<T: Real>(&self, stripes: Stripes) -> Result<Box<dyn Invertible<Cpu<T>>>, FlowError> {
        let transform = TanMixture { mixtures: self.mixtures };
        let net = Cnn::new(stripes, &self.hidden, self.mixtures + 1, self.kernel, self.slope, self.start)?;
        Ok(Box::new(GaugeCoupling::new::<T>(stripes, net, transform)))
    }

    /// How to cut a batch: one tile of single-precision samples at a time, which stays in cache, and eight lanes for the threads.
    pub fn cut(&self) -> Cut {
        Cut { micro_batch: 16, lanes: 8 }
    }
}

/// What the ready-made flows have in common.
struct Plan<'a> {
    lattice: &'a [usize],
    couplings: usize,
    hidden: &'a [usize],
    activation: Activation,
    mask: &'a MaskPattern,
    bias: Bias,
    start: StartAt,
}

impl Plan<'_> {
    fn couplings<T: Real, E: Elementwise<T>>(
        &self,
        transform: E,
    ) -> Result<Vec<Box<dyn Invertible<Cpu<T>>>>, FlowError> {
        if size::sites(self.lattice) < 2 {
            return Err(FlowError::new("lattice", self.lattice, "extents of at least 1, two sites in all"));
        }
        self.size(&transform)?;
        if let Activation::LeakyRelu(slope) = self.activation
            && !(slope > 0.0 && slope.is_finite())
        {
            return Err(FlowError::new("activation", self.activation, "a positive slope"));
        }
        (0..self.couplings).map(|layer| self.coupling(layer, transform.clone())).collect()
    }

    fn coupling<T: Real, E: Elementwise<T>>(
        &self,
        layer: usize,
        transform: E,
    ) -> Result<Box<dyn Invertible<Cpu<T>>>, FlowError> {
        let mask = self.mask.mask(layer, self.lattice)?;
        let (inputs, outputs) = (mask.kept().len(), transform.width() * mask.transformed().len());
        let net = Mlp::new(inputs, self.hidden, outputs, self.activation, self.bias, self.start)?;
        Ok(Box::new(Coupling::new(mask, net, transform)))
    }

    fn size<T: Real, E: Elementwise<T>>(&self, transform: &E) -> Result<Size, FlowError> {
        size::check_depth("couplings", self.couplings, self.hidden)?;
        let (sites, couplings) = (size::sites(self.lattice), self.couplings as u64);
        let parameters = size::couplings(self.mask, self.couplings, sites).map(|(layers, transformed)| {
            let outputs = transformed.saturating_mul(transform.width() as u64);
            let bias = u64::from(self.bias == Bias::Yes);
            layers.saturating_mul(size::parameters(sites - transformed, self.hidden, outputs, 1, bias))
        });
        let Cut { micro_batch, lanes } = self.cut();
        let size = Size {
            parameters: parameters.fold(0, u64::saturating_add),
            indices: couplings.saturating_mul(sites),
            kept: self.kept().saturating_mul((micro_batch * lanes) as u64),
        };
        size.check(self.lattice, self.hidden)
    }

    /// Numbers on the tape of one sample, about.
    fn kept(&self) -> u64 {
        let per_coupling = size::sum(self.hidden).saturating_add(size::sites(self.lattice).saturating_mul(8));
        (self.couplings as u64).saturating_mul(per_coupling)
    }

    /// Wide nets: one lane, micro-batches that feed the matrix products. Small nets: lanes for the threads, and
    /// micro-batches whose tape stays within about half a megabyte.
    fn cut(&self) -> Cut {
        const WIDE: usize = 256;
        const CACHED_NUMBERS: u64 = 1 << 17;
        let widest = self.hidden.iter().copied().max().unwrap_or(0);
        let cached = (CACHED_NUMBERS / self.kept().max(1)) as usize;
        match widest >= WIDE {
            true => Cut { micro_batch: 1024, lanes: 1 },
            false => Cut { micro_batch: cached.next_multiple_of(16).clamp(16, 512), lanes: 8 },
        }
    }
}
