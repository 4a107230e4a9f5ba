//! Tables of trials.

use elbo_core::{Array, Data, Values};
use elbo_decide::{Goal, History, Limit, Outcome, SideColumns, Space, Variable};

fn numbers(values: &[f64]) -> Array {
    Array::new(&[values.len()], values.to_vec())
}

fn text(cells: &[&str]) -> Array {
    let levels: Vec<String> = cells.iter().map(|c| (*c).to_owned()).collect();
    let codes = cells.iter().enumerate().map(|(i, c)| (!c.is_empty()).then_some(i as u32)).collect();
    Array::column(Values::Text { levels, codes })
}

fn table(columns: Vec<(&str, Array)>) -> Data {
    let arrays = columns.into_iter().map(|(n, a)| (n.to_owned(), a)).collect();
    Data { source: "test".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn space() -> Space {
    Space::new(vec![Variable::real("x", 0.0, 10.0)])
}

#[test]
fn empty_targets_are_pending_and_words_say_what_failed() {
    let x = || numbers(&[1.0, 2.0, 3.0, 4.0]);
    let by_status = table(vec![
        ("x", x()),
        ("y", numbers(&[5.0, f64::NAN, f64::NAN, 7.0])),
        ("status", text(&["done", "Failed", "", "running"])),
    ]);
    let read = |data: &Data| History::read(data, &space(), Goal::Maximise, &[]).unwrap();
    let expected = vec![Outcome::Measured(-5.0), Outcome::Failed, Outcome::Pending, Outcome::Pending];
    assert_eq!(read(&by_status).outcomes, expected);
    let by_target = table(vec![("x", x()), ("y", text(&["5", "failed", "", "pending"]))]);
    assert_eq!(read(&by_target).outcomes, expected);
    assert_eq!(read(&by_target).best(), Some((0, -5.0)));
}

#[test]
fn trials_have_names_and_known_noise() {
    let read = |columns: Vec<(&str, Array)>| {
        let mut all = vec![("x", numbers(&[1.0, 2.0, 3.0])), ("y", numbers(&[5.0, f64::NAN, 7.0]))];
        all.extend(columns);
        let data = table(all);
        let side = SideColumns { noise: Some("sd".into()), id: Some("trial".into()), ..SideColumns::default() };
        History::read(&data, &space(), Goal::Minimise, &[]).unwrap().with_columns(&data, &side)
    };
    let sd = || ("sd", numbers(&[0.5, f64::NAN, f64::NAN]));
    let mut history = read(vec![sd(), ("trial", numbers(&[4.0, 17.0, f64::NAN]))]).unwrap();
    assert_eq!(history.ids, ["4", "17", ""]);
    assert_eq!(history.new_ids(3), ["18", "19", "20"]);
    // Of the measured trials only; the second is pending.
    assert!(history.measured_errors().len() == 2 && history.measured_errors()[0] == 0.5);
    assert!(history.measured_errors()[1].is_nan());
    history.tell(vec![0.4], 1.0);
    assert!(history.ids.len() == 4 && history.errors.len() == 4 && history.measured_errors().len() == 3);
    // Names that are words leave the rows to be counted.
    assert_eq!(read(vec![sd(), ("trial", text(&["a", "b", "c"]))]).unwrap().new_ids(2), ["4", "5"]);
    assert_eq!(History::default().new_ids(1), ["1"]);

    let twice =
        Array::column(Values::Text { levels: vec!["a".into(), "b".into()], codes: vec![Some(0), Some(1), Some(0)] });
    let error = read(vec![sd(), ("trial", twice)]).unwrap_err();
    assert!(error.to_string().contains("`trial` has `a` in rows 1 and 3"), "{error}");
    let error = read(vec![("sd", numbers(&[0.5, 0.0, 1.0])), ("trial", text(&["a", "b", "c"]))]).unwrap_err();
    assert!(error.to_string().contains("`sd` has 0 in row 2"), "{error}");
}

#[test]
fn limits_decide_which_trial_is_best() {
    let data = table(vec![
        ("x", numbers(&[1.0, 2.0, 3.0])),
        ("y", numbers(&[1.0, 2.0, 3.0])),
        ("purity", numbers(&[0.5, 0.95, 0.99])),
    ]);
    let limit = Limit { column: "purity".into(), at_least: Some(0.9), at_most: None };
    let history = History::read(&data, &space(), Goal::Minimise, &[limit]).unwrap();
    assert_eq!(history.best(), Some((1, 2.0)));
    assert!((history.slacks[0][0] - 0.4).abs() < 1e-12);
}

#[test]
fn bad_tables_name_row_and_column() {
    let message = |columns: Vec<(&str, Array)>| {
        let error = History::read(&table(columns), &space(), Goal::Minimise, &[]).unwrap_err();
        format!("{error}; {}", error.remedy())
    };
    let y = || ("y", numbers(&[1.0, 2.0]));
    assert!(message(vec![("x", numbers(&[1.0, f64::NAN])), y()]).contains("`x` has no value in row 2"));
    assert!(message(vec![("z", numbers(&[1.0, 2.0])), y()]).contains("no column `x`"));
    assert!(message(vec![("x", text(&["1", "two"])), y()]).contains("`two`"));
    assert!(message(vec![("x", numbers(&[1.0, 2.0])), ("y", text(&["1", "many"]))]).contains("`many` in row 2"));
    assert!(message(vec![("x", numbers(&[1.0, 2.0])), ("y", numbers(&[1.0, f64::INFINITY]))]).contains("inf"));
    let status = ("status", text(&["done", "lost"]));
    assert!(message(vec![("x", numbers(&[1.0, 2.0])), y(), status]).contains("done, pending or failed"));
    let status = ("status", text(&["done", "done"]));
    let y = ("y", numbers(&[1.0, f64::NAN]));
    assert!(message(vec![("x", numbers(&[1.0, 2.0])), y, status]).contains("row 2 is done by its status"));
}

#[test]
fn values_outside_of_the_space_are_kept_and_noted() {
    let data = table(vec![("x", numbers(&[1.0, 12.0])), ("y", numbers(&[1.0, 2.0]))]);
    let history = History::read(&data, &space(), Goal::Minimise, &[]).unwrap();
    assert_eq!(history.points[1], [1.2]);
    assert!(history.notes[0].contains("outside of its range in 1 rows (first: row 2)"), "{:?}", history.notes);
}

#[test]
fn a_variable_may_be_called_status_and_a_column_must_have_one_cell_a_row() {
    let space = Space::new(vec![Variable::real("status", 0.0, 10.0)]);
    let data = table(vec![("status", numbers(&[1.0, 2.0])), ("y", numbers(&[1.0, 2.0]))]);
    let history = History::read(&data, &space, Goal::Minimise, &[]).unwrap();
    assert_eq!(history.outcomes, [Outcome::Measured(1.0), Outcome::Measured(2.0)]);
    let matrix = Array::new(&[2, 2], vec![0.0; 4]);
    let data = table(vec![("status", matrix), ("y", numbers(&[1.0, 2.0]))]);
    let error = History::read(&data, &space, Goal::Minimise, &[]).unwrap_err();
    assert!(error.to_string().contains("`status` has the shape [2, 2]"), "{error}");
}

#[test]
fn an_infinite_cell_under_a_limit_is_no_unknown_one() {
    let data = table(vec![("x", numbers(&[1.0])), ("y", numbers(&[1.0])), ("purity", numbers(&[f64::INFINITY]))]);
    let limit = Limit { column: "purity".into(), at_least: Some(0.9), at_most: None };
    let error = History::read(&data, &space(), Goal::Minimise, &[limit]).unwrap_err();
    assert!(error.to_string().contains("`purity`, which has a limit, has inf in row 1"), "{error}");
}
