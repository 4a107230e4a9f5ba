//! Which likelihoods are of a location: the target is a latent value plus noise.

use super::{assert_close, every, every_multi};
use elbo_gp::likelihood::*;

#[test]
fn where_the_latent_value_is_the_location_both_move_together_and_elsewhere_they_do_not() {
    for (likelihood, targets) in every() {
        for y in &targets {
            // Targets that would leave the support show it already.
            if !likelihood.is_location() && likelihood.check_targets(&[y + 1.0]).is_err() {
                continue;
            }
            for f in [-0.4, 0.3] {
                let moved = likelihood.log_prob(y + 1.0, f + 1.0) - likelihood.log_prob(*y, f);
                let what = format!("{}: {moved} at {y}, {f}", likelihood.name());
                assert_eq!(moved.abs() < 1e-9, likelihood.is_location(), "{what}");
            }
        }
    }
    for (likelihood, targets) in every_multi() {
        let Some(latent) = likelihood.location() else {
            assert!(likelihood.name() != "heteroscedastic" && likelihood.name() != "student_t");
            continue;
        };
        let f = vec![0.3; likelihood.latents()];
        let mut moved = f.clone();
        moved[latent] += 1.0;
        for y in targets {
            assert_close(likelihood.name(), likelihood.log_prob(y + 1.0, &moved), likelihood.log_prob(y, &f), 1e-9);
        }
    }
}

#[test]
fn configurations_know_locations_and_two_classes_as_likelihoods_do() {
    let configs = [
        r#"{"type": "gaussian"}"#,
        r#"{"type": "student_t"}"#,
        r#"{"type": "laplace"}"#,
        r#"{"type": "log_gaussian"}"#,
        r#"{"type": "gamma"}"#,
        r#"{"type": "beta"}"#,
        r#"{"type": "poisson"}"#,
        r#"{"type": "bernoulli_probit"}"#,
        r#"{"type": "bernoulli_logit", "bound": true}"#,
        r#"{"type": "ordinal", "edges": [0.0, 1.0]}"#,
    ];
    for text in configs {
        let config: LikelihoodConfig = serde_json::from_str(text).unwrap();
        let built = config.build().unwrap();
        assert_eq!(config.is_of_location_and_scale(), built.is_location(), "{text}");
        assert_eq!(config.is_of_two_classes(), built.probability(0.3, 0.5).is_some(), "{text}");
    }
}
