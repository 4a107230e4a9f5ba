use elbo_dev::error::read;
use elbo_dev::markers;
use elbo_dev::peers::bounds;
use elbo_dev::results::RESULTS;
use std::path::Path;

#[test]
fn the_bounds_of_the_results_are_those_of_their_own_page() {
    let root = Path::new("../..");
    let page = read(&root.join(bounds::PAGE)).unwrap();
    let tables = bounds::tables(&page).unwrap();
    assert!(!tables.is_empty());
    let results = read(&root.join(RESULTS)).unwrap();
    let copied = markers::between(&results, "bounds").unwrap();
    let expected: Vec<String> =
        tables.iter().map(|(epochs, table)| format!("### After {epochs} epochs\n\n{table}")).collect();
    assert_eq!(copied.trim(), expected.join("\n\n"), "run `elbo-dev results` without files");
}
