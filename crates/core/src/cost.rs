//! What work costs: time, memory and energy, by the counters of the system.
//!
//! Nothing is estimated: what the system does not count, or lets nobody read, is `None`. All but the time is of the whole process, and the energy of the
//! whole machine's processors, with whatever else runs on them.
//!
//! | what | from (Linux) |
//! |---|---|
//! | seconds | a clock that never goes back |
//! | seconds of processors | `/proc/self/stat` |
//! | most memory | `/proc/self/status` |
//! | joules | the counters of the processors' packages, `/sys/class/powercap` (RAPL); on most machines only `root` may read them |

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Where the counters of energy are.
const COUNTERS: &str = "/sys/class/powercap";
/// Time between two looks at them, in which none may begin again twice: the smallest hold some minutes of full power.
const BETWEEN: Duration = Duration::from_secs(10);
/// Parts of a second in which Linux tells programs the time of processors, on every machine.
const TICKS: f64 = 100.0;

/// What work has cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds by the clock.
    pub seconds: f64,
    /// Seconds of all processors together.
    pub processor_seconds: Option<f64>,
    /// The most memory that the process has had so far, in bytes.
    pub peak_bytes: Option<u64>,
    /// Energy of the processors' packages in joules.
    pub joules: Option<f64>,
}

/// Measures what work costs from its start on.
///
/// ```
/// let meter = elbo_core::Meter::start();
/// let sum: f64 = (0..1000).map(f64::from).sum();
/// let cost = meter.stop();
/// assert!(sum > 0.0 && cost.seconds >= 0.0);
/// ```
#[derive(Debug)]
pub struct Meter {
    started: Instant,
    processors: Option<f64>,
    energy: Option<Watch>,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        let energy = Counter::all(Path::new(COUNTERS)).and_then(|counters| Watch::start(counters, BETWEEN));
        Self { started: Instant::now(), processors: processor_seconds(), energy }
    }

    /// What was used since the start.
    pub fn stop(self) -> Cost {
        let seconds = self.started.elapsed().as_secs_f64();
        let since = |before: f64| processor_seconds().map(|now| (now - before).max(0.0));
        Cost {
            seconds,
            processor_seconds: self.processors.and_then(since),
            peak_bytes: peak_bytes(),
            joules: self.energy.and_then(Watch::stop).map(|used| 1e-6 * used as f64),
        }
    }
}

/// A counter of energy in microjoules, which begins again at zero above `most`.
#[derive(Debug)]
struct Counter {
    file: PathBuf,
    most: u64,
    last: u64,
}

impl Counter {
    /// The counters of all packages; `None` where there are none, or one cannot be read.
    fn all(folder: &Path) -> Option<Vec<Self>> {
        let mut found = vec![];
        for entry in std::fs::read_dir(folder).ok()? {
            let folder = entry.ok()?.path();
            // Others count a part of a package, or the same package once more.
            let is_counter = folder.file_name()?.to_string_lossy().starts_with("intel-rapl:");
            let is_package = || text(&folder.join("name")).is_some_and(|name| name.starts_with("package"));
            if is_counter && is_package() {
                let (file, most) = (folder.join("energy_uj"), number(&folder.join("max_energy_range_uj"))?);
                let last = number(&file)?;
                found.push(Self { file, most, last });
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// What was used since the last look.
    fn look(&mut self) -> Option<u64> {
        let now = number(&self.file)?;
        let used = if now >= self.last { now - self.last } else { self.most.saturating_sub(self.last) + now };
        self.last = now;
        Some(used)
    }
}

/// A thread that looks at counters from time to time, so that none begins again unseen.
#[derive(Debug)]
struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Option<u64>>,
}

impl Watch {
    fn start(mut counters: Vec<Counter>, between: Duration) -> Option<Self> {
        let (stop, stopped) = channel();
        let look = move || {
            let mut total = 0;
            loop {
                let goes_on = stopped.recv_timeout(between) == Err(RecvTimeoutError::Timeout);
                for counter in &mut counters {
                    total += counter.look()?;
                }
                if !goes_on {
                    return Some(total);
                }
            }
        };
        let thread = Builder::new().name("energy".into()).spawn(look).ok()?;
        Some(Self { stop, thread })
    }

    fn stop(self) -> Option<u64> {
        drop(self.stop);
        self.thread.join().ok().flatten()
    }
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.trim().parse().ok()
}

fn processor_seconds() -> Option<f64> {
    processor_seconds_of(&text(Path::new("/proc/self/stat"))?)
}

/// Time in the program and in the system, the 14th and the 15th entry. The second is the program's name in brackets, which may hold anything.
fn processor_seconds_of(stat: &str) -> Option<f64> {
    let after = stat.rsplit_once(')')?.1;
    let ticks: Vec<u64> = after.split_whitespace().skip(11).take(2).map(|t| t.parse().ok()).collect::<Option<_>>()?;
    (ticks.len() == 2).then(|| ticks.iter().sum::<u64>() as f64 / TICKS)
}

fn peak_bytes() -> Option<u64> {
    peak_bytes_of(&text(Path::new("/proc/self/status"))?)
}

fn peak_bytes_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with packages of these counts, up to 1000.
    fn packages(counts: &[u64]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (i, count) in counts.iter().enumerate() {
            package(folder.path(), &format!("intel-rapl:{i}"), &format!("package-{i}\n"), *count);
        }
        folder
    }

    fn package(folder: &Path, name: &str, title: &str, count: u64) {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("name"), title).unwrap();
        std::fs::write(folder.join("max_energy_range_uj"), "1000\n").unwrap();
        std::fs::write(folder.join("energy_uj"), format!("{count}\n")).unwrap();
    }

    #[test]
    fn packages_are_counted_once_and_through_the_end_of_a_counter() {
        let folder = packages(&[100, 900]);
        // A part of the first package, the same package by another way, and the whole machine.
        package(folder.path(), "intel-rapl:0:0", "core\n", 5);
        package(folder.path(), "intel-rapl-mmio:0", "package-0\n", 5);
        package(folder.path(), "intel-rapl:2", "psys\n", 5);
        let mut counters = Counter::all(folder.path()).unwrap();
        assert_eq!(counters.len(), 2);
        std::fs::write(folder.path().join("intel-rapl:0/energy_uj"), "130").unwrap();
        std::fs::write(folder.path().join("intel-rapl:1/energy_uj"), "50").unwrap();
        let used: u64 = counters.iter_mut().map(|counter| counter.look().unwrap()).sum();
        assert_eq!(used, 30 + 150);
        assert!(counters.iter_mut().all(|counter| counter.look() == Some(0)), "what was seen is not counted again");
    }

    #[test]
    fn a_watch_ends_with_what_was_used_at_its_stop() {
        let folder = packages(&[100]);
        let watch = Watch::start(Counter::all(folder.path()).unwrap(), Duration::from_secs(3600)).unwrap();
        std::fs::write(folder.path().join("intel-rapl:0/energy_uj"), "175").unwrap();
        assert_eq!(watch.stop(), Some(75));
    }

    #[test]
    fn counters_that_are_not_there_or_cannot_be_read_are_unknown() {
        let folder = packages(&[]);
        assert!(Counter::all(folder.path()).is_none() && Counter::all(&folder.path().join("absent")).is_none());
        let folder = packages(&[1, 2]);
        std::fs::write(folder.path().join("intel-rapl:1/energy_uj"), "no number").unwrap();
        assert!(Counter::all(folder.path()).is_none(), "one package of two would be half the answer");
    }

    #[test]
    fn times_and_memory_are_read_whatever_the_program_is_called() {
        let stat = "7 (a b) c)) R 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0";
        assert_eq!(processor_seconds_of(stat), Some(1.75));
        assert_eq!(processor_seconds_of("7 (a) R 1 2"), None);
        assert_eq!(peak_bytes_of("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    12 kB\n"), Some(12 * 1024));
        assert_eq!(peak_bytes_of("Name:\tx\n"), None);
    }

    #[test]
    fn a_meter_counts_the_time_that_passes() {
        let meter = Meter::start();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let cost = meter.stop();
        assert!(cost.seconds >= 0.02 && cost.processor_seconds.is_none_or(|s| s >= 0.0), "{cost:?}");
        assert!(cost.joules.is_none_or(f64::is_finite) && cost.peak_bytes.is_none_or(|b| b > 0), "{cost:?}");
    }
}
