//! Where results go: full disks, closed pipes, interrupted saving.

use crate::folder::{Folder, QUICK, model, run, table};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_full_disk_leaves_the_old_model_whole() {
    let folder = Folder::with_table();
    folder.write("m.elbo", model());
    let before = folder.names();
    // The shell limits the size of files to one block; the signal that would end the program is ignored, as on a full disk.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!(
        "trap '' XFSZ; ulimit -f 1; {} fit gpr t.csv --target y {QUICK} --seed 5 --out m.elbo",
        env!("CARGO_BIN_EXE_elbo")
    ));
    let ran = run(shell.current_dir(folder.path("")));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("error: ") && ran.err.contains("remedy: "), "{}", ran.err);
    assert_eq!(folder.read("m.elbo"), model(), "the old model is untouched");
    assert_eq!(folder.names(), before);
}

#[test]
fn a_full_disk_leaves_predictions_checkpoints_and_updates_as_they_were() {
    let folder = Folder::new();
    folder.write("t.csv", table(300).as_bytes());
    folder.elbo("fit memory-dual-gp t.csv --target y --set batches=2 --out m.elbo").ok();
    folder.write("p.csv", b"old");
    folder.write("c", b"old");
    let before = folder.names();
    let model = folder.read("m.elbo");
    for words in [
        "predict m.elbo t.csv --out p.csv",
        "update m.elbo t.csv --out m.elbo",
        "fit svgp t.csv --target y --set steps=500 --out s.elbo --checkpoint c --checkpoint-every 1ms",
    ] {
        let program = env!("CARGO_BIN_EXE_elbo");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f 1; {program} {words}"));
        let ran = run(shell.current_dir(folder.path("")));
        assert_eq!(ran.code, 1, "{words}: {ran:?}");
        assert!(ran.err.contains("error: ") && ran.err.contains("remedy: "), "{words}: {}", ran.err);
        assert_eq!(folder.names(), before, "{words}");
    }
    assert_eq!((folder.read("p.csv"), folder.read("c")), (b"old".to_vec(), b"old".to_vec()));
    assert_eq!(folder.read("m.elbo"), model);
}

#[test]
fn a_full_standard_output_is_an_error_and_a_closed_pipe_is_none() {
    let folder = Folder::with_table();
    folder.write("m.elbo", model());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = run_with_stdout(folder.command("list"), full.into());
    assert_eq!(ran.0, Some(1), "{}", ran.1);
    assert!(ran.1.contains("space"), "{}", ran.1);
    let mut child =
        folder.command("predict m.elbo t.csv").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

fn run_with_stdout(mut command: Command, stdout: Stdio) -> (Option<i32>, String) {
    let output = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn killed_at_any_moment_the_model_is_the_old_one_or_the_new_one() {
    let folder = Folder::with_table();
    let words = format!("fit gpr t.csv --target y {QUICK} --seed 5 --out m.elbo");
    let clock = std::time::Instant::now();
    folder.elbo(&words).ok();
    let whole = clock.elapsed();
    let new = folder.read("m.elbo");
    for k in 0..12 {
        folder.write("m.elbo", model());
        let mut child = folder.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The later half of the run, where saving happens.
        std::thread::sleep(whole.mul_f64(0.5 + 0.05 * f64::from(k)).min(Duration::from_secs(3)));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = folder.read("m.elbo");
        assert!(found == model() || found == new, "a mixture after {k}");
        // A leftover under a temporary name is never taken for a model.
        assert!(folder.names().iter().all(|n| !n.ends_with(".elbo") || n == "m.elbo"), "{:?}", folder.names());
    }
    folder.elbo("predict m.elbo t.csv").ok();
}

#[test]
fn links_are_followed_and_predictions_can_be_compressed() {
    let folder = Folder::with_table();
    folder.write("m.elbo", model());
    std::os::unix::fs::symlink("real.csv", folder.path("link.csv")).unwrap();
    folder.write("real.csv", b"old");
    folder.elbo("predict m.elbo t.csv --out link.csv").ok();
    assert!(folder.path("link.csv").is_symlink());
    assert!(String::from_utf8(folder.read("real.csv")).unwrap().starts_with("mean,sd,lower,upper\n"));
    folder.elbo("predict m.elbo t.csv --out p.csv.gz").ok();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&folder.read("p.csv.gz")[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text.as_bytes(), folder.read("real.csv"));
}
