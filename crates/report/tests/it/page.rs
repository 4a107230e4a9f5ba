use elbo_core::{Marginals, Rng, Table};
use elbo_report::{
    Basis, Card, ClassMeasure, ClassificationEvidence, Context, RegressionEvidence, Report, Section, Standing,
    classification_report, html, regression_report,
};

use elbo_report::format::number;

use crate::{assert_drawn_with_numbers, parse};

/// Logistic marginals: closed forms for everything, and not Gaussian.
struct Logistic {
    mean: Vec<f64>,
    scale: f64,
}

impl Marginals for Logistic {
    fn len(&self) -> usize {
        self.mean.len()
    }
    fn mean(&self, i: usize) -> f64 {
        self.mean[i]
    }
    fn sd(&self, _: usize) -> f64 {
        self.scale * std::f64::consts::PI / 3f64.sqrt()
    }
    fn quantile(&self, i: usize, p: f64) -> f64 {
        self.mean[i] + self.scale * (p / (1.0 - p)).ln()
    }
    fn cdf(&self, i: usize, y: f64) -> f64 {
        1.0 / (1.0 + (-(y - self.mean[i]) / self.scale).exp())
    }
    fn log_prob(&self, i: usize, y: f64) -> f64 {
        let c = self.cdf(i, y);
        (c * (1.0 - c) / self.scale).ln()
    }
}

fn context() -> Context {
    let mut table = Table::new("starts", "Ends of all starts.", &["start", "objective"]);
    table.push(vec!["1".into(), "-12.5".into()]);
    Context {
        title: "Strength of <concrete>".into(),
        subtitle: "`gpr` on concrete.csv".into(),
        about: "A Gaussian process & its kernel.".into(),
        relevance: vec![("age".into(), 1.0), ("water".into(), 0.4)],
        learning: vec![("negative log likelihood".into(), vec![(0.0, 10.0), (1.0, 2.0)])],
        parameters: vec![("noise".into(), "0.1".into(), "variance".into())],
        tables: vec![table],
        warnings: vec!["two starts differ by more than 2 nats".into()],
        data: vec![("Rows".into(), "1,030".into())],
        settings: vec![("kernel".into(), "matern52".into())],
        environment: vec![("Seed".into(), "0".into())],
        command: "elbo fit gpr concrete.csv --target strength --seed 0 > out && echo \"done\"".into(),
        ..Context::default()
    }
}

fn regression(rows: usize) -> RegressionEvidence {
    let mut rng = Rng::new(5);
    let mean: Vec<f64> = (0..rows).map(|_| 3.0 * rng.normal()).collect();
    let noise = |u: f64| (u / (1.0 - u)).ln();
    let observed = mean.iter().map(|m| m + 0.5 * noise(rng.uniform())).collect();
    RegressionEvidence::new("strength", Basis::HeldOut, observed, &Logistic { mean, scale: 0.5 })
}

fn assert_self_contained(page: &str) {
    for forbidden in ["http://", "https://", "url(", "@import", "src=", "href=", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn a_regression_report_is_one_well_formed_file_that_judges_first() {
    let report = regression_report(context(), &regression(300));
    let page = html::render(&report);
    let document = parse(&page);
    assert_drawn_with_numbers(&document);
    assert_self_contained(&page);
    assert!(page.len() < 500_000, "{} bytes", page.len());
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("`{text}` is missing"));
    assert!(at("On 300 held-out rows the 95\u{a0}% intervals held") < at("Typical error</p>"));
    assert!(at("Typical error</p>") < at("two starts differ by more than 2 nats"));
    assert!(at("Predictions</h2>") < at("Are the intervals honest?"));
    assert!(at("What the model learned") < at("Settings</h2>"));
    assert!(at("Environment</h2>") < at("--seed 0 &gt; out &amp;&amp; echo"));
    assert_eq!(document.descendants().filter(|n| n.has_tag_name("svg")).count(), 6);
}

#[test]
fn logistic_predictions_of_logistic_data_are_honest() {
    let report = regression_report(context(), &regression(300));
    assert_eq!(report.headline, "Accurate predictions with honest intervals");
    assert_eq!(report.standing, Standing::Good);
}

#[test]
fn a_classification_report_is_one_well_formed_file() {
    let classes: Vec<String> = ["setosa", "versicolor", "virginica"].map(String::from).into();
    let truth: Vec<usize> = (0..90).map(|i| i % 3).collect();
    let probabilities = truth.iter().flat_map(|&t| (0..3).map(move |k| if k == t { 0.8 } else { 0.1 })).collect();
    let evidence = ClassificationEvidence { classes, truth, probabilities, ..Default::default() };
    assert!(!html::render(&classification_report(context(), &evidence)).contains("How sure are the scores?"));
    let measures = vec![
        ClassMeasure::new("accuracy", "share of the rows that are right", 0.8125).within(0.6875, 0.9375),
        ClassMeasure::new("mce", "largest gap of a bin", 0.21875),
    ];
    let evidence = ClassificationEvidence { measures, ..evidence };
    let page = html::render(&classification_report(context(), &evidence));
    let document = parse(&page);
    assert_drawn_with_numbers(&document);
    assert_self_contained(&page);
    assert!(page.contains("How sure are the scores?"));
    // An interval of 95 % holds the score of another table of as many rows in 83 % of cases.
    assert!(page.contains("Of ever more rows like these"));
    for cell in [number(0.6875), number(0.9375), number(0.21875), "largest gap of a bin".into()] {
        assert!(page.contains(&cell), "no {cell:?}");
    }
    assert!(page.contains("always guessing “"));
    assert!(page.contains("Rows by true class (down) and predicted class (across)."));
}

#[test]
fn reports_without_rows_are_still_pages() {
    for report in [
        Report::default(),
        regression_report(Context::default(), &RegressionEvidence::default()),
        classification_report(Context::default(), &ClassificationEvidence::default()),
    ] {
        parse(&html::render(&report));
    }
    let report = regression_report(Context::default(), &RegressionEvidence::default());
    assert_eq!(report.headline, "Nothing to judge");
    assert!(report.sections.is_empty() && report.cards.is_empty());
}

#[test]
fn infinite_deviations_and_values_that_are_missing_do_not_break_the_page() {
    let mut evidence = regression(60);
    evidence.sd.fill(f64::INFINITY);
    evidence.observed[3] = f64::NAN;
    evidence.pit[3] = f64::NAN;
    evidence.nlpd = Some(f64::NAN);
    let page = html::render(&regression_report(context(), &evidence));
    assert_drawn_with_numbers(&parse(&page));
    assert!(!page.contains("NaN") && page.contains("1 row could not be judged"));
}

#[test]
fn markup_in_any_field_is_text() {
    let nasty = "<img src=x onerror=alert(1)>\u{0}&`";
    let mut table = Table::new(nasty, nasty, &[nasty]);
    table.push(vec![nasty.into()]);
    let report = Report {
        title: nasty.into(),
        subtitle: nasty.into(),
        headline: nasty.into(),
        verdict: vec![nasty.into()],
        warnings: vec![nasty.into()],
        cards: vec![Card::new(nasty, nasty, nasty)],
        sections: vec![Section {
            heading: nasty.into(),
            text: vec![nasty.into()],
            facts: vec![(nasty.into(), nasty.into())],
            tables: vec![table],
            figures: vec![],
        }],
        facts: vec![(nasty.into(), nasty.into())],
        command: nasty.into(),
        ..Report::default()
    };
    let page = html::render(&report);
    parse(&page);
    assert!(!page.contains("<img"));
}

#[test]
fn a_report_survives_json() {
    let report = regression_report(context(), &regression(40));
    let text = serde_json::to_string(&report).expect("a report is plain data");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("what was written can be read"), report);
}

#[test]
fn long_tables_are_cut_and_say_so() {
    let mut table = Table::new("t", "Many.", &["n"]);
    (0..250).for_each(|i| table.push(vec![i.to_string()]));
    let section = Section { heading: "T".into(), tables: vec![table], ..Section::default() };
    let page = html::render(&Report { sections: vec![section], ..Report::default() });
    assert!(page.contains("Many. The first 100 of 250 rows are shown."));
    assert_eq!(page.matches("<tr>").count(), 101);
}

#[test]
fn writing_replaces_the_file_as_a_whole_or_explains_why_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("report.html");
    html::write(&Report::default(), &path).expect("a writable place");
    html::write(&Report::default(), &path).expect("a file that exists is replaced");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "no temporary file stays");
    let error =
        html::write(&Report::default(), &folder.path().join("missing/report.html")).expect_err("no such folder");
    assert_eq!((error.kind(), &*error.remedy()), ("file", "check the path; it is relative to the current folder"));
}
