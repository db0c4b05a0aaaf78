//! The live line: loss, effective sample size, rate and time left. Where standard error isn't a terminal, as in the log of a job, a line now and then.

use crate::io::console::say;
use crate::io::metrics::Line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often there is a line in a log.
const IN_A_LOG: Duration = Duration::from_secs(600);

/// The live line of a run.
pub struct ProgressLine {
    bar: ProgressBar,
    /// When the latest line of a log was due, where there is one.
    logged: Option<Cell<Instant>>,
}

impl ProgressLine {
    /// For steps `from` to `to`.
    pub fn new(from: u64, to: u64) -> Self {
        let is_seen = std::io::stderr().is_terminal();
        let target = if is_seen { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let template = "{elapsed_precise} [{bar:24}] {pos}/{len}  {msg}  {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("a template").progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(to), target).with_style(style).with_position(from);
        bar.reset_eta();
        if !bar.is_hidden() && can_start_a_thread() {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar, logged: (!is_seen).then(|| Cell::new(Instant::now())) }
    }

    /// One that nobody sees: a caller of this library shows what it likes.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), logged: None }
    }

    /// Takes note of a step.
    pub fn advance(&self, step: u64) {
        self.bar.set_position(step);
    }

    /// Shows the numbers of a logged step.
    pub fn show(&self, line: &Line) {
        let number = |x: Option<f64>, digits: usize| x.map_or("-".into(), |x| format!("{x:.digits$}"));
        let (loss, ess) = (number(line.loss, 4), number(line.ess_reverse.or(line.ess_forward), 3));
        let rate = number(line.samples_per_second, 0);
        let skipped = if line.skipped > 0 { format!("  {} skipped", line.skipped) } else { String::new() };
        let numbers = format!("loss {loss}  ESS {ess}  {rate} samples/s{skipped}");
        if let Some(logged) = self.logged.as_ref().filter(|logged| logged.get().elapsed() > IN_A_LOG) {
            logged.set(Instant::now());
            say(format_args!("step {} of {}  {numbers}", self.bar.position(), self.bar.length().unwrap_or(0)));
        }
        self.bar.set_message(numbers);
    }

    /// Says something that stays, above the line or where there is none.
    pub fn say(&self, what: &str) {
        match self.bar.is_hidden() {
            true => say(what),
            false => self.bar.println(what),
        }
    }
}

/// Whether the system has one more thread for the clock of the line, which would panic without.
fn can_start_a_thread() -> bool {
    std::thread::Builder::new().spawn(|| {}).is_ok_and(|thread| thread.join().is_ok())
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
