use elbo_dev::error::read;
use elbo_dev::markers;
use elbo_dev::peers::ratios::ratios;
use std::path::Path;

#[test]
fn every_table_of_the_document_is_in_the_picture() {
    let page = read(Path::new("../../docs/benchmarks.md")).unwrap();
    let rows_of = |name: &str| ratios(markers::between(&page, name).unwrap()).unwrap().len();
    let parts = ["gp", "nn", "infer", "markov", "splat", "codec"].map(|part| rows_of(&format!("peers-{part}")));
    assert_eq!(ratios(&page).unwrap().len(), parts.iter().sum::<usize>());
}
