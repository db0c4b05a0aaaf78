//! The same network computed at all sites of the lattice, in double precision and sample by sample, from the definition.

use super::Case;
use upg_flows::cnn::Reads;
use upg_flows::{Activation, Bias};

/// Values of one sample, `[channel][site]`.
pub type Full = Vec<Vec<f64>>;

/// The results of `backward`.
pub struct Backward {
    /// Cotangent of the input at all sites.
    pub input: Full,
    /// ∂θ, flat.
    pub grad: Vec<f64>,
}

/// A dense periodic network with parameters in the flat order of the flow.
pub struct Naive<'a> {
    case: &'a Case,
    theta: &'a [f64],
    widths: Vec<usize>,
}

impl<'a> Naive<'a> {
    pub fn new(case: &'a Case, theta: &'a [f64]) -> Self {
        let architecture = &case.architecture;
        let outputs = architecture.outputs.iter().map(|block| block.channels).sum();
        let widths = [&[architecture.elsewhere.len()], &architecture.hidden[..], &[outputs]].concat();
        Self { case, theta, widths }
    }

    pub fn zeros(&self, channels: usize) -> Full {
        vec![vec![0.0; self.case.extents.iter().product()]; channels]
    }

    /// The input where there are no features.
    pub fn elsewhere(&self) -> &[f64] {
        &self.case.architecture.elsewhere
    }

    fn last(&self) -> usize {
        self.widths.len() - 2
    }

    fn window(&self) -> usize {
        self.case.architecture.kernel.pow(self.case.extents.len() as u32)
    }

    /// For each output of layer k whether it has a bias, and whether it reads squares.
    fn outputs(&self, k: usize) -> Vec<(bool, bool)> {
        let architecture = &self.case.architecture;
        if k < self.last() {
            return vec![(architecture.bias == Bias::Yes, false); self.widths[k + 1]];
        }
        let of_block = architecture.outputs.iter().map(|block| {
            let kind = (block.bias == Bias::Yes, block.reads == Reads::Squares);
            vec![kind; block.channels]
        });
        of_block.flatten().collect()
    }

    /// Where the weights of layer k start.
    fn start(&self, k: usize) -> usize {
        let size = |j: usize| {
            let biases = self.outputs(j).iter().filter(|(bias, _)| *bias).count();
            self.widths[j] * self.widths[j + 1] * self.window() + biases
        };
        (0..k).map(size).sum()
    }

    /// The position of the bias of each output of layer k, if it has one.
    fn biases(&self, k: usize) -> Vec<Option<usize>> {
        let mut next = self.start(k) + self.widths[k] * self.widths[k + 1] * self.window();
        let mut position = |has: bool| {
            next += usize::from(has);
            has.then_some(next - 1)
        };
        self.outputs(k).into_iter().map(|(has, _)| position(has)).collect()
    }

    /// The site at x + d for the tap of that number.
    fn neighbour(&self, site: usize, tap: usize) -> usize {
        let (extents, kernel) = (&self.case.extents, self.case.architecture.kernel);
        let (mut site, mut tap, mut flat, mut stride) = (site, tap, 0, 1);
        for &extent in extents.iter().rev() {
            let moved = (site % extent + tap % kernel + kernel * extent - kernel / 2) % extent;
            (flat, stride) = (flat + moved * stride, stride * extent);
            (site, tap) = (site / extent, tap / kernel);
        }
        flat
    }

    /// Calls `visit` with output, input and weight index of every product of layer k: (o, x), (i, y), w.
    fn products(&self, k: usize, mut visit: impl FnMut([usize; 2], [usize; 2], usize)) {
        let sites: usize = self.case.extents.iter().product();
        let (inputs, start, window) = (self.widths[k], self.start(k), self.window());
        for o in 0..self.widths[k + 1] {
            for x in 0..sites {
                for i in 0..inputs {
                    for tap in 0..window {
                        let weight = start + (o * inputs + i) * window + tap;
                        visit([o, x], [i, self.neighbour(x, tap)], weight);
                    }
                }
            }
        }
    }

    fn layer(&self, k: usize, h: &Full) -> Full {
        let mut z = self.zeros(self.widths[k + 1]);
        for (plane, bias) in z.iter_mut().zip(self.biases(k)) {
            plane.fill(bias.map_or(0.0, |bias| self.theta[bias]));
        }
        let outputs = self.outputs(k);
        self.products(k, |[o, x], [i, y], w| {
            let h = if outputs[o].1 { h[i][y] * h[i][y] } else { h[i][y] };
            z[o][x] += self.theta[w] * h;
        });
        z
    }

    /// act(z) and its derivative.
    fn act(&self, z: f64) -> (f64, f64) {
        let leaky = |slope: f64| if z > 0.0 { (z, 1.0) } else { (slope * z, slope) };
        match self.case.architecture.activation {
            Activation::Tanh => (z.tanh(), 1.0 - z.tanh().powi(2)),
            Activation::Relu => leaky(0.0),
            Activation::LeakyRelu(slope) => leaky(slope),
            Activation::Silu => {
                let s = 1.0 / (1.0 + (-z).exp());
                (z * s, s + z * s * (1.0 - s))
            }
            Activation::Identity => (z, 1.0),
            other => panic!("{other:?}"),
        }
    }

    /// Values before the activation of every layer; those of the last layer are the output.
    pub fn forward(&self, input: &Full) -> Vec<Full> {
        let mut layers = vec![self.layer(0, input)];
        for k in 1..self.widths.len() - 1 {
            let h = self.activated(&layers[k - 1]);
            layers.push(self.layer(k, &h));
        }
        layers
    }

    fn activated(&self, z: &Full) -> Full {
        let mut h = z.clone();
        h.iter_mut().flatten().for_each(|z| *z = self.act(*z).0);
        h
    }

    /// Pulls a cotangent of the output back, given the values of `forward`.
    pub fn backward(&self, input: &Full, layers: &[Full], v: &Full) -> Backward {
        let mut grad = vec![0.0; self.theta.len()];
        let mut v = v.clone();
        for k in (0..layers.len()).rev() {
            let h = if k == 0 { input.clone() } else { self.activated(&layers[k - 1]) };
            let (mut below, outputs) = (self.zeros(self.widths[k]), self.outputs(k));
            self.products(k, |[o, x], [i, y], w| {
                let (value, slope) = if outputs[o].1 { (h[i][y] * h[i][y], 2.0 * h[i][y]) } else { (h[i][y], 1.0) };
                grad[w] += v[o][x] * value;
                below[i][y] += v[o][x] * self.theta[w] * slope;
            });
            for (plane, bias) in v.iter().zip(self.biases(k)) {
                bias.into_iter().for_each(|bias| grad[bias] += plane.iter().sum::<f64>());
            }
            if k > 0 {
                let all = below.iter_mut().flatten().zip(layers[k - 1].iter().flatten());
                all.for_each(|(b, &z)| *b *= self.act(z).1);
            }
            v = below;
        }
        Backward { input: v, grad }
    }
}
