//! The example of a user's own model, in a small budget.

#[path = "../../examples/own_model.rs"]
#[allow(dead_code, reason = "the program's own start runs it with its full budget")]
mod example;

use elbo::infer::fit::{Method, MethodSettings, ViSettings};
use elbo::infer::mcmc::Hamiltonian;

#[test]
fn four_methods_answer_one_model_and_the_report_ends_with_a_verdict() {
    let settings = MethodSettings {
        nuts: Hamiltonian { warmup: 300, draws: 300, ..Hamiltonian::nuts() },
        vi: ViSettings { steps: 1500, evaluated: 2000, ..ViSettings::default() },
        flow_steps: 300,
        ..MethodSettings::default()
    };
    let answers = example::answers(&["nuts", "mean-field", "full-rank", "realnvp:2x8"], &settings, 3).unwrap();
    let text = answers.to_string();
    assert!(text.contains("k-hat") && text.trim_end().ends_with(&answers.verdict()), "{text}");
    assert_eq!(answers.answers[0].labels[..4], ["level", "trend", "spread", "decade[0]"]);
    // Fewer disasters in the later years, by every method.
    for answer in &answers.answers {
        assert!(answer.mean()[1] < -0.3, "{}: {text}", answer.method);
    }
    let sampled = &answers.answers[0];
    assert_eq!(sampled.method, Method::Nuts);
    // Correlated unknowns: the mean field's bound is below the full rank's.
    let bound = |i: usize| answers.answers[i].elbo.unwrap();
    assert!(bound(1).value < bound(2).value, "{text}");
}
