//! Threads, Ctrl-C, and the progress line.

use crate::failure::{Failure, STOPPED};
use elbo::core::Event;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static CANCEL: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Whether the user asked to stop.
pub fn is_cancelled() -> bool {
    CANCEL.load(Ordering::Relaxed)
}

/// Sets the number of threads of everything that runs in parallel.
pub fn use_threads(count: Option<u16>) -> Result<(), Failure> {
    let Some(count) = count else { return Ok(()) };
    rayon::ThreadPoolBuilder::new().num_threads(count.into()).build_global().map_err(|cause| {
        Failure::usage(format!("cannot start {count} threads ({cause})"), "ask for fewer with --threads")
    })
}

/// The first Ctrl-C (or a request to terminate) raises the flag that is returned: work stops at its next step and keeps its
/// state. The second one ends the program at once.
pub fn cancel_flag(json: bool) -> Arc<AtomicBool> {
    let handler = move || {
        if CANCEL.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(STOPPED));
        }
        crate::output::say(json, "stopping at the next step; press Ctrl-C again to stop at once");
    };
    // A second registration, or a system without signals, leaves the default behaviour: the program ends at once.
    let _ = ctrlc::set_handler(handler);
    CANCEL.clone()
}

/// Shows events: a bar on a terminal, only warnings elsewhere, nothing when the output is for a program.
pub struct Watcher {
    bar: ProgressBar,
    json: bool,
}

impl Watcher {
    /// A watcher of one run.
    pub fn new(json: bool) -> Self {
        let is_shown = !json && std::io::stderr().is_terminal();
        let target = if is_shown { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, json }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Stage { name, steps } => {
                let style = ProgressStyle::with_template("{spinner} {prefix} [{wide_bar}] {pos}/{len} {elapsed} {msg}");
                self.bar.set_style(style.expect("the template is valid").progress_chars("=> "));
                self.bar.set_length(*steps as u64);
                self.bar.set_prefix((*name).to_owned());
                self.bar.set_message("");
                self.bar.reset();
            }
            Event::Step { step, objective } => {
                self.bar.set_position(*step as u64);
                self.bar.set_message(crate::output::number(*objective));
            }
            Event::Done => self.bar.finish_and_clear(),
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::Note(text) => self.say(text),
        }
    }

    fn say(&self, text: &str) {
        self.bar.suspend(|| crate::output::say(self.json, text));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
