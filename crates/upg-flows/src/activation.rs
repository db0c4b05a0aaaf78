//! Activation functions: value and derivative of one number, applied to rows by vectorised loops.
//!
//! Where the derivative follows from the value it isn't stored (h = act(z), d = act'(z)):
//! tanh: d = 1 − h²; ReLU, leaky ReLU: by the sign of h; softplus: d = 1 − e^{−h}; ELU: d = 1 or 1 + h.
//! SiLU and GELU need z, so `forward` stores d beside h.

use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};

/// An activation function, applied to every hidden unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "activation"))]
pub enum Activation {
    /// tanh z; odd to the bit.
    #[default]
    Tanh,
    /// max(z, 0).
    Relu,
    /// z for z > 0, else slope·z; 0 < slope.
    LeakyRelu(f64),
    /// z/(1 + e^{−z}), also called swish.
    Silu,
    /// log(1 + e^z).
    Softplus,
    /// z for z > 0, else e^z − 1.
    Elu,
    /// z·σ(1.702 z), the sigmoid form of GELU.
    Gelu,
    /// z.
    Identity,
}

/// Factor inside the sigmoid of [`Activation::Gelu`].
const GELU: f64 = 1.702;

impl Activation {
    /// Whether act(−z) = −act(z) for every z.
    pub fn is_odd(self) -> bool {
        matches!(self, Self::Tanh | Self::Identity)
    }

    /// Whether `forward` must store the derivative, because it doesn't follow from the value.
    pub(crate) fn stores_derivative(self) -> bool {
        matches!(self, Self::Silu | Self::Gelu)
    }

    /// h ← act(h + bias) for a row of samples. Where [`stores_derivative`](Self::stores_derivative) the derivative goes to
    /// `derivative`, unless that is empty because nobody will ask.
    pub(crate) fn forward<T: Real>(self, bias: T, h: &mut [T], derivative: &mut [T]) {
        dispatch(Forward { act: self, bias, h, derivative });
    }

    /// v ← v · act', from the value `h`, or from the derivative where it is stored.
    pub(crate) fn pull_back<T: Real>(self, h_or_derivative: &[T], v: &mut [T]) {
        dispatch(PullBack { act: self, from: h_or_derivative, v });
    }
}

struct Forward<'a, T> {
    act: Activation,
    bias: T,
    h: &'a mut [T],
    derivative: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { act, bias, h, derivative } = self;
        match act {
            Activation::Tanh => each(h, |z| scalar::tanh::<T, M>(z + bias)),
            Activation::Relu => each(h, |z| positive_part(z + bias)),
            Activation::LeakyRelu(slope) => {
                let slope = T::of(slope);
                each(h, |z| leaky(z + bias, slope));
            }
            Activation::Softplus => each(h, |z| scalar::softplus::<T, M>(z + bias)),
            Activation::Elu => each(h, |z| {
                let z = z + bias;
                if z > T::zero() { z } else { scalar::exp::<T, M>(z) - T::one() }
            }),
            Activation::Silu => with_derivative(h, derivative, |z| gated::<T, M>(z + bias, T::one())),
            Activation::Gelu => with_derivative(h, derivative, |z| gated::<T, M>(z + bias, T::of(GELU))),
            Activation::Identity => each(h, |z| z + bias),
        }
    }
}

struct PullBack<'a, T> {
    act: Activation,
    from: &'a [T],
    v: &'a mut [T],
}

impl<T: Real> Kernel for PullBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { act, from, v } = self;
        match act {
            Activation::Tanh => scale(v, from, |h| M::mul_add(-h, h, T::one())),
            Activation::Relu => scale(v, from, |h| if h > T::zero() { T::one() } else { T::zero() }),
            Activation::LeakyRelu(slope) => {
                let slope = T::of(slope);
                scale(v, from, |h| if h > T::zero() { T::one() } else { slope });
            }
            Activation::Softplus => scale(v, from, |h| T::one() - scalar::exp::<T, M>(-h)),
            Activation::Elu => scale(v, from, |h| if h > T::zero() { T::one() } else { h + T::one() }),
            Activation::Silu | Activation::Gelu => scale(v, from, |d| d),
            Activation::Identity => {}
        }
    }
}

#[inline(always)]
fn each<T: Real>(row: &mut [T], f: impl Fn(T) -> T) {
    for x in row {
        *x = f(*x);
    }
}

#[inline(always)]
fn with_derivative<T: Real>(row: &mut [T], derivative: &mut [T], f: impl Fn(T) -> (T, T)) {
    if derivative.is_empty() {
        return each(row, |x| f(x).0);
    }
    for (x, d) in row.iter_mut().zip(derivative) {
        (*x, *d) = f(*x);
    }
}

#[inline(always)]
fn scale<T: Real>(row: &mut [T], by: &[T], f: impl Fn(T) -> T) {
    for (x, &b) in row.iter_mut().zip(by) {
        *x *= f(b);
    }
}

#[inline(always)]
fn positive_part<T: Real>(z: T) -> T {
    if z > T::zero() { z } else { T::zero() }
}

#[inline(always)]
fn leaky<T: Real>(z: T, slope: T) -> T {
    if z > T::zero() { z } else { slope * z }
}

/// z σ(cz) and its derivative σ + cz σ(1 − σ).
#[inline(always)]
fn gated<T: Real, M: MulAdd>(z: T, c: T) -> (T, T) {
    let s = scalar::sigmoid::<T, M>(c * z);
    (z * s, M::mul_add(c * z * s, T::one() - s, s))
}
