//! Memory that layers keep between calls.

use std::any::Any;

/// Memory kept between calls: at most one value of each type, made by `Default` at the first request and kept.
///
/// A layer asks for its own type and reshapes the buffers in it; after the first step nothing allocates. The *tape* of
/// a layer (what `forward` leaves for `push_score` and `pull_back`) and the *scratch* that all layers share are both of this type.
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
