//! The tests that every layer, flow and target of the workspace passes; a development dependency only.
//!
//! A new piece joins all checks by one line in a table, in which hyper-parameters are drawn from `rng`:
//!
//! | table | one line | checks |
//! |---|---|---|
//! | [`layer_battery!`] | `affine(rng) => Affine::new(rng.random_range(2..9));` | [`layer`] |
//! | [`flow_battery!`] | `real_nvp(rng) => Parts::on_line(any_real_nvp(rng), rng);` | [`flow`] |
//! | [`base_battery!`] | `free_field(rng) => FreeField::<T>::new(&[4, 3], rng.random_range(0.1..2.0), 0.3);` | [`base`] |
//! | [`target_battery!`] | `phi4(rng) => Phi4::new(&[4, 3], rng.random_range(0.1..0.3), 0.2);` | [`target`] |
//!
//! The crate that uses a table depends on `upg-core` too, which the tables name. For tests beyond the tables:
//! finite differences ([`finite`], [`numeric`]), tolerances ([`tolerance`]), dense linear algebra ([`dense`]), elementary
//! functions in double-double ([`reference`](mod@reference)), random input ([`draw`]), the verbs on host arrays ([`runner`]),
//! small targets ([`models`]), q = p ([`flow::zero`]), agreement of estimators ([`flow::agreement`]), a count of
//! allocations ([`alloc`]), ways to damage a file ([`mutate`]), and with the feature `runs` what a run leaves (`left`).
//!
//! Shapes are those of users, `[batch, dof]`. Nothing here differentiates automatically, and nothing shares code with the
//! verbs it checks but `forward`.
pub mod alloc;
pub mod base;
pub mod dense;
pub mod domain;
pub mod draw;
pub mod finite;
pub mod flow;
pub mod layer;
#[cfg(feature = "runs")]
pub mod left;
pub mod models;
pub mod mutate;
pub mod numeric;
pub mod on_host;
pub mod reference;
pub mod runner;
pub mod target;
pub mod tolerance;

/// How a line of a battery makes what is tested: in f64 and, unless it says `in f64`, in f32.
#[doc(hidden)]
#[macro_export]
macro_rules! in_precisions {
    (: $rng:ident => $module:ident :: $kind:ident, $made:expr) => {{
        #[allow(unused_variables)]
        fn make<T: ::upg_core::Real>($rng: &mut ::upg_core::Rng) -> $crate::$module::$kind<T> {
            ::std::boxed::Box::new($made)
        }
        (make as fn(&mut _) -> _, ::std::option::Option::Some(make as fn(&mut _) -> _))
    }};
    (f64: $rng:ident => $module:ident :: $kind:ident, $made:expr) => {{
        #[allow(unused_variables)]
        fn make($rng: &mut ::upg_core::Rng) -> $crate::$module::$kind<f64> {
            ::std::boxed::Box::new($made)
        }
        (make as fn(&mut _) -> _, ::std::option::Option::None)
    }};
}
