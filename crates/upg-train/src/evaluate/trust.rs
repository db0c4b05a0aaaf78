//! When an estimate of log Z isn't to be trusted.
//!
//! Each test has its own blind spot. Few effective samples, a heavy single weight or a heavy tail show in the samples of q alone, but q can't
//! show what it misses: a flow that has lost one of two equal modes has a reverse ESS near 1 and log Z too low by log 2. That shows where something
//! from outside is known: samples of p (forward ESS, log Z from 1/w) or an exact value.

use super::integration::{Change, Integration};
use crate::stats::interval::FEWEST;
use crate::stats::{DataWeightSums, Estimate, TailIndex, WeightSums};

/// Fewest effective samples.
const EFFECTIVE: f64 = 100.0;
/// Smallest effective sample size.
const ESS: f64 = 0.01;
/// Largest share of a single weight.
const SHARE: f64 = 0.05;
/// Largest standard deviation of the change of log-weights by twice the steps of an integrator.
const SPREAD: f64 = 0.1;
/// Standard errors by which two estimates may differ.
const SIGMAS: f64 = 5.0;
/// The forward ESS may be smaller than the reverse one by this factor.
const RATIO: f64 = 0.1;

/// Everything the samples of q say against their own log Z.
pub fn of_samples(weights: &WeightSums) -> Vec<String> {
    let (Some(ess), Some(share)) = (weights.ess(), weights.largest_share()) else {
        return vec![match weights.not_finite() {
            0 => format!("all {} weights are zero", weights.samples()),
            some => format!("{some} of {} log-weights are not finite", weights.samples()),
        }];
    };
    let effective = ess * weights.samples() as f64;
    let mut warnings = vec![];
    if effective < EFFECTIVE {
        warnings.push(format!("only {effective:.1} effective samples, at least {EFFECTIVE} are needed"));
    }
    if ess < ESS {
        warnings.push(format!("the reverse ESS is {ess:.2e}, below {ESS}"));
    }
    if share > SHARE {
        warnings.push(format!("the heaviest sample has {:.0} % of the weight", 100.0 * share));
    }
    let is_unsettled = weights.refined().is_some_and(|refined| refined.rests_on < FEWEST);
    warnings.extend(of_unsettled(is_unsettled.then_some("log Z")));
    warnings
}

/// What the tail of the weights of `samples` samples, with this index, says against their standard errors.
pub fn of_tail(samples: usize, tail: TailIndex) -> Option<String> {
    let TailIndex { index, of_tenth } = tail;
    (!tail.is_light(samples)).then(|| {
        format!("the tail of the weights has the index {index:.2}, the largest tenth {of_tenth:.2}: their variance may be infinite")
    })
}

/// The same of weights times observables, each with its name and index. A power of a field has an index above ½ at any finite number of
/// samples although all its moments exist, so these are flagged from 1 on, where not even the mean does.
pub fn of_primaries<'a>(tails: impl IntoIterator<Item = (&'a String, f64)>) -> Option<String> {
    const TOLD: usize = 3;
    let heavy: Vec<_> = tails.into_iter().filter(|&(_, index)| index >= 1.0).collect();
    let told: Vec<_> =
        heavy.iter().take(TOLD).map(|(name, index)| format!("{name} has the index {index:.2}")).collect();
    let more = match heavy.len() - told.len() {
        0 => String::new(),
        more => format!(", and {more} more have such"),
    };
    let told = told.join(", ");
    (!heavy.is_empty()).then(|| format!("the tail of the weights times {told}{more}: they may have no mean"))
}

/// What is said of numbers, by name, whose errors rest on few samples.
pub fn of_unsettled<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<_> = names.into_iter().collect();
    (!names.is_empty())
        .then(|| format!("fewer than {FEWEST} samples carry the error of {}, which isn't known then", names.join(", ")))
}

/// All that samples of the target say against the log Z of the flow's samples.
pub fn of_data(samples: &WeightSums, data: &DataWeightSums) -> Vec<String> {
    let mut warnings = vec![];
    if let (Some(reverse), Some(forward)) = (samples.ess(), data.ess())
        && forward < RATIO * reverse
    {
        warnings.push(format!(
            "the forward ESS is {forward:.2e}, the reverse ESS {reverse:.3}: the data have weights that the flow's samples don't"
        ));
    }
    if let (Some(reverse), Some(forward)) = (log_z(samples), log_z_of_data(data))
        && disagree(reverse, forward)
    {
        warnings.push(format!(
            "log Z from the data is {:.4} ± {:.4}, from the samples {:.4} ± {:.4}: they disagree by {:.1} σ",
            forward.value,
            forward.error,
            reverse.value,
            reverse.error,
            sigmas(reverse, forward)
        ));
    }
    warnings
}

/// What is said of data that the inverse of the flow misses.
pub fn of_inverse(missed: u64, data: u64) -> Option<String> {
    (missed > 0).then(|| {
        format!("the inverse misses {missed} of {data} data, where a slope of the flow is below the precision")
    })
}

/// What twice the steps of the integrator say against log Z with this standard error.
pub fn of_integration(integration: &Integration, error: Option<f64>) -> Option<String> {
    let Integration { steps, of_samples: Change { log_z, log_weight_std, .. }, .. } = *integration;
    let told = |what: String| format!("{} steps of the integrator in the place of {steps} {what}", 2 * steps);
    let Some(shift) = log_z else { return Some(told("make log-weights that are not finite".into())) };
    if shift != 0.0 && error.is_none_or(|error| shift.abs() > error) {
        return Some(told(format!(
            "change it by {shift:.1e}, more than its standard error: it wants more (--ode-steps)"
        )));
    }
    let spread = log_weight_std.filter(|&std| std > SPREAD)?;
    Some(told(format!("change log-weights by {spread:.1e} (standard deviation)")))
}

/// The word of an exact value against an estimate of the quantity `name`.
pub fn of_exact(name: &str, estimate: Estimate, exact: f64) -> Option<String> {
    let Estimate { value, error } = estimate;
    let exactly = Estimate { value: exact, error: rounding(exact) };
    let off = sigmas(estimate, exactly);
    disagree(estimate, exactly)
        .then(|| format!("{name} is {value:.5} ± {error:.5}, exactly {exact:.5}: {off:.1} σ off"))
}

/// log Z of samples of q.
pub fn log_z(weights: &WeightSums) -> Option<Estimate> {
    Some(weights.refined()?.estimate)
}

/// log Z of samples of p.
pub fn log_z_of_data(weights: &DataWeightSums) -> Option<Estimate> {
    Some(weights.refined()?.estimate)
}

/// Errors of single precision in a sum like the action: what no standard error knows of.
fn rounding(value: f64) -> f64 {
    1e-6 * (1.0 + value.abs())
}

/// How many standard errors lie between two estimates.
fn sigmas(a: Estimate, b: Estimate) -> f64 {
    (a.value - b.value).abs() / a.error.hypot(b.error)
}

fn disagree(a: Estimate, b: Estimate) -> bool {
    sigmas(a, b) > SIGMAS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tail_index;
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal};

    fn sums(log_weights: impl IntoIterator<Item = f64>) -> WeightSums {
        let mut sums = WeightSums::default();
        log_weights.into_iter().for_each(|w| sums.push(w));
        sums
    }

    #[test]
    fn good_weights_are_trusted() {
        let weights = sums((0..1000).map(|i| 3.0 + 0.1 * f64::from(i % 7)));
        assert_eq!(of_samples(&weights), [""; 0]);
        let mut data = DataWeightSums::default();
        (0..1000).for_each(|i| data.push(3.0 + 0.1 * f64::from(i % 7)));
        assert_eq!(of_data(&weights, &data), [""; 0]);
    }

    #[test]
    fn each_sign_of_a_bad_estimate_is_named() {
        let few = of_samples(&sums((0..50).map(f64::from)));
        assert!(few.iter().any(|w| w.contains("effective samples")) && few.iter().any(|w| w.contains("heaviest")));
        let poor = of_samples(&sums((0..100_000).map(|i| if i < 500 { 0.0 } else { -30.0 })));
        assert!(poor.len() == 1 && poor[0].contains("reverse ESS"), "{poor:?}");
        assert!(of_samples(&sums([0.0, f64::NAN]))[0].contains("1 of 2"));
        assert_eq!(of_samples(&sums([f64::NEG_INFINITY; 3])), ["all 3 weights are zero"]);
    }

    #[test]
    fn steps_of_an_integrator_are_told_where_they_matter() {
        let integration = |log_z, log_weight_std| {
            let of_samples = Change { samples: 9, log_weight_mean: None, log_weight_std, log_z, score: None };
            Integration { steps: 4, of_samples, of_data: None }
        };
        let told = |log_z, log_weight_std| of_integration(&integration(log_z, log_weight_std), Some(0.01));
        assert_eq!(told(Some(0.009), Some(0.09)), None);
        let eight = "8 steps of the integrator in the place of 4";
        let shifted =
            format!("{eight} change it by -1.1e-2, more than its standard error: it wants more (--ode-steps)");
        assert_eq!(told(Some(-0.011), Some(0.0)), Some(shifted));
        let spread = format!("{eight} change log-weights by 2.0e-1 (standard deviation)");
        assert_eq!(told(Some(0.0), Some(0.2)), Some(spread));
        assert!(told(None, None).unwrap().contains("not finite"));
        let of_no_error = of_integration(&integration(Some(1e-9), Some(0.0)), None);
        assert!(of_no_error.unwrap().contains("change it by 1.0e-9"), "no standard error is no reason for trust");
        assert_eq!(of_integration(&integration(Some(0.0), Some(0.0)), None), None);
    }

    /// One of two equal modes is lost: in it q is e^{−40} of what it should be.
    #[test]
    fn a_lost_mode_shows_in_the_data() {
        let weights = sums((0..1000).map(|i| 0.01 * f64::from(i % 3)));
        assert_eq!(of_samples(&weights), [""; 0]);
        let mut data = DataWeightSums::default();
        (0..1000).for_each(|i| data.push(if i % 2 == 0 { 0.01 } else { 40.0 }));
        let warnings = of_data(&weights, &data);
        assert!(
            warnings.len() == 2 && warnings[0].contains("forward ESS") && warnings[1].contains(" σ"),
            "{warnings:?}"
        );
        assert!((data.log_z().unwrap() - 2f64.ln()).abs() < 0.02);
    }

    #[test]
    fn exact_values_are_witnesses() {
        let estimate = Estimate { value: 1.0, error: 0.1 };
        assert_eq!(of_exact("q2", estimate, 1.4), None);
        assert!(of_exact("q2", estimate, 1.6).unwrap().starts_with("q2 is 1.00000"));
        assert_eq!(of_exact("a", Estimate { value: -300.0001, error: 0.0 }, -300.0), None, "single precision");
    }

    /// The target is a Gaussian with four times the variance of q, in two dimensions: the weights have a mean, but no variance (k = 3/4).
    #[test]
    fn weights_without_variance_are_not_trusted() {
        let exact = (4.0 * std::f64::consts::TAU).ln();
        let (mut plain, mut trusted, mut wrong) = (0, 0, 0);
        for seed in 0..1000 {
            let mut rng = upg_core::Streams::new(seed).next_stream();
            let mut log_weight = || {
                let square_radius = -2.0 * (1.0 - rng.random::<f64>()).ln();
                0.375 * square_radius + std::f64::consts::TAU.ln()
            };
            let log_weights: Vec<f64> = (0..20_000).map(|_| log_weight()).collect();
            let weights = sums(log_weights.iter().copied());
            let tail = tail_index(log_weights).unwrap();
            let told = of_samples(&weights);
            let nothing_else = told.iter().all(|warning| warning.contains("carry the error"));
            let nothing = told.is_empty() && of_tail(20_000, tail).is_none();
            let Estimate { value, error } = log_z(&weights).unwrap();
            plain += u32::from(nothing_else);
            trusted += u32::from(nothing);
            wrong += u32::from(nothing && (value - exact).abs() > 3.0 * error);
        }
        assert!(plain > 600, "{plain} of 1000 pass all tests but for their tail and the few that carry their error");
        assert!(trusted <= 2, "{trusted} of 1000 are trusted, {wrong} of them beyond 3 σ");
    }

    /// Log-normal weights of an ESS of 0.8 and of 0.3.
    #[test]
    fn weights_of_healthy_flows_are_trusted() {
        for ess in [0.8_f64, 0.3] {
            let deviation = (-ess.ln()).sqrt();
            let flagged = (0..200).filter(|&seed| {
                let mut rng = upg_core::Streams::new(seed).next_stream();
                let normal = |rng: &mut upg_core::Rng| -> f64 { StandardNormal.sample(rng) };
                let tail = tail_index((0..20_000).map(|_| deviation * normal(&mut rng)));
                of_tail(20_000, tail.unwrap()).is_some()
            });
            let flagged = flagged.count();
            assert!(flagged <= 4, "{flagged} of 200 at an ESS of {ess}");
        }
    }
}
