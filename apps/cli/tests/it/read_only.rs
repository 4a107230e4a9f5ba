//! Places that cannot be written: the program says so before the work, with a remedy, and leaves nothing behind.

use crate::folder::{Folder, model};
use crate::suggest::SPACE;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Everything that writes, into the folder `{}`.
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

fn refused_in(folder: &Folder, place: &str) {
    let before = folder.names();
    for command in COMMANDS {
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
    refused_in(&folder, "/sys");
    refused_in(&folder, "/proc");
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
        refused_in(&folder, "locked");
    }
    let left = entries(&locked);
    set(0o755);
    assert_eq!(left, usize::from(!binds), "something was left in the locked folder");
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}
