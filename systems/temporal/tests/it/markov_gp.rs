//! Laws of `markov-gp`.

use elbo_core::{AnySystem, Array, Data, Prediction, Run, Values};
use elbo_markov::kernel::taylor_error;
use elbo_systems_temporal::markov_gp::MarkovGpSystem;
use serde_json::json;

fn table(times: Array, y: Vec<f64>) -> Data {
    let arrays = vec![("when".to_owned(), times), ("y".to_owned(), Array::new(&[y.len()], y))];
    Data { source: "a test".into(), arrays, target: Some("y".into()), ..Data::default() }
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

/// The carbon dioxide of Mauna Loa that is shipped with the examples, every fourth row: about one a month.
fn carbon_dioxide() -> (Vec<f64>, Vec<f64>) {
    let text = include_str!("../../../../examples/data/classic/co2.csv");
    let row = |line: &str| {
        let (t, y) = line.split_once(',').unwrap();
        (t.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
    };
    text.lines().skip(1).step_by(4).map(row).unzip()
}

/// The year before the last row repeated, raised each year by the mean rise of ten years.
fn last_year_with_its_rise(times: &[f64], y: &[f64], ahead: &[f64]) -> Vec<f64> {
    let at = |t: f64| {
        let k = times.partition_point(|x| *x < t).clamp(1, times.len() - 1);
        let share = (t - times[k - 1]) / (times[k] - times[k - 1]);
        y[k - 1] + share.clamp(0.0, 1.0) * (y[k] - y[k - 1])
    };
    let last = times[times.len() - 1];
    let year = |end: f64| (0..52).map(|w| at(end - (f64::from(w) + 0.5) / 52.0)).sum::<f64>() / 52.0;
    let rise = (year(last) - year(last - 10.0)) / 10.0;
    let years = |t: &f64| (t - last).ceil().max(1.0);
    ahead.iter().map(|t| at(t - years(t)) + rise * years(t)).collect()
}

#[test]
fn forecasts_of_carbon_dioxide_beat_the_last_year_with_its_rise() {
    let (times, y) = carbon_dioxide();
    let (mut ours, mut rival, mut inside, mut count) = (0.0, 0.0, 0.0, 0.0);
    // Five years from each origin, after twenty years of rows.
    for origin in [1980.0, 1985.0, 1990.0, 1995.0] {
        let (from, cut) = (times.partition_point(|t| *t < origin - 20.0), times.partition_point(|t| *t < origin));
        let end = times.partition_point(|t| *t < origin + 5.0);
        let rows = |range: std::ops::Range<usize>| {
            table(Array::new(&[range.len()], times[range.clone()].to_vec()), y[range].to_vec())
        };
        let model = MarkovGpSystem.fit(&json!({"starts": 1}), &rows(from..cut), &mut Run::new(0)).unwrap();
        let guess = last_year_with_its_rise(&times[from..cut], &y[from..cut], &times[cut..end]);
        match model.as_predict().unwrap().predict(&rows(cut..end), &mut Run::new(0)).unwrap() {
            Prediction::Numbers(m) => {
                for (i, y) in y[cut..end].iter().enumerate() {
                    ours += (y - m.mean(i)).powi(2);
                    rival += (y - guess[i]).powi(2);
                    inside += f64::from((y - m.mean(i)).abs() < 1.96 * m.sd(i));
                    count += 1.0;
                }
            }
            Prediction::Classes { .. } => panic!("numbers"),
        }
    }
    let ratio = f64::sqrt(ours / rival);
    assert!(ratio < 1.0, "{ratio}");
    // Rows of one origin err together: four of them say little about 95 %.
    assert!(inside / count > 0.75, "{}", inside / count);
}

#[test]
fn a_trend_goes_on_and_can_be_followed_back() {
    // Thirty years that bend upwards, with a season.
    let times: Vec<f64> = (0..360).map(|k| f64::from(k) / 12.0).collect();
    let truth = |t: f64| 300.0 + 0.5 * t + 0.02 * t * t + 3.0 * (std::f64::consts::TAU * t).sin();
    let y: Vec<f64> = times.iter().enumerate().map(|(k, t)| truth(*t) + 0.2 * (1.3 * (k * k) as f64).sin()).collect();
    let data = table(Array::new(&[360], times), y);
    let model = MarkovGpSystem.fit(&json!({"starts": 1}), &data, &mut Run::new(0)).unwrap();
    let ahead: Vec<f64> = (0..120).map(|k| 30.0 + f64::from(k) / 12.0).collect();
    let found = means(&table(Array::new(&[120], ahead.clone()), vec![0.0; 120]), model.as_ref());
    // The last slope is 1.7 a year: a trend that flattens would be 17 too low after ten years, the last slope itself 2 too low.
    let error = ahead.iter().zip(&found).map(|(t, m)| (m - truth(*t)).abs()).fold(0.0, f64::max);
    assert!(error < 5.0, "{error}");
    let before = table(Array::new(&[2], vec![-14.0, -1.0]), vec![0.0; 2]);
    assert!((means(&before, model.as_ref())[1] - truth(-1.0)).abs() < 2.0);
    let too_early = table(Array::new(&[1], vec![-16.0]), vec![0.0]);
    let error = model.as_predict().unwrap().predict(&too_early, &mut Run::new(0)).err().unwrap().to_string();
    assert!(error.contains("before"), "{error}");
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

#[test]
fn the_error_of_a_squared_exponential_is_told_and_a_large_one_warned_of() {
    let times: Vec<f64> = (0..40).map(f64::from).collect();
    let wave = |t: &f64| (0.4 * t).sin() + 0.1 * (t * t).cos();
    let data = table(Array::new(&[40], times.clone()), times.iter().map(wave).collect());
    let fitted = |kernel: &str| {
        let mut run = Run::new(0);
        let settings = json!({"starts": 1, "iterations": 5, "kernel": kernel});
        let summary = MarkovGpSystem.fit(&settings, &data, &mut run).unwrap().summary();
        let error = summary.metrics.iter().find(|m| m.0 == "taylor_error").map(|m| m.1);
        (error, run.warnings().iter().any(|w| w.contains("raise `order` to 5")))
    };
    assert_eq!(fitted("linear + squared_exponential(order=3)"), (Some(taylor_error(3)), true));
    assert_eq!(fitted("squared_exponential"), (Some(taylor_error(6)), false));
    assert_eq!(fitted("matern52"), (None, false));
}

#[test]
fn harmonics_follow_the_lengthscale_unless_they_are_given() {
    // Pulses, of which a wave or two tell little.
    let times: Vec<f64> = (0..120).map(f64::from).collect();
    let pulse = |t: &f64| (-8.0 * (std::f64::consts::PI * t / 12.0).sin().powi(2)).exp() + 0.02 * (t * t).cos();
    let data = table(Array::new(&[120], times.clone()), times.iter().map(pulse).collect());
    let fitted = |kernel: &str| {
        let mut run = Run::new(0);
        let model = MarkovGpSystem.fit(&json!({"starts": 1, "kernel": kernel}), &data, &mut run).unwrap();
        let summary = model.summary();
        let dropped = summary.metrics.iter().find(|m| m.0 == "dropped_variance").map(|m| m.1);
        let is_warned = run.warnings().iter().any(|w| w.contains("harmonics left out"));
        (dropped, summary.parameters[0].1.clone(), is_warned)
    };
    let (dropped, kernel, is_warned) = fitted("periodic(lengthscale=0.5!, period=12!)");
    assert!(kernel.contains("harmonics=11") && dropped.unwrap() < 1e-6 && !is_warned, "{kernel}: {dropped:?}");
    let (dropped, kernel, is_warned) = fitted("periodic(lengthscale=0.5!, period=12!, harmonics=2)");
    assert!(kernel.contains("harmonics=2") && dropped.unwrap() > 1e-3 && is_warned, "{kernel}: {dropped:?}");
    // A lengthscale that is learned takes its harmonics with it.
    let (dropped, kernel, _) = fitted("periodic(period=12!)");
    assert!(dropped.unwrap() < 5e-6 && !kernel.contains("harmonics=6)"), "{kernel}: {dropped:?}");
    assert_eq!(fitted("matern32 + cosine(period=12)").0, None);
}
