//! Measurements on samples of a target.
//!
//! An observable O = f(⟨a_0⟩, ⟨a_1⟩, …) is a function of the means of *primaries* a_i, quantities that have one value per
//! sample. A target says which primaries it has, measures them, and gives the functions f. Averaging is somebody else's
//! work: along a Markov chain, or over samples of a flow with weights; and so is the error, for which f is evaluated again
//! at means that leave out a part of the samples (jackknife).
//!
//! ```
//! use upg_core::{Batch, Streams};
//! use upg_targets::{ExactSampler, Gmm, Observables};
//!
//! let target = Gmm::new(3)?;
//! let mut x = Batch::<f64>::zeros(3, 10_000); // [dof, samples]
//! target.sample(&mut Streams::new(1).next_stream(), &mut x);
//! let mut measured = Batch::default(); // [primaries, samples]
//! target.measure(&x, &mut measured);
//! let means: Vec<f64> = (0..measured.rows()).map(|i| measured.row(i).iter().sum::<f64>() / 10_000.0).collect();
//! for observable in Observables::<f64>::observables(&target) {
//!     println!("{} = {}, exact {:?}", observable.name, observable.value(&means), observable.exact);
//! }
//! # Ok::<(), upg_targets::TargetError>(())
//! ```

use std::fmt;
use upg_core::{Batch, Real};

/// Measurements on samples of a target, in precision `T`; see the [module documentation](self).
pub trait Observables<T: Real>: Send + Sync {
    /// The names of the primaries, all different.
    fn primaries(&self) -> Vec<String>;

    /// Fills `out`, shape `[primaries, samples]`, with the primaries of the samples `x`, shape `[dof, samples]`.
    ///
    /// The result of a sample doesn't depend on the others; a batch of f32 gives the same as its samples in f64.
    ///
    /// # Panics
    /// If the rows of `x` are not the degrees of freedom of the target.
    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>);

    /// The observables, names all different, with their exact values where those are known. Computing these may take
    /// seconds: call it once.
    fn observables(&self) -> Vec<Observable>;
}

/// f: a number from the means of the primaries.
type Function = dyn Fn(&[f64]) -> f64 + Send + Sync;

/// A function of the means of the primaries.
pub struct Observable {
    /// Its name.
    pub name: String,
    /// Its exact value, where that is known.
    pub exact: Option<f64>,
    value: Box<Function>,
}

impl Observable {
    /// The observable f of this name.
    pub fn new(name: impl Into<String>, exact: Option<f64>, f: impl Fn(&[f64]) -> f64 + Send + Sync + 'static) -> Self {
        Self { name: name.into(), exact, value: Box::new(f) }
    }

    /// The mean of primary `i` itself.
    pub fn mean(name: impl Into<String>, exact: Option<f64>, i: usize) -> Self {
        Self::new(name, exact, move |means| means[i])
    }

    /// f at the means of the primaries, in their order. NaN where f is undefined: the observable cannot be computed.
    ///
    /// # Panics
    /// If there are fewer means than primaries.
    #[track_caller]
    pub fn value(&self, means: &[f64]) -> f64 {
        (self.value)(means)
    }
}

impl fmt::Debug for Observable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observable").field("name", &self.name).field("exact", &self.exact).finish_non_exhaustive()
    }
}
