//! The same changes in every run; `ELBO_FUZZ_SECONDS` makes as many as fit into so many seconds a target, `ELBO_FUZZ_SEED` others, and
//! `ELBO_FUZZ_TARGET` keeps to one target.

use crate::memory::peak_of;
use elbo::core::Rng;
use elbo_fuzz::{TARGETS, Target, mutate};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The count of memory is one for all threads, so tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// More than any small input takes, also on a busy machine.
const LONGEST: Duration = Duration::from_secs(30);
/// Findings shown for each target.
const SHOWN: usize = 3;

/// A setting of the environment.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}")))
}

fn chosen() -> Vec<&'static Target> {
    let only: Option<String> = setting("ELBO_FUZZ_TARGET");
    let chosen: Vec<_> = TARGETS.iter().filter(|t| only.as_ref().is_none_or(|name| name == t.name)).collect();
    assert!(!chosen.is_empty(), "no target is named {only:?}");
    chosen
}

/// Where the current input lies, so that it is known also when the process is killed: by a stack overflow, or for lack of memory.
fn place(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What is wrong with how a target takes an input, if anything.
fn fault(target: &Target, input: &[u8]) -> Option<String> {
    let started = Instant::now();
    let (outcome, peak) = peak_of(|| catch_unwind(AssertUnwindSafe(|| (target.run)(input))));
    let took = started.elapsed();
    let panicked = outcome.err().map(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("without a message"))
    });
    panicked
        .or_else(|| (peak > target.memory).then(|| format!("took {} MiB", peak >> 20)))
        .or_else(|| (took > LONGEST).then(|| format!("took {took:?}")))
}

/// Changes a target's seeds; returns what was found.
fn attack(target: &Target) -> Vec<String> {
    let seeds = (target.seeds)();
    let mut rng = Rng::new(setting("ELBO_FUZZ_SEED").unwrap_or(1));
    let limit = setting::<f64>("ELBO_FUZZ_SECONDS").map(Duration::from_secs_f64);
    let (started, last, mut found) = (Instant::now(), place(&format!("{}.last", target.name)), vec![]);
    let mut round = 0;
    while found.len() < SHOWN && limit.map_or(round < target.rounds, |limit| started.elapsed() < limit) {
        let other = &seeds[rng.below(seeds.len())];
        let input = mutate(&seeds[round % seeds.len()], other, &mut rng);
        std::fs::write(&last, &input).unwrap();
        if let Some(what) = fault(target, &input) {
            let kept = place(&format!("{}.{round}", target.name));
            std::fs::write(&kept, &input).unwrap();
            found.push(format!(
                "{} {what}\n  input in {}, {} bytes: {}",
                target.name,
                kept.display(),
                input.len(),
                hex(&input)
            ));
        }
        round += 1;
    }
    found
}

#[test]
fn every_seed_is_accepted() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut refused = vec![];
    for target in chosen() {
        for (k, seed) in (target.seeds)().iter().enumerate() {
            if !(target.run)(seed) {
                refused.push(format!("{} {k}", target.name));
            }
        }
    }
    assert!(refused.is_empty(), "seeds that are refused: {}", refused.join(", "));
}

#[test]
fn hostile_inputs_cause_no_panic_and_take_no_more_memory_and_time_than_they_may() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let found: Vec<String> = chosen().into_iter().flat_map(attack).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_target_has_its_program_for_cargo_fuzz_and_its_name_in_the_readme() {
    let text = |path: String| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (manifest, readme) = (text("libfuzzer/Cargo.toml".into()), text("README.md".into()));
    for name in TARGETS.iter().map(|target| target.name) {
        let program = text(format!("libfuzzer/fuzz_targets/{name}.rs"));
        assert!(program.contains(&format!("run(\"{name}\", input)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

#[test]
fn a_panic_and_too_much_memory_are_found() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let greedy = |input: &[u8]| !std::hint::black_box(vec![1u8; 1000 * (1 + input.len())]).is_empty();
    let of = |run: fn(&[u8]) -> bool| Target { name: "test", rounds: 1, memory: 100_000, seeds: Vec::new, run };
    assert_eq!(fault(&of(greedy), &[0; 10]), None);
    assert!(fault(&of(greedy), &[0; 2000]).is_some_and(|what| what.contains("MiB")));
    assert!(fault(&of(|input| input[1] == 0), &[]).is_some_and(|what| what.contains("index out of bounds")));
}
