//! The same network computed at all sites of the lattice, in double precision and sample by sample, from the definition.

use super::Case;

/// Values of one sample, `[channel][x_0][x_1]`.
pub type Full = Vec<Vec<Vec<f64>>>;

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
        let widths = [&[2], &case.hidden[..], &[case.outputs]].concat();
        Self { case, theta, widths }
    }

    pub fn zeros(&self, channels: usize) -> Full {
        let [l0, l1] = self.case.stripes.lattice;
        vec![vec![vec![0.0; l1]; l0]; channels]
    }

    /// Where the weights and the biases of layer k start.
    fn starts(&self, k: usize) -> (usize, usize) {
        let weights = |j: usize| self.widths[j] * self.widths[j + 1] * self.case.kernel * self.case.kernel;
        let start = (0..k).map(|j| weights(j) + self.widths[j + 1]).sum();
        (start, start + weights(k))
    }

    /// Calls `visit` with output, input and weight index of every product of layer k: (o, x), (i, y), w.
    fn products(&self, k: usize, mut visit: impl FnMut([usize; 3], [usize; 3], usize)) {
        let ([l0, l1], extent) = (self.case.stripes.lattice, self.case.kernel);
        let (inputs, outputs) = (self.widths[k], self.widths[k + 1]);
        for o in 0..outputs {
            for x0 in 0..l0 {
                for x1 in 0..l1 {
                    for i in 0..inputs {
                        for k0 in 0..extent {
                            for k1 in 0..extent {
                                let y0 = (x0 + 4 * l0 + k0 - extent / 2) % l0;
                                let y1 = (x1 + 4 * l1 + k1 - extent / 2) % l1;
                                let weight = self.starts(k).0 + ((o * inputs + i) * extent + k0) * extent + k1;
                                visit([o, x0, x1], [i, y0, y1], weight);
                            }
                        }
                    }
                }
            }
        }
    }

    fn layer(&self, k: usize, h: &Full) -> Full {
        let mut z = self.zeros(self.widths[k + 1]);
        for (o, plane) in z.iter_mut().enumerate() {
            plane.iter_mut().flatten().for_each(|z| *z = self.theta[self.starts(k).1 + o]);
        }
        self.products(k, |[o, x0, x1], [i, y0, y1], w| z[o][x0][x1] += self.theta[w] * h[i][y0][y1]);
        z
    }

    fn leaky(&self, z: f64) -> f64 {
        if z > 0.0 { z } else { self.case.slope * z }
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
        h.iter_mut().flatten().flatten().for_each(|z| *z = self.leaky(*z));
        h
    }

    /// Pulls a cotangent of the output back, given the values of `forward`.
    pub fn backward(&self, input: &Full, layers: &[Full], v: &Full) -> Backward {
        let mut grad = vec![0.0; self.theta.len()];
        let mut v = v.clone();
        for k in (0..layers.len()).rev() {
            let h = if k == 0 { input.clone() } else { self.activated(&layers[k - 1]) };
            let mut below = self.zeros(self.widths[k]);
            self.products(k, |[o, x0, x1], [i, y0, y1], w| {
                grad[w] += v[o][x0][x1] * h[i][y0][y1];
                below[i][y0][y1] += v[o][x0][x1] * self.theta[w];
            });
            for (o, plane) in v.iter().enumerate() {
                grad[self.starts(k).1 + o] += plane.iter().flatten().sum::<f64>();
            }
            if k > 0 {
                let kinks = below.iter_mut().flatten().flatten().zip(layers[k - 1].iter().flatten().flatten());
                kinks.for_each(|(b, &z)| *b *= if z > 0.0 { 1.0 } else { self.case.slope });
            }
            v = below;
        }
        Backward { input: v, grad }
    }
}
