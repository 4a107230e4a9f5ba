//! Every verb that writes, on a disk without space, or with space that ends in the middle of a file: a message with a remedy, nothing
//! half-written, older files as they were.

use crate::folder::{Folder, QUICK, Ran, model, run, table};
use elbo::splat::file::{Format, Stored, write};
use elbo::splat::gaussians::Gaussians;
use std::path::Path;
use std::process::Command;

/// The program where no file can grow beyond so many blocks, each of 512 bytes, or of 1024 in some shells; without any, beyond its name.
/// The signal of that limit is ignored, so that writing fails as on a full disk.
fn with_space(folder: &Folder, blocks: usize, words: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {words}", env!("CARGO_BIN_EXE_elbo")));
    run(shell.current_dir(folder.path("")))
}

/// As many blocks as end in the middle of a file of this size, whatever the shell's blocks are.
fn half_of(size: usize) -> usize {
    assert!(size >= 2048, "{size} bytes are too few to end in their middle");
    size / 2048
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

/// Asserts that the command fails with a remedy and changes no file, where there is no space at all.
fn refused(folder: &Folder, words: &str) {
    refused_at(folder, 0, words);
}

/// The same where the space ends in the middle of the file that stands as `FILE` in the words. With space the command works.
fn refused_midway(folder: &Folder, words: &str, file: &str) {
    let whole = format!("whole-{file}");
    folder.elbo(&words.replace("FILE", &whole)).ok();
    let blocks = half_of(folder.read(&whole).len());
    folder.write(file, b"old");
    refused_at(folder, blocks, &words.replace("FILE", file));
}

fn refused_at(folder: &Folder, blocks: usize, words: &str) {
    let before = contents(&folder.path(""));
    let ran = with_space(folder, blocks, words);
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
fn space_that_ends_in_the_middle_of_a_file_leaves_the_old_one() {
    let folder = Folder::new();
    folder.write("t.csv", table(300).as_bytes());
    folder.write("m.elbo", model());
    folder.elbo("fit memory-dual-gp t.csv --target y --set batches=2 --out u.elbo").ok();
    folder.write("s.ply", &scene_of(100));
    for (words, file) in [
        (format!("fit gpr t.csv --target y {QUICK} --out FILE"), "f.elbo"),
        ("update u.elbo t.csv --out FILE".into(), "v.elbo"),
        ("predict m.elbo t.csv --out FILE".into(), "p.csv"),
        ("predict m.elbo t.csv --out FILE".into(), "p.csv.gz"),
        ("data make two-moons --rows 400 --out FILE".into(), "d.csv"),
        ("render s.ply --ply FILE".into(), "r.ply"),
    ] {
        refused_midway(&folder, &words, file);
    }
    let shared = crate::compress::with_codec();
    ["m.elbo", "p.png"].iter().for_each(|name| folder.write(name, &shared.read(name)));
    folder.elbo("compress m.elbo p.png --out a.elbc").ok();
    refused_midway(&folder, "restore m.elbo a.elbc --out FILE", "back.png");
}

#[test]
fn updates_are_not_half_written() {
    let folder = Folder::new();
    folder.write("t.csv", table(300).as_bytes());
    folder.elbo("fit memory-dual-gp t.csv --target y --set batches=2 --out u.elbo").ok();
    folder.write("v.elbo", b"old");
    refused(&folder, "update u.elbo t.csv --out v.elbo");
    refused(&folder, "update u.elbo t.csv --out u.elbo");
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_fit_and_leaves_the_one_before() {
    let folder = Folder::new();
    folder.write("t.csv", table(300).as_bytes());
    // A state to go on from: that of a fit whose time was up.
    let long = "fit svgp t.csv --target y --set inducing=20 --set steps=2000000 --out s.elbo --checkpoint c";
    folder.elbo(&format!("{long} --budget 1s")).ok();
    let midway = half_of(folder.read("c").len());
    for blocks in [0, midway] {
        refused_at(&folder, blocks, "fit --resume c --checkpoint-every 1ms --budget 60s");
    }
    // What was left is whole.
    folder.elbo("fit --resume c --budget 1s").ok();
}

#[test]
fn samples_codes_and_reconstructions_are_not_half_written() {
    let folder = Folder::with_table();
    folder.elbo("fit aevb t.csv --set epochs=2 --set latent=1 --set hidden=[4] --out m.elbo").ok();
    folder.write("c.csv", b"old");
    for words in [
        "sample m.elbo --count 20 --out drawn",
        "sample m.elbo --traverse 3 --out moved",
        "encode m.elbo t.csv --out c.csv",
        "encode m.elbo t.csv --bounds --out c.csv",
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
    scene_of(4)
}

/// A file of so many Gaussians.
fn scene_of(count: usize) -> Vec<u8> {
    let gaussians = Gaussians::<f32> {
        degree: 0,
        mean: (0..count).flat_map(|i| [i, i % 2, i % 3].map(|x| x as f32)).collect(),
        log_scale: vec![-2.0; 3 * count],
        rotation: [1.0, 0.0, 0.0, 0.0].repeat(count),
        opacity: vec![2.0; count],
        sh: vec![0.5; 3 * count],
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
