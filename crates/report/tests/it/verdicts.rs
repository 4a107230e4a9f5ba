use elbo_core::Rng;
use elbo_report::{
    Basis, ClassificationEvidence, ClassificationScores, Context, Held, Interval, RegressionEvidence, RegressionScores,
    Standing, Verdict, regression_report,
};

/// Observed values with spread `signal`, predicted with Gaussian errors of size 1; the intervals claim errors of size `claimed`.
fn regression(rows: usize, signal: f64, claimed: f64) -> RegressionEvidence {
    let mut rng = Rng::new(7);
    let mean: Vec<f64> = (0..rows).map(|_| signal * rng.normal()).collect();
    let observed: Vec<f64> = mean.iter().map(|m| m + rng.normal()).collect();
    let interval = |level, z: f64| Interval {
        level,
        lower: mean.iter().map(|m| m - z * claimed).collect(),
        upper: mean.iter().map(|m| m + z * claimed).collect(),
    };
    let intervals = vec![interval(0.5, 0.674_49), interval(0.95, 1.959_96)];
    let sd = vec![claimed; rows];
    RegressionEvidence { target: "y".into(), observed, mean, sd, intervals, ..Default::default() }
}

fn judge(evidence: &RegressionEvidence) -> Verdict {
    RegressionScores::new(evidence).verdict()
}

/// The colour of the number that says the typical error.
fn error_colour(evidence: &RegressionEvidence) -> Standing {
    let report = regression_report(Context::default(), evidence);
    report.cards.iter().find(|card| card.label == "Typical error").unwrap().standing
}

#[test]
fn a_good_model_is_called_accurate_and_honest() {
    let verdict = judge(&regression(400, 4.0, 1.0));
    assert_eq!(verdict.headline, "Accurate predictions with honest intervals");
    assert_eq!(verdict.standing, Standing::Good);
    let first = &verdict.sentences[0];
    assert!(first.starts_with("On 400 held-out rows the 95\u{a0}% intervals held 9"), "{first}");
    assert!(first.contains("as they should"), "{first}");
    assert!(
        verdict.sentences[1].contains("about a quarter of that of always predicting the mean"),
        "{:?}",
        verdict.sentences
    );
    assert_eq!(verdict.sentences.len(), 2, "nothing else to say: {:?}", verdict.sentences);
}

#[test]
fn the_shares_that_a_verdict_takes_for_chance_are_those_it_names() {
    let first = |rows: usize, inside: usize| {
        let held = vec![Held { level: 0.95, rows: inside, width: 1.0 }];
        let scores = RegressionScores { rows, held, rmse: 1.0, baseline_rmse: 4.0, ..Default::default() };
        scores.verdict().sentences.remove(0)
    };
    // 284 of 308 is 92.2 %: one in fifty right models holds as little.
    let text = first(308, 284);
    assert!(text.contains("as they should (92\u{a0}% to 98"), "{text}");
    // 94 % of 10,000 are beyond chance, and one point is no matter.
    let text = first(10_000, 9400);
    assert!(text.contains("too small to matter") && !text.contains("as they should"), "{text}");
}

#[test]
fn an_overconfident_model_is_told_its_intervals_are_too_narrow() {
    let verdict = judge(&regression(400, 4.0, 0.5));
    assert_eq!(verdict.headline, "Accurate predictions, but overconfident intervals");
    assert_eq!(verdict.standing, Standing::Caution);
    assert!(verdict.sentences[0].contains("too narrow, by more than chance explains"), "{:?}", verdict.sentences);
}

#[test]
fn an_underconfident_model_is_told_its_intervals_are_too_wide() {
    let verdict = judge(&regression(400, 4.0, 3.0));
    assert_eq!(verdict.headline, "Accurate predictions, but needlessly wide intervals");
    assert_eq!(verdict.standing, Standing::Caution);
    assert!(verdict.sentences[0].contains("wider than they need to be"), "{:?}", verdict.sentences);
}

#[test]
fn a_useless_model_is_compared_with_the_mean() {
    let mut evidence = regression(200, 0.0, 1.0);
    evidence.mean.fill(0.01);
    let verdict = judge(&evidence);
    assert_eq!(verdict.headline, "No better than predicting the mean");
    assert_eq!(verdict.standing, Standing::Poor);
    assert!(
        verdict.sentences[1].contains("no better than that of always predicting the mean"),
        "{:?}",
        verdict.sentences
    );
}

/// Nine of twelve errors are a third of the mean's, three are larger.
#[test]
fn a_gain_that_chance_explains_is_not_called_none() {
    let mut evidence = regression(12, 1.0, 1.0);
    evidence.observed = (0..12).map(|i| if i % 2 == 0 { 10.0 } else { -10.0 }).collect();
    evidence.mean = evidence.observed.iter().enumerate().map(|(i, y)| if i < 3 { -0.4 * y } else { 0.7 * y }).collect();
    let verdict = judge(&evidence);
    assert_eq!(verdict.headline, "Not clearly better than predicting the mean");
    assert_eq!(verdict.standing, Standing::Caution);
    assert!(verdict.sentences[1].contains("by no more than chance explains"), "{:?}", verdict.sentences);
    // Its error is neither good nor bad.
    assert_eq!(error_colour(&evidence), Standing::Neutral);
}

#[test]
fn a_harmful_model_is_refused() {
    let mut evidence = regression(200, 1.0, 1.0);
    evidence.mean.iter_mut().for_each(|m| *m *= -3.0);
    let verdict = judge(&evidence);
    assert_eq!((verdict.headline.as_str(), verdict.standing), ("Worse than predicting the mean", Standing::Poor));
    assert_eq!(error_colour(&evidence), Standing::Poor);
    assert_eq!(error_colour(&regression(200, 4.0, 1.0)), Standing::Good);
}

#[test]
fn chance_alone_never_makes_intervals_wrong_on_few_rows() {
    let mut evidence = regression(12, 4.0, 1.0);
    // Two of twelve outside is 83 %, which chance explains.
    evidence.observed[0] += 50.0;
    evidence.observed[1] -= 50.0;
    let verdict = judge(&evidence);
    assert!(!verdict.headline.contains("overconfident"), "{}", verdict.headline);
    assert!(verdict.sentences.iter().any(|s| s.contains("With only 12 rows")), "{:?}", verdict.sentences);
    assert_eq!(judge(&regression(5, 4.0, 1.0)).headline, "Too few rows to judge");
    assert_eq!(judge(&RegressionEvidence::default()).headline, "Nothing to judge");
}

#[test]
fn a_large_sample_does_not_make_a_tiny_difference_important() {
    // 94.5 % instead of 95 % is certain with this many rows, and unimportant.
    let verdict = judge(&regression(100_000, 4.0, 0.98));
    assert_eq!(verdict.headline, "Accurate predictions with honest intervals");
}

#[test]
fn bias_unusable_rows_and_the_basis_are_said() {
    let mut evidence = regression(300, 4.0, 1.0);
    evidence.mean.iter_mut().for_each(|m| *m += 0.9);
    evidence.observed[4] = f64::NAN;
    evidence.basis = Basis::Training;
    let verdict = judge(&evidence);
    let said =
        |part: &str| assert!(verdict.sentences.iter().any(|s| s.contains(part)), "{part}: {:?}", verdict.sentences);
    said("too high");
    said("1 row could not be judged");
    said("The model has seen these rows");
    said("On the 299 rows the model was fitted to");
    assert_ne!(verdict.standing, Standing::Good);
    evidence.basis = Basis::Validation("leave-one-out".into());
    assert!(judge(&evidence).sentences[0].starts_with("On 299 training rows (leave-one-out)"));
}

#[test]
fn a_model_that_knows_where_it_is_unsure_is_credited() {
    let mut rng = Rng::new(3);
    let sd: Vec<f64> = (0..300).map(|i| if i % 2 == 0 { 0.3 } else { 2.0 }).collect();
    let observed: Vec<f64> = sd.iter().map(|s| s * rng.normal()).collect();
    let evidence = RegressionEvidence { mean: vec![0.0; 300], observed, sd, ..Default::default() };
    assert!(judge(&evidence).sentences.iter().any(|s| s.contains("knows where it is unsure")));
}

#[test]
fn the_scores_have_their_closed_forms() {
    let evidence = RegressionEvidence {
        observed: vec![1.0, 2.0, 3.0, 6.0],
        mean: vec![1.0, 2.0, 5.0, 6.0],
        intervals: vec![Interval { level: 0.9, lower: vec![0.0, 1.0, 4.0, 5.0], upper: vec![2.0, 3.0, 6.0, 7.0] }],
        ..Default::default()
    };
    let scores = RegressionScores::new(&evidence);
    assert_eq!((scores.rmse, scores.mae, scores.bias.0), (1.0, 0.5, 0.5));
    assert_eq!(scores.baseline_rmse, 3.5f64.sqrt());
    assert!((scores.explained() - (1.0 - 1.0 / 3.5)).abs() < 1e-12);
    assert_eq!((scores.held[0].rows, scores.held[0].width), (3, 2.0));
}

#[test]
fn the_verdict_does_not_depend_on_the_unit_however_large_or_small() {
    let plain = RegressionScores::new(&regression(100, 4.0, 1.0));
    for unit in [1e300, 1e-300] {
        let mut evidence = regression(100, 4.0, 1.0);
        let values = evidence.observed.iter_mut().chain(&mut evidence.mean).chain(&mut evidence.sd);
        values.for_each(|v| *v *= unit);
        for interval in &mut evidence.intervals {
            interval.lower.iter_mut().chain(&mut interval.upper).for_each(|v| *v *= unit);
        }
        let scores = RegressionScores::new(&evidence);
        for (found, expected) in [(scores.rmse, plain.rmse), (scores.baseline_rmse, plain.baseline_rmse)] {
            assert!((found / unit / expected - 1.0).abs() < 1e-12, "{found:e} against {expected}");
        }
        assert!((scores.baseline_nlpd() - plain.baseline_nlpd() - unit.ln()).abs() < 1e-9);
        assert_eq!(scores.verdict().headline, plain.verdict().headline);
    }
}

/// Two classes with base rate `p`; the model says `stated` for the class it holds probable.
fn classification(rows: usize, right: f64, stated: f64) -> ClassificationEvidence {
    let mut rng = Rng::new(11);
    let mut evidence = ClassificationEvidence { classes: vec!["no".into(), "yes".into()], ..Default::default() };
    for i in 0..rows {
        let guess = i % 2;
        evidence.truth.push(if rng.uniform() < right { guess } else { 1 - guess });
        evidence.probabilities.extend(if guess == 0 { [stated, 1.0 - stated] } else { [1.0 - stated, stated] });
    }
    evidence
}

#[test]
fn classes_are_judged_by_information_and_honesty() {
    let headline = |right, stated| ClassificationScores::new(&classification(500, right, stated)).verdict().headline;
    assert_eq!(headline(0.85, 0.85), "Informative predictions with honest probabilities");
    assert_eq!(headline(0.75, 0.90), "Informative predictions, but overconfident");
    assert_eq!(headline(0.95, 0.75), "Informative predictions, but too modest");
    assert_eq!(headline(0.5, 0.9), "No better than the base rates");
}

#[test]
fn a_class_held_impossible_makes_the_log_loss_infinite_and_is_said() {
    let mut evidence = classification(100, 0.9, 0.9);
    evidence.truth[0] = 1;
    evidence.probabilities[0] = 1.0;
    evidence.probabilities[1] = 0.0;
    let scores = ClassificationScores::new(&evidence);
    assert!(scores.log_loss.is_infinite() && scores.impossible == 1);
    assert!(scores.verdict().sentences.iter().any(|s| s.contains("held the true class to be impossible")));
}

#[test]
fn class_scores_have_their_closed_forms() {
    let evidence = ClassificationEvidence {
        classes: vec!["a".into(), "b".into()],
        truth: vec![0, 1],
        probabilities: vec![0.8, 0.2, 0.6, 0.4],
        ..Default::default()
    };
    let scores = ClassificationScores::new(&evidence);
    assert_eq!(scores.accuracy, 0.5);
    assert!((scores.log_loss + 0.5 * (0.8f64.ln() + 0.4f64.ln())).abs() < 1e-12);
    assert!((scores.brier - 0.5 * (0.08 + 0.72)).abs() < 1e-12);
    assert!((scores.ece - 0.5 * (0.2 + 0.6)).abs() < 1e-12, "{}", scores.ece);
    assert!((scores.baseline_log_loss - 2f64.ln()).abs() < 1e-12);
    // Of 15 bins, 0.64 and 0.68 are in the tenth and the eleventh; ten bins would have both in one, and the gaps would cancel in part.
    let near = ClassificationEvidence { probabilities: vec![0.64, 0.36, 0.68, 0.32], ..evidence };
    let ece = ClassificationScores::new(&near).ece;
    assert!((ece - 0.5 * (0.36 + 0.68)).abs() < 1e-12, "{ece}");
}
