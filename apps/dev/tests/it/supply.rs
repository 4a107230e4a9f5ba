use elbo_dev::error::read;
use elbo_dev::supply::{deny, libraries, licence, lock, soundness};
use elbo_dev::{cargo, files, markers, supply, tables};
use std::path::Path;

fn root() -> &'static Path {
    Path::new("../..")
}

#[test]
fn this_workspace_accounts_for_everything_it_compiles() {
    let sentence = supply::check(root()).unwrap_or_else(|error| panic!("{error}"));
    assert!(sentence.starts_with("supply: "), "{sentence}");
}

#[test]
fn the_check_sees_a_real_package_that_breaks_the_laws() {
    let known = lock::parse_metadata(&cargo::metadata(root(), &["--locked", "--all-features"]).unwrap()).unwrap();
    let page = read(&root().join(supply::PAGE)).unwrap();
    let rows = libraries::explained(markers::between(&page, "libraries").unwrap()).unwrap();
    let without: Vec<_> = rows.into_iter().filter(|library| library.name != "faer").collect();
    assert_eq!(libraries::faults(&known, &without).len(), 1);

    let mut allowed = deny::parse(&read(&root().join("deny.toml")).unwrap()).unwrap().licenses.allow;
    allowed.remove("Zlib");
    let found = licence::faults(&known, &allowed);
    assert!(found.iter().any(|fault| fault.contains("is under `Zlib`")), "{found:?}");

    let locked = lock::parse_lock(&read(&root().join("Cargo.lock")).unwrap()).unwrap();
    let mut bans = deny::parse(&read(&root().join("deny.toml")).unwrap()).unwrap().bans;
    bans.deny.iter_mut().for_each(|ban| ban.wrappers.clear());
    let found = deny::faults(&locked, &bans);
    assert!(found.len() == 1 && found[0].starts_with("`faer` is locked, by elbo-linalg"), "{found:?}");

    let mut modules = soundness::allowed(markers::between(&page, "unsafe").unwrap()).unwrap();
    assert!(modules.remove("crates/tensor/src/kernels/gemm/tile.rs"));
    let found = soundness::check(root(), &modules).unwrap();
    assert!(found.len() == 1 && found[0].starts_with("crates/tensor/src/kernels/gemm/tile.rs:"), "{found:?}");
}

#[test]
fn the_tests_that_miri_runs_are_there_and_in_its_commands() {
    let page = read(&root().join(supply::PAGE)).unwrap();
    let columns = ["module", "why", "run by Miri"];
    let table = tables::only(markers::between(&page, "unsafe").unwrap(), "the table", &columns).unwrap();
    let guide = read(&root().join("CONTRIBUTING.md")).unwrap();
    let mut seen = 0;
    for row in &table.rows {
        // Names stand between backticks.
        let tests: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || row[2].starts_with("none: "), "{} has no test and no reason", row[0]);
        for test in tests {
            let package = row[0].split('/').nth(1).expect("a path below `crates`");
            let module = test.strip_suffix("::tests").expect("a module of tests");
            let sources = root().join("crates").join(package).join("src");
            let is_there = files::below(&sources).unwrap().iter().any(|file| {
                let name = format!("/{file}");
                (name.ends_with(&format!("/{module}.rs")) || name.ends_with(&format!("/{module}/mod.rs")))
                    && read(&sources.join(file)).unwrap().contains("mod tests")
            });
            assert!(is_there, "{test} of {} is not there", row[0]);
            let words = [" miri test ".to_owned(), format!(" -p elbo-{package} "), format!("{module}::")];
            let runs = guide.lines().any(|line| words.iter().all(|word| line.contains(word)));
            assert!(runs, "no command of CONTRIBUTING.md runs {test}");
            seen += 1;
        }
    }
    assert!(seen > 5, "only {seen} tests are named");
}
