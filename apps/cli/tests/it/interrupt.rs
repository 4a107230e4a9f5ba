//! Budgets, Ctrl-C, and going on.

use crate::folder::{Folder, Ran, table};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Minibatches for so long that only a limit ends it.
const LONG: &str = "fit svgp t.csv --target y --set inducing=10 --set steps=2000000 --out m.elbo";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("t.csv", table(200).as_bytes());
    folder
}

#[test]
fn a_budget_ends_the_fit_in_time_with_a_usable_model() {
    let folder = folder();
    let clock = Instant::now();
    let fitted = folder.elbo(&format!("{LONG} --budget 1s --json")).json();
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
    assert_eq!(fitted["stopped_early"], true);
    assert!(fitted["warnings"].to_string().contains("time budget"), "{fitted}");
    assert_eq!(fitted["checkpoint"], "m.elbo.checkpoint");
    assert_eq!(folder.elbo("predict m.elbo t.csv").ok().lines().count(), 201);
}

#[test]
fn ctrl_c_keeps_the_state_and_says_so() {
    let folder = folder();
    let child = folder.command(LONG).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The handler is there before the first step; a checkpoint of the stopped run proves that there were steps.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ran = Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) };
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.err.contains("stopping at the next step") && ran.err.contains("stopped by the user"), "{}", ran.err);
    assert!(ran.out.contains("--resume m.elbo.checkpoint"), "{}", ran.out);
    assert_eq!(folder.elbo("predict m.elbo t.csv").ok().lines().count(), 201);
}

#[test]
fn a_resumed_fit_ends_with_the_same_bytes() {
    let folder = folder();
    let words = "fit svgp t.csv --target y --set inducing=10 --set steps=400 --seed 3";
    folder.elbo(&format!("{words} --out whole.elbo")).ok();
    // Budgets grow until some steps were done, so that the test does not depend on the machine's speed.
    let stopped = [50, 100, 200, 400, 800].iter().any(|budget| {
        let ran = folder.elbo(&format!("{words} --out part.elbo --budget {budget}ms --json"));
        ran.code == 0 && ran.json()["stopped_early"] == true
    });
    if !stopped {
        // Faster than any budget tried: nothing was interrupted, so the files agree already.
        assert_eq!(folder.read("part.elbo"), folder.read("whole.elbo"));
        return;
    }
    assert_ne!(folder.read("part.elbo"), folder.read("whole.elbo"));
    let resumed = folder.elbo("fit --resume part.elbo.checkpoint --json").json();
    assert_eq!((resumed["model"].as_str(), resumed["stopped_early"].as_bool()), (Some("part.elbo"), Some(false)));
    assert_eq!(folder.read("part.elbo"), folder.read("whole.elbo"));
    assert!(!folder.names().contains("part.elbo.checkpoint"), "the checkpoint of a finished fit is removed");
}

#[test]
fn a_checkpoint_refuses_other_data_and_other_systems() {
    let folder = folder();
    folder.elbo(&format!("{LONG} --budget 1s")).ok();
    folder.write("other.csv", table(201).as_bytes());
    let ran = folder.elbo("fit svgp other.csv --resume m.elbo.checkpoint");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("does not hold the rows"), "{}", ran.err);
    let ran = folder.elbo("fit gpr t.csv --resume m.elbo.checkpoint");
    assert!(ran.code == 2 && ran.err.contains("of system `svgp`"), "{}", ran.err);
    let ran = folder.elbo("predict m.elbo.checkpoint t.csv");
    assert!(ran.code == 1 && ran.err.contains("--resume"), "{}", ran.err);
}
