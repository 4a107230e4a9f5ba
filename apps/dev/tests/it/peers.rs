use elbo::core::Mark;
use elbo::report::svg::to_svg;
use elbo_dev::error::read;
use elbo_dev::markers;
use elbo_dev::peers::ratios::{PICTURE, SIZE, figure, ratios};
use elbo_dev::peers::worst;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_table_of_the_document_is_in_the_picture() {
    let page = read(Path::new("../../docs/benchmarks.md")).unwrap();
    let rows_of = |name: &str| ratios(markers::between(&page, name).unwrap()).unwrap().len();
    let parts = ["gp", "nn", "infer", "markov", "splat", "codec"].map(|part| rows_of(&format!("peers-{part}")));
    // Without ratios: the table up to a million times, which has no peer, and optimisation before its half hour was run.
    let others = ["linear", "bo"].map(|part| {
        let table = markers::between(&page, &format!("peers-{part}")).unwrap();
        if table.contains("elbo/peer") { ratios(table).unwrap().len() } else { 0 }
    });
    assert_eq!(ratios(&page).unwrap().len(), parts.iter().chain(&others).sum::<usize>());
}

#[test]
fn every_row_of_the_picture_has_a_name_of_its_own_that_is_not_cut() {
    let rows = ratios(&read(Path::new("../../docs/benchmarks.md")).unwrap()).unwrap();
    let figure = figure(&rows);
    let Some(Mark::Bars { names, .. }) = figure.marks.first() else { panic!("{:?}", figure.marks) };
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(!to_svg(&figure, SIZE).contains('…'), "{names:?}");
}

#[test]
fn the_picture_is_that_of_the_tables() {
    let rows = ratios(&read(Path::new("../../docs/benchmarks.md")).unwrap()).unwrap();
    let picture = read(&Path::new("../..").join(PICTURE)).unwrap();
    assert!(picture == to_svg(&figure(&rows), SIZE), "run `elbo-dev peers plot`");
}

#[test]
fn the_worst_rows_are_those_of_the_tables_and_each_is_analysed() {
    let page = read(Path::new("../../docs/benchmarks.md")).unwrap();
    let rows = ratios(&page).unwrap();
    assert_eq!(markers::between(&page, worst::MARKER).unwrap().trim(), worst::table(&page, &rows).trim());
    assert_eq!(worst::unspoken(&page, &rows).unwrap(), Vec::<String>::new());
}
