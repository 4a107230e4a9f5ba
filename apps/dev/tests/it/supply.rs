use elbo_dev::error::read;
use elbo_dev::supply::{libraries, licence, lock, soundness};
use elbo_dev::{cargo, markers, supply};
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
    let known = lock::parse_metadata(&cargo::metadata(root(), &["--locked"]).unwrap()).unwrap();
    let page = read(&root().join(supply::PAGE)).unwrap();
    let rows = libraries::explained(markers::between(&page, "libraries").unwrap()).unwrap();
    let without: Vec<_> = rows.into_iter().filter(|library| library.name != "faer").collect();
    assert_eq!(libraries::faults(&known, &without).len(), 1);

    let mut allowed = licence::allowed(&read(&root().join("deny.toml")).unwrap()).unwrap();
    allowed.remove("Zlib");
    let found = licence::faults(&known, &allowed);
    assert!(found.iter().any(|fault| fault.contains("is under `Zlib`")), "{found:?}");

    let mut modules = soundness::allowed(markers::between(&page, "unsafe").unwrap()).unwrap();
    assert!(modules.remove("crates/tensor/src/kernels/gemm/tile.rs"));
    let found = soundness::check(root(), &modules).unwrap();
    assert!(found.len() == 1 && found[0].starts_with("crates/tensor/src/kernels/gemm/tile.rs:"), "{found:?}");
}
