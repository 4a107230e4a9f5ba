//! `cvi-ep-hyper`: what each evidence learns.

use elbo_core::{AnySystem, Array, Data, Rng, Run, Values};
use elbo_systems_gp::cvi_ep_hyper::CviEpHyper;
use serde_json::json;

/// A wave with noise of a tenth; every ninth target is far out.
fn wave(rows: usize) -> Data {
    let mut rng = Rng::new(3);
    let x: Vec<f64> = (0..rows).map(|_| rng.range(-2.0, 2.0)).collect();
    let gross = |i: usize| if i.is_multiple_of(9) { 3.0 } else { 0.0 };
    let y = x.iter().enumerate().map(|(i, x)| (2.0 * x).sin() + 0.1 * rng.normal() + gross(i)).collect();
    let arrays = vec![("x".into(), Array::column(Values::F64(x))), ("y".into(), Array::column(Values::F64(y)))];
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

#[test]
fn likelihood_parameters_are_learned_or_shown_as_held_with_a_warning() {
    for (infer, meaning) in [("laplace", "held"), ("vi", "learned"), ("hybrid", "learned")] {
        let mut run = Run::new(0);
        let model = CviEpHyper.fit(&json!({ "infer": infer, "rounds": 3 }), &wave(45), &mut run).unwrap();
        let parameters = model.summary().parameters;
        let of_likelihood: Vec<_> = parameters.iter().filter(|(name, ..)| name.starts_with("likelihood.")).collect();
        assert_eq!(of_likelihood.len(), 2, "{infer}: {parameters:?}");
        assert!(of_likelihood.iter().all(|(_, _, found)| found == meaning), "{infer}: {of_likelihood:?}");
        let at_starts = of_likelihood[0].1 == "4.0000" && of_likelihood[1].1 == "0.3000";
        assert_eq!(at_starts, infer == "laplace", "{infer}: {of_likelihood:?}");
        let warns = run.warnings().iter().any(|text| text.contains("`dof`, `scale` of the likelihood held"));
        assert_eq!(warns, infer == "laplace", "{infer}: {:?}", run.warnings());
    }
}
