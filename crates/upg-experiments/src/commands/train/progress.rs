//! The live line: loss, effective sample size, rate and time left. Quiet where standard error isn't a terminal.

use crate::io::console::say;
use crate::io::metrics::Line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// The live line of a run.
pub struct ProgressLine(ProgressBar);

impl ProgressLine {
    /// For steps `from` to `to`.
    pub fn new(from: u64, to: u64) -> Self {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr_with_hz(4),
            false => ProgressDrawTarget::hidden(),
        };
        let template = "{elapsed_precise} [{bar:24}] {pos}/{len}  {msg}  {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("a template").progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(to), target).with_style(style).with_position(from);
        bar.reset_eta();
        if !bar.is_hidden() && can_start_a_thread() {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self(bar)
    }

    /// One that nobody sees: a caller of this library shows what it likes.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Takes note of a step.
    pub fn advance(&self, step: u64) {
        self.0.set_position(step);
    }

    /// Shows the numbers of a logged step.
    pub fn show(&self, line: &Line) {
        let number = |x: Option<f64>, digits: usize| x.map_or("-".into(), |x| format!("{x:.digits$}"));
        let (loss, ess) = (number(line.loss, 4), number(line.ess_reverse.or(line.ess_forward), 3));
        let rate = number(line.samples_per_second, 0);
        let skipped = if line.skipped > 0 { format!("  {} skipped", line.skipped) } else { String::new() };
        self.0.set_message(format!("loss {loss}  ESS {ess}  {rate} samples/s{skipped}"));
    }

    /// Says something that stays, above the line or where there is none.
    pub fn say(&self, what: &str) {
        match self.0.is_hidden() {
            true => say(what),
            false => self.0.println(what),
        }
    }
}

/// Whether the system has one more thread for the clock of the line, which would panic without.
fn can_start_a_thread() -> bool {
    std::thread::Builder::new().spawn(|| {}).is_ok_and(|thread| thread.join().is_ok())
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
