//! Laws of `markov-gp`.

use elbo_core::{AnySystem, Array, Data, Prediction, Run, Values};
use elbo_systems_temporal::markov_gp::MarkovGpSystem;
use serde_json::json;

fn table(times: Array, y: Vec<f64>) -> Data {
    let arrays = vec![("when".to_owned(), times), ("y".to_owned(), Array::new(&[y.len()], y))];
    Data { source: "a test".into(), arrays, target: Some("y".into()), notes: vec![] }
}

fn wave(rows: usize) -> (Vec<f64>, Vec<f64>) {
    let times: Vec<f64> = (0..rows).map(|k| k as f64).collect();
    let y = times.iter().map(|t| 3.0 + 0.02 * t + (0.7 * t).sin() + 0.05 * (t * t).cos()).collect();
    (times, y)
}

fn means(data: &Data, model: &dyn elbo_core::Model) -> Vec<f64> {
    match model.as_predict().unwrap().predict(data, &mut Run::new(0)).unwrap() {
        Prediction::Numbers(m) => (0..m.len()).map(|i| m.mean(i)).collect(),
        Prediction::Classes { .. } => panic!("numbers"),
    }
}

#[test]
fn a_period_is_found_and_carried_into_the_future() {
    let (times, y) = wave(150);
    let data = table(Array::new(&[150], times), y);
    let model = MarkovGpSystem.fit(&json!({"starts": 1}), &data, &mut Run::new(0)).unwrap();
    let found = model.summary().metrics.iter().find(|(n, _)| n == "period_found").unwrap().1;
    let truth = std::f64::consts::TAU / 0.7;
    assert!((found / truth - 1.0).abs() < 0.02, "{found}");
    let ahead: Vec<f64> = (0..40).map(|k| 150.0 + k as f64).collect();
    let future = table(Array::new(&[40], ahead.clone()), vec![0.0; 40]);
    for (t, m) in ahead.iter().zip(means(&future, model.as_ref())) {
        let truth = 3.0 + 0.02 * t + (0.7 * t).sin();
        assert!((m - truth).abs() < 0.5, "at {t}: {m}, {truth}");
    }
    let names: Vec<String> = model.figures().iter().map(|f| f.name.clone()).collect();
    assert_eq!(names, ["forecast", "component-1", "component-2", "component-3", "component-4"]);
}

#[test]
fn dates_are_times() {
    let days = ["2020-01-30", "2020-01-31", "2020-02-01", "2020-02-02", "2020-02-04", "2020-02-05"];
    let text = |levels: &[&str]| {
        let codes = (0..levels.len()).map(|i| Some(i as u32)).collect();
        Array::column(Values::Text { levels: levels.iter().map(|l| (*l).to_owned()).collect(), codes })
    };
    let y = vec![1.0, 2.0, 3.0, 4.1, 6.0, 7.1];
    let numbers = Array::new(&[6], vec![0.0, 1.0, 2.0, 3.0, 5.0, 6.0]);
    let settings = json!({"starts": 1, "kernel": "linear + matern32(lengthscale=2!)", "time": "when"});
    let by_date = MarkovGpSystem.fit(&settings, &table(text(&days), y.clone()), &mut Run::new(0)).unwrap();
    let by_number = MarkovGpSystem.fit(&settings, &table(numbers, y), &mut Run::new(0)).unwrap();
    let a = means(&table(text(&["2020-02-03"]), vec![0.0]), by_date.as_ref());
    let b = means(&table(Array::new(&[1], vec![4.0]), vec![0.0]), by_number.as_ref());
    assert!((a[0] - b[0]).abs() < 1e-6, "{a:?} {b:?}");
    let wrong = table(Array::new(&[1], vec![4.0]), vec![0.0]);
    let error = by_date.as_predict().unwrap().predict(&wrong, &mut Run::new(0)).err().unwrap();
    assert!(error.to_string().contains("date"), "{error}");
}

#[test]
fn bad_series_are_refused_by_name() {
    let (times, y) = wave(20);
    let refused = |data: &Data, settings: serde_json::Value| {
        MarkovGpSystem.fit(&settings, data, &mut Run::new(0)).err().unwrap().to_string()
    };
    let good = table(Array::new(&[20], times.clone()), y.clone());
    assert!(refused(&good, json!({"time": "whenn"})).contains("whenn"));
    assert!(refused(&good, json!({"kernel": "matern33"})).contains("matern33"));
    assert!(refused(&good, json!({"period": -1.0})).contains("period"));
    let constant = table(Array::new(&[20], times.clone()), vec![2.0; 20]);
    assert!(refused(&constant, json!({})).contains("constant"));
    let at_once = table(Array::new(&[20], vec![1.0; 20]), y.clone());
    assert!(refused(&at_once, json!({})).contains("distinct"));
    let mut two = good.clone();
    two.arrays.push(("other".into(), Array::new(&[20], times)));
    assert!(refused(&two, json!({})).contains("which column"));
    let words = Values::Text { levels: vec!["soon".into()], codes: vec![Some(0); 20] };
    assert!(refused(&table(Array::column(words), y), json!({})).contains("soon"));
}

#[test]
fn a_missing_target_is_a_gap() {
    let (times, mut y) = wave(60);
    let truth = y[30];
    y[30] = f64::NAN;
    let data = table(Array::new(&[60], times), y);
    let model = MarkovGpSystem.fit(&json!({"starts": 1}), &data, &mut Run::new(0)).unwrap();
    let at = table(Array::new(&[1], vec![30.0]), vec![0.0]);
    assert!((means(&at, model.as_ref())[0] - truth).abs() < 0.3);
    assert_eq!(model.validation().unwrap().observed.len(), 59);
}
