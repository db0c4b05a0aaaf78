//! How noisy each estimator of the gradient is at given weights.
//!
//! MATH (15): with g_r the gradient of repetition r = 1 … R, a mean over B samples, and ḡ their mean, per parameter and summed over parameters:
//!
//! | number | how |
//! |---|---|
//! | variance of a sample's gradient | B Σ_r \|g_r − ḡ\|²/(R − 1) |
//! | squared norm of the gradient | \|ḡ\|² − Σ_r \|g_r − ḡ\|²/((R − 1) R), without bias |
//! | signal-to-noise ratio of a sample | squared norm over variance |
//!
//! All estimators of a divergence have the same mean: of the differences d_k of the mean gradients of group k = 1 … K from those of the ordinary estimator, which sees
//! the same samples, the squared distance of the means is ⟨d_j·d_k⟩ over pairs j < k, which is 0 on average, with the standard error √(⟨(d_j·d_k)²⟩/pairs) then.
//!
//! The ordinary gradient keeps a variance where q = p; that of the path gradient goes to zero there. Errors are jackknife errors over ten
//! groups of repetitions. All estimators of a divergence see the same samples.

use crate::data::Batches;
use crate::method::{Divergence, Estimator, Method};
use crate::peers::Peers;
use crate::purpose::Purpose;
use crate::stats::Estimate;
use crate::trained::Trained;
use ndarray::Array2;
use std::ops::Range;
use upg_core::{Device, DeviceError, ParamLayout, Start};

/// The noise of one estimator.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Noise {
    /// The divergence.
    pub divergence: Divergence,
    /// The estimator.
    pub estimator: Estimator,
    /// Variance of a single sample's gradient, summed over the parameters.
    pub variance: Estimate,
    /// The same over that of the ordinary gradient.
    pub variance_ratio: Estimate,
    /// Squared norm of the gradient.
    pub squared_norm: Estimate,
    /// Squared norm over variance.
    pub signal_to_noise: Estimate,
    /// Squared distance of the mean gradient from that of the ordinary estimator, without bias: 0 within its error. `None` for that itself.
    pub distance: Option<Estimate>,
    /// Variance by layer, in the order of the layers.
    pub by_layer: Vec<f64>,
}

/// How many gradients of how many samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetitions {
    /// Gradients of each estimator, at least [`GROUPS`].
    pub number: usize,
    /// Samples of each.
    pub batch: usize,
}

/// Groups of repetitions for the jackknife.
pub const GROUPS: usize = 10;

impl<D: Device + Clone> Trained<D> {
    /// The noise of every estimator, decided by `seed`; of the forward KL if there are data, shape `[samples, dof]`.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If there are fewer repetitions than groups.
    #[track_caller]
    pub fn variance(
        &mut self,
        plan: Repetitions,
        seed: u64,
        data: Option<&Array2<D::Real>>,
    ) -> Result<Vec<Noise>, DeviceError> {
        self.variance_while(plan, seed, data, &mut || Ok(()))
    }

    /// The same, as long as `go_on` says so, which is asked after every gradient.
    ///
    /// # Errors
    /// If the device fails, or `go_on` ends it.
    ///
    /// # Panics
    /// As [`variance`](Self::variance).
    #[track_caller]
    pub fn variance_while<E: From<DeviceError>>(
        &mut self,
        plan: Repetitions,
        seed: u64,
        data: Option<&Array2<D::Real>>,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Vec<Noise>, E> {
        assert!(plan.number >= GROUPS, "{} repetitions, and {GROUPS} groups of them", plan.number);
        let mut batches = data.map(|data| Batches::new(data.clone(), plan.batch, seed));
        let mut noise = vec![];
        for divergence in Divergence::ALL {
            if divergence == Divergence::Forward && batches.is_none() {
                continue;
            }
            let mut ordinary = None;
            for method in Method::of(divergence) {
                let (sums, gradients) = self.sums(plan, seed, method, batches.as_mut(), go_on)?;
                let left_out = sums.left_out(plan.batch);
                let Some((reference, of_ordinary)) = &ordinary else {
                    noise.push(left_out.noise(method, &left_out, None));
                    ordinary = Some((left_out, gradients));
                    continue;
                };
                let distance = self.distance(&sums.count, gradients, of_ordinary)?;
                noise.push(left_out.noise(method, reference, Some(distance)));
            }
        }
        Ok(noise)
    }

    /// The squared distance of two means, from the sums of their groups.
    fn distance(
        &self,
        count: &[f64; GROUPS],
        mut of_groups: Vec<D::Buffer>,
        of_ordinary: &[D::Buffer],
    ) -> Result<Estimate, DeviceError> {
        let device = &self.device;
        let all = 0..self.engine.layout().size();
        let products = device.install(|| {
            of_groups.iter_mut().zip(of_ordinary).for_each(|(own, other)| device.combine(-1.0, other, 1.0, own));
            products(device, &of_groups, &all)
        });
        device.status()?;
        let of_pairs = (0..GROUPS).flat_map(|g| (0..g).map(move |h| (g, h)));
        let pairs: Vec<f64> = of_pairs.map(|(g, h)| products[g][h] / (count[g] * count[h])).collect();
        let number = pairs.len() as f64;
        let squares: f64 = pairs.iter().map(|product| product * product).sum();
        Ok(Estimate { value: pairs.iter().sum::<f64>() / number, error: squares.sqrt() / number })
    }

    /// Sums over the gradients of `method`, and those of each group.
    fn sums<E: From<DeviceError>>(
        &mut self,
        plan: Repetitions,
        seed: u64,
        method: Method,
        mut batches: Option<&mut Batches<D::Real>>,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(Sums, Vec<D::Buffer>), E> {
        let Self { device, engine, theta, peers, .. } = self;
        let layout = engine.layout();
        let layers = layers_of(&layout);
        let mut of_groups: Vec<D::Buffer> = (0..GROUPS).map(|_| device.zeros(layout.size())).collect();
        let mut squares = vec![[0.0; GROUPS]; layers.len()];
        let own = peers.share(plan.number);
        for round in 0..plan.number.div_ceil(peers.size()) {
            peers.go_on()?;
            let Some(repetition) = own.clone().nth(round) else { continue };
            let stream = Purpose::Variance(repetition as u64).samples(seed);
            let gradient = match (method, &mut batches) {
                (Method::Reverse(how), _) => {
                    engine.reverse_kl(how, theta, Start::Draw { stream, first: 0, samples: plan.batch })?
                }
                (Method::Forward(how), Some(batches)) => {
                    engine.forward_kl(how, theta, batches.of_step(repetition as u64))?
                }
                (Method::Forward(_), None) => unreachable!("a forward KL comes with its data"),
            };
            let (group, grad) = (repetition % GROUPS, gradient.grad);
            device.install(|| {
                device.combine(1.0, grad, 1.0, &mut of_groups[group]);
                for (squares, layer) in squares.iter_mut().zip(&layers) {
                    squares[group] += product(device, grad, grad, layer);
                }
            });
            go_on()?;
        }
        device.status()?;
        let count = std::array::from_fn(|group| (group..plan.number).step_by(GROUPS).len() as f64);
        join(device, peers, &mut of_groups, &mut squares)?;
        let products = device.install(|| layers.iter().map(|layer| products(device, &of_groups, layer)).collect());
        device.status()?;
        Ok((Sums { count, squares, products }, of_groups))
    }
}

/// Adds up what the processes have found in their repetitions.
fn join<D: Device>(
    device: &D,
    peers: &Peers,
    of_groups: &mut [D::Buffer],
    squares: &mut [[f64; GROUPS]],
) -> Result<(), DeviceError> {
    if peers.is_alone() {
        return Ok(());
    }
    for of_group in of_groups {
        let mut sum = device.to_host(of_group);
        device.status()?; // before others get it
        peers.sum(&mut sum)?;
        device.write_buffer(&sum, of_group);
    }
    peers.sum(squares.as_flattened_mut())
}

/// ⟨x, y⟩ over the parameters in `range`.
fn product<D: Device>(device: &D, x: &D::Buffer, y: &D::Buffer, range: &Range<usize>) -> f64 {
    device.dot(D::slice(device.params(x), range.clone()), D::slice(device.params(y), range.clone()))
}

/// All products of the sums of two groups over the parameters in `range`.
fn products<D: Device>(device: &D, of_groups: &[D::Buffer], range: &Range<usize>) -> [[f64; GROUPS]; GROUPS] {
    let mut products = [[0.0; GROUPS]; GROUPS];
    for g in 0..GROUPS {
        for h in 0..=g {
            products[g][h] = product(device, &of_groups[g], &of_groups[h], range);
            products[h][g] = products[g][h];
        }
    }
    products
}

/// Sums over the repetitions of each group: of the gradients g_r, which stay on the device, only their products are kept.
struct Sums {
    /// Repetitions of each group.
    count: [f64; GROUPS],
    /// Σ_r |g_r|² of each layer and group.
    squares: Vec<[f64; GROUPS]>,
    /// ⟨Σ_r g_r, Σ_s g_s⟩ of each layer, r in one group, s in another.
    products: Vec<[[f64; GROUPS]; GROUPS]>,
}

impl Sums {
    /// Variance of a sample and squared norm for every layer, from all groups but one.
    fn without(&self, left_out: Option<usize>, batch: usize) -> Vec<[f64; 2]> {
        let groups: Vec<usize> = (0..GROUPS).filter(|&group| Some(group) != left_out).collect();
        let count: f64 = groups.iter().map(|&group| self.count[group]).sum();
        let of_layer = |(squares, products): (&[f64; GROUPS], &[[f64; GROUPS]; GROUPS])| {
            let squares: f64 = groups.iter().map(|&group| squares[group]).sum();
            let all_products: f64 = groups.iter().flat_map(|&g| groups.iter().map(move |&h| products[g][h])).sum();
            let norm = all_products / (count * count);
            let variance = (squares - count * norm) / (count - 1.0);
            [batch as f64 * variance, norm - variance / count]
        };
        self.squares.iter().zip(&self.products).map(of_layer).collect()
    }

    fn left_out(&self, batch: usize) -> LeftOut {
        let totals = |layers: Vec<[f64; 2]>| layers.iter().fold([0.0; 2], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
        let all = self.without(None, batch);
        LeftOut {
            by_layer: all.iter().map(|[variance, _]| *variance).collect(),
            all: totals(all),
            without: (0..GROUPS).map(|group| totals(self.without(Some(group), batch))).collect(),
        }
    }
}

/// Variance of a sample and squared norm, from all groups and from all but one.
#[derive(Clone, Debug)]
struct LeftOut {
    by_layer: Vec<f64>,
    all: [f64; 2],
    without: Vec<[f64; 2]>,
}

impl LeftOut {
    fn noise(&self, method: Method, ordinary: &Self, distance: Option<Estimate>) -> Noise {
        let numbers = |&[variance, norm]: &[f64; 2], [reference, _]: &[f64; 2]| {
            [variance, variance / reference, norm, norm / variance]
        };
        let all = numbers(&self.all, &ordinary.all);
        let left_out: Vec<_> =
            self.without.iter().zip(&ordinary.without).map(|(own, other)| numbers(own, other)).collect();
        let [variance, variance_ratio, squared_norm, signal_to_noise] =
            std::array::from_fn(|i| jackknife(all[i], left_out.iter().map(|numbers| numbers[i])));
        let by_layer = self.by_layer.clone();
        let (divergence, estimator) = (method.divergence(), method.estimator());
        Noise { divergence, estimator, variance, variance_ratio, squared_norm, signal_to_noise, distance, by_layer }
    }
}

/// The value with the jackknife error from its values without one group each.
fn jackknife(value: f64, without: impl Iterator<Item = f64> + Clone) -> Estimate {
    let n = GROUPS as f64;
    let mean = without.clone().sum::<f64>() / n;
    let spread: f64 = without.map(|x| (x - mean).powi(2)).sum();
    Estimate { value, error: ((n - 1.0) / n * spread).sqrt() }
}

/// The ranges of the tensors `layers.{l}.…`, layer by layer.
fn layers_of(layout: &ParamLayout) -> Vec<Range<usize>> {
    let mut layers: Vec<(String, Range<usize>)> = vec![];
    for (tensor, range) in layout.ranges() {
        let name: String = tensor.name.split('.').take(2).collect::<Vec<_>>().join(".");
        match layers.last_mut() {
            Some((last, whole)) if *last == name => whole.end = range.end,
            _ => layers.push((name, range)),
        }
    }
    layers.into_iter().map(|(_, range)| range).collect()
}
