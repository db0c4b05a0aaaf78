//! Computations without the interpreter, and what they need of it meanwhile.
//!
//! [`Desk::serve`] has the work done by a thread of its own. The thread that called stays at the desk: it answers signals, and runs the errands that
//! others bring, such as the calls of a target's function, with the interpreter held for an errand and no longer. So functions of Python run in the
//! thread that a user started a training from, where Ctrl-C reaches them, and no other thread ever waits for the interpreter.
//!
//! When the interpreter ends, work in daemon threads is told so, and waited for a while: [`end_all`].
//!
//! What a signal's handler or an errand raises is kept, the first of it, to be raised when the work has ended. Where it can, it ends well: the work
//! asks after every step ([`Caller`]), and has its errands done until then; before the first such question, or after a second signal, they are refused.

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};
use upg_experiments::commands::train::Caller;
use upg_experiments::io::console::say;
use upg_experiments::io::signals::exit_at_once;

/// How often signals are looked for.
const EVERY: Duration = Duration::from_millis(50);
/// Bytes of the stack of the thread that works.
const STACK: usize = 16 << 20;

/// Something to be done with the interpreter.
type Errand = Box<dyn FnOnce(Python<'_>) + Send>;

/// Where a computation and the interpreter meet.
pub struct Desk {
    state: Mutex<State>,
    /// An errand came, or the work has ended.
    news: Condvar,
    /// The target that a program has handed in, an object of `upg.Target`.
    pub target: Option<Py<PyAny>>,
}

#[derive(Default)]
struct State {
    is_served: bool,
    errands: VecDeque<Errand>,
    /// The first that was raised.
    raised: Option<PyErr>,
    /// Whether the work has asked, so that it is going to ask again.
    asks: bool,
    /// Whether nothing more is to be waited for.
    is_urgent: bool,
}

/// What there is to do at the desk.
enum News {
    Errand(Errand),
    Nothing,
    Ended,
}

thread_local! {
    /// The desk of the computation that this thread does.
    static HERE: RefCell<Option<Arc<Desk>>> = const { RefCell::new(None) };
    /// The targets that programs in this thread have handed in, the innermost last.
    static TARGETS: RefCell<Vec<Py<PyAny>>> = const { RefCell::new(vec![]) };
}

/// From now on computations that this thread asks for have this target, an object of `upg.Target`.
#[pyfunction]
pub fn enter_target(target: Py<PyAny>) {
    TARGETS.with_borrow_mut(|targets| targets.push(target));
}

/// The last target that was handed in is so no more.
#[pyfunction]
pub fn leave_target() {
    TARGETS.with_borrow_mut(Vec::pop);
}

/// The desks that somebody sits at, each with its process: the child of a fork has the list of its parent, and none of its threads.
static SERVED: Mutex<Vec<(u32, Arc<Desk>)>> = Mutex::new(vec![]);

/// The desks that somebody in this process sits at.
fn served() -> Vec<Arc<Desk>> {
    let served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    served.iter().filter(|(process, _)| *process == std::process::id()).map(|(_, desk)| desk.clone()).collect()
}

/// An entry in the list.
struct Served<'a>(&'a Arc<Desk>);

impl<'a> Served<'a> {
    fn begin(desk: &'a Arc<Desk>) -> Self {
        let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
        served.push((std::process::id(), desk.clone()));
        Self(desk)
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
        served.retain(|(_, desk)| !Arc::ptr_eq(desk, self.0));
    }
}

/// The interpreter ends: what is under way in daemon threads is asked to end well, and after ten seconds to end at once. A thread that came back for the
/// interpreter when there is none would take the process with it.
#[pyfunction]
pub fn end_all(py: Python<'_>) {
    let wait = |most: Duration| {
        let until = Instant::now() + most;
        py.detach(|| {
            while !served().is_empty() && Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
        });
    };
    let at_work = served();
    at_work.iter().for_each(|desk| desk.keep(py, PySystemExit::new_err("the interpreter ends")));
    wait(Duration::from_secs(10));
    served().iter().for_each(|desk| desk.state().is_urgent = true);
    wait(Duration::from_secs(2));
    if !at_work.is_empty() {
        py.detach(|| thread::sleep(Duration::from_millis(100))); // for what their threads do with the news
    }
}

impl Desk {
    /// A desk with the target that was handed in last, if one was.
    pub fn new(py: Python<'_>) -> Arc<Self> {
        let target = TARGETS.with_borrow(|targets| targets.last().map(|target| target.clone_ref(py)));
        Arc::new(Self { state: Mutex::default(), news: Condvar::new(), target })
    }

    /// The desk of the computation that this thread does; one that nobody sits at where it does none.
    pub fn here() -> Arc<Self> {
        let here = HERE.with_borrow(Clone::clone);
        here.unwrap_or_else(|| Arc::new(Self { state: Mutex::default(), news: Condvar::new(), target: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `work` done, and its errands meanwhile.
    ///
    /// # Errors
    /// If the system has no thread to spare.
    pub fn serve<O: Send>(self: &Arc<Self>, py: Python<'_>, work: impl FnOnce(Caller<'_>) -> O + Send) -> PyResult<O> {
        self.state().is_served = true;
        let (_listed, process) = (Served::begin(self), std::process::id());
        thread::scope(|scope| {
            let worker = Builder::new().name("upg".into()).stack_size(STACK).spawn_scoped(scope, || {
                let _ended = AtWork::begin(self);
                work(&|| self.answer())
            });
            let worker = worker.inspect_err(|_| self.state().is_served = false)?;
            loop {
                match py.detach(|| self.wait()) {
                    News::Errand(errand) => {
                        errand(py);
                        if std::process::id() != process {
                            say(
                                "error: a process that a target's function has forked came back from there: accepted is os._exit",
                            );
                            exit_at_once(1);
                        }
                    }
                    News::Nothing => py.check_signals().unwrap_or_else(|raised| self.keep(py, raised)),
                    News::Ended => break,
                }
            }
            worker.join().map_err(|panic| resume_unwind(panic))
        })
    }

    fn wait(&self) -> News {
        let mut state = self.state();
        loop {
            if let Some(errand) = state.errands.pop_front() {
                return News::Errand(errand);
            }
            if !state.is_served {
                return News::Ended;
            }
            let (waited, timeout) = self.news.wait_timeout(state, EVERY).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if timeout.timed_out() && state.errands.is_empty() && state.is_served {
                return News::Nothing;
            }
        }
    }

    /// Has an errand done by who sits at the desk, by this thread where nobody does.
    pub fn ask<R: Send + 'static>(&self, errand: impl FnOnce(Python<'_>) -> R + Send + 'static) -> R {
        let mut state = self.state();
        if !state.is_served {
            drop(state);
            return Python::attach(errand);
        }
        let (answer, answered) = channel();
        state.errands.push_back(Box::new(move |py| drop(answer.send(errand(py)))));
        drop(state);
        self.news.notify_one();
        answered.recv().expect("whoever sits at the desk does all errands")
    }

    /// Keeps what was raised, if it is the first; a second one is a request to end at once.
    pub fn keep(&self, py: Python<'_>, raised: PyErr) {
        let mut state = self.state();
        match &state.raised {
            None => state.raised = Some(raised),
            Some(_) if raised.is_instance_of::<PyKeyboardInterrupt>(py) => state.is_urgent = true,
            Some(_) => {}
        }
    }

    /// Keeps that Ctrl-C has cut an errand off; whether the errand should be done again, as the work goes on until it asks.
    pub fn keep_interrupt(&self, py: Python<'_>, raised: PyErr) -> bool {
        self.keep(py, raised);
        !self.is_closing()
    }

    /// Whether no more errands are done.
    pub fn is_closing(&self) -> bool {
        let state = self.state();
        state.is_urgent || state.raised.is_some() && !state.asks
    }

    /// The work that comes is short, and does its errands to its end.
    pub fn finish_what_is_begun(&self) {
        self.state().asks = true;
    }

    /// What the work is told when it asks whether to end.
    fn answer(&self) -> Option<&'static str> {
        let mut state = self.state();
        state.asks = true;
        state.raised.as_ref().map(|_| "a signal")
    }

    /// What was raised, if something was; it is forgotten here.
    pub fn take_raised(&self) -> Option<PyErr> {
        let mut state = self.state();
        (state.is_urgent, state.asks) = (false, false);
        state.raised.take()
    }
}

/// A thread at work for a desk.
struct AtWork<'a>(&'a Desk);

impl<'a> AtWork<'a> {
    fn begin(desk: &'a Arc<Desk>) -> Self {
        HERE.set(Some(desk.clone()));
        Self(desk)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.state().is_served = false;
        self.0.news.notify_one();
    }
}
