//! What targets of plain numbers with an exact sampler have in common: where their samples live, and how data are drawn.

/// Implements [`SampleSpace`](crate::SampleSpace), numbers without an arrangement, and [`DataSampler`](crate::DataSampler), by the
/// exact sampler, for a target.
macro_rules! numbers_drawn_exactly {
    ($target:ty) => {
        impl $crate::space::SampleSpace for $target {
            fn lattice_shape(&self) -> Option<Vec<usize>> {
                None
            }

            fn domain(&self, _: usize) -> ::upg_core::Domain {
                ::upg_core::Domain::Line
            }
        }

        impl<T: ::upg_core::Real> $crate::data::DataSampler<T> for $target {
            fn sampling(&self) -> $crate::data::Sampling {
                $crate::data::Sampling::Exact
            }

            fn run_chains(
                &self,
                plan: &$crate::chains::ChainPlan,
                rng: ::upg_core::Rng,
                visit: $crate::chains::Visit<'_, T>,
            ) -> Result<$crate::chains::ChainReport, $crate::error::TargetError> {
                $crate::data::exact_rounds(self, plan, rng, visit)
            }

            fn draw_data(
                &self,
                plan: &$crate::chains::ChainPlan,
                rng: ::upg_core::Rng,
            ) -> Result<(::ndarray::Array2<T>, $crate::chains::ChainReport), $crate::error::TargetError> {
                $crate::data::exact_samples(self, plan, rng)
            }
        }
    };
}

pub(crate) use numbers_drawn_exactly;
