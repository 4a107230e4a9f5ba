//! Places that cannot be written: the program says so before the work, with a remedy, and leaves nothing behind.

use crate::folder::{Folder, model};
use crate::suggest::SPACE;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What fits, predicts, makes tables, reproduces and suggests, into the folder `{}`.
const COMMANDS: [&str; 11] = [
    "fit gpr t.csv --target y --out {}/m.elbo",
    "fit gpr t.csv --target y --out new.elbo --checkpoint {}/c",
    "fit gpr t.csv --target y --out new.elbo --report {}/r.html",
    "fit gpr t.csv --target y --out new.elbo --figures {}/figures",
    "predict m.elbo t.csv --out {}/p.csv",
    "predict m.elbo t.csv --out {}/p.csv.gz",
    "data make two-moons --out {}/d.csv",
    "reproduce gpr --budget smoke --out {}/claims",
    "suggest space.toml --out {}/next.csv",
    "suggest space.toml --report {}/r.html",
    "fit gpr t.csv --target y --out {}/none/m.elbo",
];

/// With everything that they read.
fn folder() -> Folder {
    let folder = Folder::with_table();
    folder.write("m.elbo", model());
    folder.write("space.toml", SPACE.as_bytes());
    folder
}

/// What updates, and what models of data points, codecs and scenes write, into the folder `{}`.
#[cfg(target_os = "linux")]
const OF_MODELS: [&str; 9] = [
    "update u.elbo u.csv --out {}/m.elbo",
    "sample v.elbo --count 2 --out {}",
    "sample v.elbo --traverse 2 --out {}",
    "encode v.elbo t.csv --out {}/c.csv",
    "reconstruct v.elbo t.csv --out {}/r.csv",
    "compress c.elbo p.png --out {}/a.elbc",
    "restore c.elbo p.elbc --out {}/p.png",
    "render s.ply --ply {}/s.spz",
    "render s.ply --orbit 1 --size 32x32 --out {}",
];

/// With the models that they need.
#[cfg(target_os = "linux")]
fn folder_of_models() -> Folder {
    let folder = Folder::with_table();
    folder.write("u.csv", crate::folder::table(300).as_bytes());
    folder.elbo("fit memory-dual-gp u.csv --target y --set batches=2 --out u.elbo").ok();
    folder.elbo("fit aevb t.csv --set epochs=2 --set latent=1 --set hidden=[4] --out v.elbo").ok();
    let codec = crate::compress::with_codec();
    [("c.elbo", "m.elbo"), ("p.png", "p.png")].iter().for_each(|(name, of)| folder.write(name, &codec.read(of)));
    folder.elbo("compress c.elbo p.png --out p.elbc").ok();
    folder.write("s.ply", &crate::full_disk::scene());
    folder
}

fn refused_in(folder: &Folder, place: &str, commands: &[&str]) {
    let before = folder.names();
    for command in commands {
        let words = command.replace("{}", place);
        let ran = folder.elbo(&words);
        assert_eq!(ran.code, 1, "{words}: {ran:?}");
        assert!(ran.err.contains("error: cannot ") && ran.err.contains("remedy: "), "{words}: {}", ran.err);
        assert!(ran.out.is_empty() && folder.names() == before, "{words} left {:?}", folder.names());
    }
}

/// Where permissions do not bind, as for root, the kernel's own folders still cannot be written.
#[cfg(target_os = "linux")]
#[test]
fn folders_that_nobody_can_write_are_refused() {
    let folder = folder();
    refused_in(&folder, "/sys", &COMMANDS);
    refused_in(&folder, "/proc", &COMMANDS);
}

#[cfg(target_os = "linux")]
#[test]
fn what_models_make_is_refused_there_too() {
    let folder = folder_of_models();
    refused_in(&folder, "/sys", &OF_MODELS);
    refused_in(&folder, "/proc", &OF_MODELS);
    // Said of the folder, before anything was drawn for it.
    for words in ["sample v.elbo --count 2 --out /sys", "render s.ply --orbit 1 --size 32x32 --out /sys"] {
        let ran = folder.elbo(words);
        assert!(ran.err.contains("cannot write into this folder"), "{words}: {}", ran.err);
    }
}

#[test]
fn folders_without_permission_are_refused_where_permissions_bind() {
    let folder = folder();
    let locked = folder.path("locked");
    std::fs::create_dir(&locked).unwrap();
    let set = |mode: u32| std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let binds = std::fs::write(locked.join("probe"), b"").is_err();
    if binds {
        refused_in(&folder, "locked", &COMMANDS);
    }
    let left = entries(&locked);
    set(0o755);
    assert_eq!(left, usize::from(!binds), "something was left in the locked folder");
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}
