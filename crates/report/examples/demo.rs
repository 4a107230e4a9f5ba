//! Writes three pages and a figure from made-up data: `cargo run -p elbo-report --example demo -- FOLDER`.

use std::path::Path;

use elbo_core::{Figure, Mark, Result, Rng, Table};
use elbo_report::svg::{Size, to_svg};
use elbo_report::{
    Basis, ClassificationEvidence, Context, Interval, RegressionEvidence, Report, Section, classification_report,
    figures, html, regression_report, text,
};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let folder = Path::new(&folder);
    html::write(&regression(), &folder.join("regression.html"))?;
    html::write(&classification(), &folder.join("classification.html"))?;
    html::write(&gallery(), &folder.join("gallery.html"))?;
    text::write(&folder.join("fit.svg"), &to_svg(&fit(), Size { width: 720.0, height: 380.0 }))
}

/// A curve with a gap in its data.
fn fit() -> Figure {
    let mut rng = Rng::new(1);
    let truth = |x: f64| 12.0 * (0.9 * x).sin() + 2.0 * x;
    let data_x: Vec<f64> = (0..46).map(|i| f64::from(i) * 0.21).filter(|x| !(4.2..6.4).contains(x)).collect();
    let data_y: Vec<f64> = data_x.iter().map(|x| truth(*x) + 1.6 * rng.normal()).collect();
    let x: Vec<f64> = (0..=160).map(|i| -0.8 + f64::from(i) * 0.075).collect();
    let far = |x: f64| data_x.iter().map(|d| (d - x).abs()).fold(f64::INFINITY, f64::min);
    let sd: Vec<f64> = x.iter().map(|x| 1.7 + 3.2 * (far(*x) / 1.1).powi(2).min(4.0)).collect();
    let mean: Vec<f64> = x.iter().map(|x| truth(*x)).collect();
    let band = |level: f64, z: f64| {
        let edge = |side: f64| mean.iter().zip(&sd).map(|(m, s)| m + side * z * s).collect();
        (level, edge(-1.0), edge(1.0))
    };
    let samples = (0..5).map(|_| {
        let waves: Vec<(f64, f64)> = (1..6).map(|k| (rng.normal() / f64::from(k), rng.range(0.0, 6.3))).collect();
        let wave =
            |x: f64| waves.iter().enumerate().map(|(k, w)| w.0 * (0.7 * (k as f64 + 1.0) * x + w.1).sin()).sum::<f64>();
        (0..x.len()).map(|i| mean[i] + 0.8 * (sd[i] - 1.4) * wave(x[i])).collect()
    });
    figures::fit_1d(&figures::FitCurve {
        samples: samples.collect(),
        bands: vec![band(0.5, 0.674), band(0.95, 1.96)],
        x: x.clone(),
        mean: mean.clone(),
        data_x: data_x.clone(),
        data_y,
        x_label: "time [h]".into(),
        y_label: "temperature [°C]".into(),
    })
}

fn context(title: &str, subtitle: &str) -> Context {
    let pairs = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    Context {
        title: title.into(),
        subtitle: subtitle.into(),
        data: pairs(&[
            ("File", "concrete.csv"),
            ("Rows", "1,030: 927 to fit, 103 held out"),
            ("Dropped", "0 rows with missing values"),
            ("Inputs", "8 numeric columns, scaled to unit variance"),
            ("Target", "strength [MPa], 2.3 to 82.6"),
        ]),
        settings: pairs(&[
            ("kernel", "matern52, one lengthscale an input"),
            ("starts", "5"),
            ("max_steps", "200"),
            ("jitter", "1e-10"),
        ]),
        environment: pairs(&[
            ("elbo", "0.1.0"),
            ("System", "Linux x86_64"),
            ("Threads", "2"),
            ("Seed", "0"),
            ("Time", "4.1 s"),
        ]),
        command: "elbo fit gpr concrete.csv --target strength --set kernel=matern52 --seed 0 --report concrete.html"
            .into(),
        ..Context::default()
    }
}

fn regression() -> Report {
    let mut rng = Rng::new(2);
    let rows = 206;
    let mean: Vec<f64> = (0..rows).map(|_| 36.0 + 15.5 * rng.normal()).map(|m: f64| m.abs()).collect();
    let sd: Vec<f64> = mean.iter().map(|m| 2.6 + 0.08 * m).collect();
    let observed: Vec<f64> = mean.iter().zip(&sd).map(|(m, s)| m + s * rng.normal()).collect();
    let interval = |level, z: f64| Interval {
        level,
        lower: mean.iter().zip(&sd).map(|(m, s)| m - z * s).collect(),
        upper: mean.iter().zip(&sd).map(|(m, s)| m + z * s).collect(),
    };
    let evidence = RegressionEvidence {
        target: "strength [MPa]".into(),
        basis: Basis::HeldOut,
        intervals: vec![interval(0.5, 0.6745), interval(0.9, 1.645), interval(0.95, 1.96)],
        pit: figures::gaussian_pit(&observed, &mean, &sd),
        nlpd: Some(3.07),
        crps: Some(2.94),
        observed,
        mean,
        sd,
        ..RegressionEvidence::default()
    };
    let names = ["age", "cement", "water", "slag", "superplasticizer", "fly ash", "fine aggregate", "coarse aggregate"];
    let mut starts = Table::new(
        "starts",
        "Where each start of the optimiser ended.",
        &["start", "log marginal likelihood", "steps", "note"],
    );
    starts.push(vec!["median distance".into(), "−2871.4".into(), "88".into(), "best".into()]);
    starts.push(vec!["Sobol 1".into(), "−2871.5".into(), "113".into(), String::new()]);
    starts.push(vec!["Sobol 2".into(), "−2904.8".into(), "61".into(), "another optimum".into()]);
    regression_report(
        Context {
            about: "An exact Gaussian process with a Matérn 5/2 kernel: smooth functions of all inputs together, each with a lengthscale of its own.".into(),
            lead: vec![fit()],
            relevance: names.iter().enumerate().map(|(i, n)| ((*n).into(), 2.4 / (1.0 + i as f64).powf(1.3))).collect(),
            learning: vec![("negative log marginal likelihood".into(), (0..90).map(|i| (f64::from(i), 2871.0 + 900.0 * (-0.08 * f64::from(i)).exp())).collect())],
            parameters: [("variance", "1.84", "of the scaled target"), ("noise", "0.061", "variance of the scaled target"), ("lengthscale age", "0.42", "standard deviations of the input")]
                .map(|(a, b, c)| (a.into(), b.into(), c.into()))
                .into(),
            tables: vec![starts],
            warnings: vec![
                "Two starts ended more than 2 nats apart: the likelihood has several optima. Raise `starts` to look for a better one.".into(),
                "25 rows of the data are exact duplicates of others.".into(),
            ],
            ..context("Strength of concrete", "`gpr` on concrete.csv")
        },
        &evidence,
    )
}

fn classification() -> Report {
    let mut rng = Rng::new(3);
    let classes: Vec<String> = ["Adelie", "Chinstrap", "Gentoo"].map(String::from).into();
    let centres = [(38.8, 18.3), (48.8, 18.4), (47.5, 15.0)];
    let mut clouds: Vec<(String, Vec<f64>, Vec<f64>)> = classes.iter().map(|c| (c.clone(), vec![], vec![])).collect();
    let scores =
        |x: f64, y: f64| centres.map(|c| (-0.5 * (((x - c.0) / 3.0).powi(2) + ((y - c.1) / 1.2).powi(2))).exp() + 1e-9);
    let (mut truth, mut probabilities) = (vec![], vec![]);
    for i in 0..240 {
        let k = [0, 0, 1, 2, 2][i % 5];
        let (x, y) = (centres[k].0 + 3.0 * rng.normal(), centres[k].1 + 1.2 * rng.normal());
        clouds[k].1.push(x);
        clouds[k].2.push(y);
        let s = scores(x, y);
        truth.push(k);
        probabilities.extend(s.map(|v| v / s.iter().sum::<f64>()));
    }
    let grid = |from: f64, to: f64| (0..80).map(|i| from + (to - from) * f64::from(i) / 79.0).collect::<Vec<f64>>();
    let (x, y) = (grid(27.0, 60.0), grid(11.5, 22.0));
    let values: Vec<f64> = y
        .iter()
        .flat_map(|y| x.iter().map(|x| scores(*x, *y)).collect::<Vec<_>>())
        .map(|s| s[2] / s.iter().sum::<f64>())
        .collect();
    let map = figures::decision_map("Gentoo", &x, &y, &values, &clouds, ("bill length [mm]", "bill depth [mm]"));
    let evidence =
        ClassificationEvidence { target: "species".into(), classes, truth, probabilities, ..Default::default() };
    classification_report(
        Context { lead: vec![map], ..context("Species of penguin", "`svgp` on penguins.csv") },
        &evidence,
    )
}

/// Drawings that are hard to get right.
fn gallery() -> Report {
    let mut rng = Rng::new(4);
    let line = |label: &str, x: Vec<f64>, y: Vec<f64>| Mark::Line { label: label.into(), x, y, dashed: false };
    let cloud = |x: Vec<f64>, y: Vec<f64>| Mark::Points { label: String::new(), x, y, lower: vec![], upper: vec![] };
    let figure = |name: &str, marks| Figure {
        name: name.into(),
        caption: format!("{name}."),
        x_label: "x".into(),
        y_label: "y".into(),
        marks,
        ..Figure::default()
    };
    let steps: Vec<f64> = (0..60).map(f64::from).collect();
    let seven = (0..7).map(|k| {
        line(
            &format!("series number {k}"),
            steps.clone(),
            steps.iter().map(|s| (0.1 * s + f64::from(k)).sin() + f64::from(k)).collect(),
        )
    });
    let dense: Vec<f64> = rng.normals(20_000);
    let also: Vec<f64> = dense.iter().map(|x| 0.6 * x + 0.8 * rng.normal()).collect();
    let counts: Vec<f64> =
        (0..24).map(|i| (200.0 * (-0.5 * ((f64::from(i) - 11.0) / 4.0).powi(2)).exp()).round()).collect();
    let pit = |z: f64| figures::gaussian_pit(&Rng::new(5).normals(400), &[0.0; 400], &[z; 400]);
    let mut log = figure(
        "Decades on both axes",
        vec![line("cubic", steps[1..].to_vec(), steps[1..].iter().map(|s| s.powi(3) * 1e-3).collect())],
    );
    (log.x_log, log.y_log) = (true, true);
    let grid: Vec<f64> = (0..40).map(f64::from).collect();
    let heat = grid
        .iter()
        .flat_map(|y| {
            grid.iter().map(move |x| {
                if (x - 30.0).hypot(y - 8.0) < 3.0 { f64::NAN } else { 1e5 * (0.2 * x).sin() * (0.15 * y).cos() }
            })
        })
        .collect();
    let figures = vec![
        figure("Seven series", seven.collect()),
        figure("Twenty thousand points", vec![cloud(dense, also)]),
        figure("Nothing", vec![]),
        figure("One point", vec![cloud(vec![3.0], vec![1e-7])]),
        figure("Enormous values", vec![cloud(vec![-1e300, 0.0, 1e300], vec![1.0, 2.0, 3.0])]),
        figure("Nearly equal values", vec![line("a", vec![0.0, 1.0, 2.0], vec![1e6 + 0.01, 1e6 + 0.03, 1e6 + 0.02])]),
        log,
        figure(
            "A histogram",
            vec![Mark::Histogram {
                label: "rows".into(),
                edges: (0..=24).map(|i| f64::from(i) / 4.0).collect(),
                counts,
            }],
        ),
        figure("A heat map with a hole", vec![Mark::Heat { x: grid.clone(), y: grid, values: heat }]),
        figure(
            "Bars on both sides",
            vec![Mark::Bars {
                names: ["a name that is much too long for its place on the axis", "b", "c"].map(String::from).into(),
                values: vec![-3.0, 2.0, 0.1],
            }],
        ),
        figures::calibration(&pit(0.6)),
        figures::pit_histogram(&pit(0.6)),
        figures::calibration(&pit(1.7)),
        figures::coverage(&[0.5, 0.9, 0.95], &[55, 92, 99], 103),
    ];
    let section = Section { heading: "Figures".into(), figures, ..Section::default() };
    Report { title: "Drawings that are hard to get right".into(), sections: vec![section], ..Report::default() }
}
