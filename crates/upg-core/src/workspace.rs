//! Memory that layers keep between calls: workspaces of one lane, and what all lanes read of θ.

use std::any::{Any, type_name};

/// Memory kept between calls: at most one value of each type, made by `Default` at the first request and kept.
///
/// A layer asks for its own type and reshapes the buffers in it; after the first step nothing allocates. The *tape* of
/// a layer (what `forward` leaves for `push` and `pull_back`) and the *scratch* that all layers share are both of this type.
///
/// ```
/// use upg_core::{Batch, Workspace};
/// #[derive(Default)]
/// struct MyTape { kept: Batch<f64> }
/// let mut tape = Workspace::default();
/// tape.get::<MyTape>().kept.reshape(3, 8);
/// assert_eq!(tape.get::<MyTape>().kept.rows(), 3);
/// ```
#[derive(Default)]
pub struct Workspace {
    values: Vec<Box<dyn Any + Send>>,
}

impl Workspace {
    /// The value of type `S`.
    pub fn get<S: Default + Send + 'static>(&mut self) -> &mut S {
        let at = self.values.iter().position(|value| value.is::<S>()).unwrap_or_else(|| {
            self.values.push(Box::<S>::default());
            self.values.len() - 1
        });
        self.values[at].downcast_mut().expect("found by its type")
    }
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workspace of {} values", self.values.len())
    }
}

/// The preparations of a layer, made once for each θ: at most one value of each type, written by
/// [`Layer::prepare`](crate::Layer::prepare) alone and read by all lanes at the same time.
///
/// ```
/// use upg_core::Prepared;
/// #[derive(Default)]
/// struct Factors(Vec<f64>);
/// let mut prepared = Prepared::default();
/// prepared.get_mut::<Factors>().0.resize(3, 1.0);
/// assert_eq!(prepared.get::<Factors>().0.len(), 3);
/// ```
#[derive(Default)]
pub struct Prepared {
    values: Vec<Box<dyn Any + Send + Sync>>,
}

impl Prepared {
    /// The value of type `S`, to be filled; what an earlier θ left, or `Default`.
    pub fn get_mut<S: Default + Send + Sync + 'static>(&mut self) -> &mut S {
        let at = self.values.iter().position(|value| value.is::<S>()).unwrap_or_else(|| {
            self.values.push(Box::<S>::default());
            self.values.len() - 1
        });
        self.values[at].downcast_mut().expect("found by its type")
    }

    /// The value of type `S`.
    ///
    /// # Panics
    /// If it was never prepared.
    #[track_caller]
    pub fn get<S: Send + Sync + 'static>(&self) -> &S {
        let found = self.values.iter().find_map(|value| value.downcast_ref());
        found.unwrap_or_else(|| panic!("{} is missing: `prepare` must come before the verbs", type_name::<S>()))
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared, {} values", self.values.len())
    }
}
