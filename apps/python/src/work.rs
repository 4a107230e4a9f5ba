//! Work without the interpreter's lock: events reach Python, Ctrl-C reaches the work.

use crate::error::{panicked, raise};
use elbo::core::run::Event;
use elbo::core::{Data, Error, Result, Run};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often signals are looked for and steps are told.
const TICK: Duration = Duration::from_millis(50);
/// The stack of the thread that works: that of a main thread.
const STACK: usize = 8 << 20;

/// What the work tells.
enum Told {
    Stage(String, usize),
    Step(usize, f64),
    Done,
    End,
}

/// How a piece of work is run.
#[derive(Default)]
pub struct Order {
    /// The seed.
    pub seed: u64,
    /// Seconds after which iterative work stops.
    pub max_time: Option<f64>,
    /// Rows that a fit does not learn from, and may measure itself on.
    pub held_out: Option<Data>,
    /// Called with a name, a count and a number: `stage` with its steps at most, `step` with its objective, `done`.
    pub watcher: Option<Py<PyAny>>,
    /// Raised by the work itself to end it, and by Ctrl-C.
    pub stop: Arc<AtomicBool>,
    /// Raised by a second Ctrl-C: the result is no longer wanted.
    pub abandon: Arc<AtomicBool>,
}

/// Finished work.
pub struct Finished<T> {
    /// The result.
    pub value: T,
    /// The run, with what it recorded.
    pub run: Run,
    /// Whether Ctrl-C ended it early.
    pub is_interrupted: bool,
}

/// Does something short without the interpreter's lock, on the thread that called. Ctrl-C waits for its end.
pub fn unlocked<T: Send>(py: Python<'_>, job: impl FnOnce() -> T + Send) -> PyResult<T> {
    // What a panic leaves behind is dropped here, or is only read.
    py.detach(|| catch_unwind(AssertUnwindSafe(job))).map_err(|panic| panicked(py, &*panic))
}

/// Runs `job` on a thread of its own. The first Ctrl-C asks it to stop; its result is then still handed over, where there is one.
pub fn work<T: Send>(
    py: Python<'_>,
    order: Order,
    job: impl FnOnce(&mut Run) -> Result<T> + Send,
) -> PyResult<Finished<T>> {
    let (sender, receiver) = channel();
    let mut run = Run::new(order.seed).with_cancel(order.stop.clone());
    if let Some(seconds) = order.max_time {
        run = run.with_time(Duration::from_secs_f64(seconds));
    }
    if let Some(held_out) = order.held_out {
        run = run.with_held_out(held_out);
    }
    if order.watcher.is_some() {
        let sender = sender.clone();
        run = run.with_watcher(move |event| {
            let told = match event {
                Event::Stage { name, steps } => Told::Stage(name.into(), steps),
                Event::Step { step, objective } => Told::Step(step, objective),
                Event::Done => Told::Done,
                // The run keeps them; they are told at the end.
                Event::Warning(_) | Event::Note(_) => return,
            };
            // Nobody listens any more once the work has ended.
            let _ = sender.send(told);
        });
    }
    let mut listener =
        Listener { watcher: order.watcher, stop: order.stop, abandon: order.abandon, receiver, interrupts: vec![] };
    let ended = py.detach(|| {
        std::thread::scope(|scope| {
            let worker = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || {
                let result = job(&mut run);
                let _ = sender.send(Told::End);
                (result, run)
            })?;
            listener.listen();
            Ok(worker.join())
        })
    });
    let (result, run) = match ended {
        Ok(Ok(pair)) => pair,
        Ok(Err(panic)) => return Err(panicked(py, &*panic)),
        Err(cause) => return Err(raise(py, &Error::file("cannot start a thread", "the work", &cause))),
    };
    let mut interrupts = listener.interrupts;
    let is_gentle = interrupts.len() == 1 && interrupts[0].is_instance_of::<PyKeyboardInterrupt>(py);
    match (result, interrupts.pop()) {
        (Ok(value), None) => Ok(Finished { value, run, is_interrupted: false }),
        (Ok(value), Some(_)) if is_gentle && run.stopped_early() => Ok(Finished { value, run, is_interrupted: true }),
        (_, Some(interrupt)) => Err(interrupt),
        (Err(error), None) => Err(raise(py, &error)),
    }
}

/// The thread that called, while it waits.
struct Listener {
    watcher: Option<Py<PyAny>>,
    stop: Arc<AtomicBool>,
    abandon: Arc<AtomicBool>,
    receiver: Receiver<Told>,
    interrupts: Vec<PyErr>,
}

impl Listener {
    fn listen(&mut self) {
        let mut looked = Instant::now();
        let mut last = None;
        loop {
            match self.receiver.recv_timeout(TICK) {
                Ok(Told::End) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Told::Step(step, objective)) => last = Some((step, objective)),
                Ok(Told::Stage(name, steps)) => self.tell(("stage", Some(name), steps, f64::NAN)),
                Ok(Told::Done) => {
                    if let Some((step, objective)) = last.take() {
                        self.tell(("step", None, step, objective));
                    }
                    self.tell(("done", None, 0, f64::NAN));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if looked.elapsed() >= TICK {
                looked = Instant::now();
                if let Some((step, objective)) = last.take() {
                    self.tell(("step", None, step, objective));
                }
                self.keep(Python::attach(|py| py.check_signals()));
            }
        }
    }

    fn tell(&mut self, told: (&str, Option<String>, usize, f64)) {
        let Some(watcher) = &self.watcher else { return };
        let answer = Python::attach(|py| watcher.call1(py, told).map(|_| ()));
        self.keep(answer);
    }

    /// An exception, from a signal or from the watcher, stops the work.
    fn keep(&mut self, answer: PyResult<()>) {
        if let Err(exception) = answer {
            self.stop.store(true, Ordering::Relaxed);
            self.abandon.store(!self.interrupts.is_empty(), Ordering::Relaxed);
            self.interrupts.push(exception);
        }
    }
}
