//! Every verb that writes, on a disk without space: a message with a remedy, nothing half-written, older files as they were.

use crate::folder::{Folder, QUICK, Ran, model, run};
use elbo::splat::file::{Format, Stored, write};
use elbo::splat::gaussians::Gaussians;
use std::path::Path;
use std::process::Command;

/// The program where no file can get a single byte. The signal of that limit is ignored, so that writing fails as on a full disk.
fn without_space(folder: &Folder, words: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f 0; exec {} {words}", env!("CARGO_BIN_EXE_elbo")));
    run(shell.current_dir(folder.path("")))
}

/// Every file below a folder, with its bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Asserts that the command fails with a remedy and changes no file.
fn refused(folder: &Folder, words: &str) {
    let before = contents(&folder.path(""));
    let ran = without_space(folder, words);
    assert_eq!(ran.code, 1, "{words}: {ran:?}");
    assert!(ran.err.contains("error: ") && ran.err.contains("remedy: "), "{words}: {}", ran.err);
    assert!(ran.err.contains("ulimit -f") && !ran.err.contains("panicked"), "{words}: {}", ran.err);
    let after = contents(&folder.path(""));
    let changed: Vec<&String> = after.iter().filter(|file| !before.contains(file)).map(|(name, _)| name).collect();
    assert!(changed.is_empty(), "{words} wrote {changed:?}");
    assert_eq!(after.len(), before.len(), "{words} removed a file");
}

#[test]
fn tables_models_and_claims_are_not_half_written() {
    let folder = Folder::with_table();
    folder.write("m.elbo", model());
    ["p.csv", "p.csv.gz", "d.npz", "new.elbo"].iter().for_each(|name| folder.write(name, b"old"));
    for words in [
        format!("fit gpr t.csv --target y {QUICK} --out new.elbo --report r.html --figures figures"),
        "predict m.elbo t.csv --out p.csv".into(),
        "predict m.elbo t.csv --out p.csv.gz".into(),
        "data make two-moons --out d.csv".into(),
        "data make two-moons --out d.npz".into(),
        "reproduce gpr --budget smoke --out claims".into(),
    ] {
        refused(&folder, &words);
    }
}

#[test]
fn samples_codes_and_reconstructions_are_not_half_written() {
    let folder = Folder::with_table();
    folder.elbo("fit aevb t.csv --set epochs=2 --set latent=1 --set hidden=[4] --out m.elbo").ok();
    folder.write("c.csv", b"old");
    for words in [
        "sample m.elbo --count 20 --out drawn",
        "encode m.elbo t.csv --out c.csv",
        "reconstruct m.elbo t.csv --out back.csv",
    ] {
        refused(&folder, words);
    }
}

#[test]
fn suggestions_are_not_half_written() {
    let folder = crate::suggest::folder();
    folder.write("next.csv", b"old");
    let quick = "suggest space.toml history.csv --set starts=1 --set initial=5";
    for places in ["--out next.csv", "--out new.csv.gz", "--report r.html"] {
        refused(&folder, &format!("{quick} {places}"));
    }
}

#[test]
fn photographs_and_their_files_are_not_half_written() {
    let shared = crate::compress::with_codec();
    let folder = Folder::new();
    ["m.elbo", "p.png"].iter().for_each(|name| folder.write(name, &shared.read(name)));
    folder.elbo("compress m.elbo p.png --out a.elbc").ok();
    folder.write("b.elbc", b"old");
    refused(&folder, "compress m.elbo p.png --out b.elbc --set quality=2");
    refused(&folder, "restore m.elbo a.elbc --out back.png");
}

/// A file of four Gaussians.
pub fn scene() -> Vec<u8> {
    let gaussians = Gaussians::<f32> {
        degree: 0,
        mean: vec![0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        log_scale: vec![-2.0; 12],
        rotation: [1.0, 0.0, 0.0, 0.0].repeat(4),
        opacity: vec![2.0; 4],
        sh: vec![0.5; 12],
    };
    write(Format::Ply, &Stored { gaussians, antialias: false }).unwrap()
}

#[test]
fn scenes_are_not_half_written() {
    let folder = Folder::new();
    folder.write("s.ply", &scene());
    folder.write("s.spz", b"old");
    refused(&folder, "render s.ply --ply s.spz");
    refused(&folder, "render s.ply --orbit 1 --size 32x32 --out frames");
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_on_a_full_device_is_an_error_and_leaves_the_device_and_the_model() {
    use std::os::unix::fs::FileTypeExt;
    let folder = Folder::with_table();
    let ran = folder.elbo(&format!("fit gpr t.csv --target y {QUICK} --out m.elbo --report /dev/full"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("no space") && ran.err.contains("remedy: "), "{}", ran.err);
    assert!(std::fs::metadata("/dev/full").unwrap().file_type().is_char_device(), "the device was replaced");
    folder.elbo("predict m.elbo t.csv").ok();
}
