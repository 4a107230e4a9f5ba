//! Priors on hyperparameters.

use crate::problems::{Problem, assert_close};
use elbo_core::{Error, Run};
use elbo_dist::Prior;
use elbo_gp::exact::ExactGp;
use elbo_gp::fit::{Search, search};
use elbo_gp::kernel::{Product, Stationary};
use elbo_gp::mean::{Basis, Trend, Zero};
use elbo_gp::priors::PriorsConfig;
use elbo_tensor::Parameters;

fn exact(p: &Problem) -> ExactGp {
    ExactGp::new(p.kernel(), Box::new(Zero), 0.1, p.x.clone(), p.targets())
}

const SEARCH: Search = Search { starts: 1, iterations: 100 };

#[test]
fn the_search_ends_where_the_posterior_density_is_flat() {
    let p = Problem::regression(60, 2, 3);
    let priors = PriorsConfig::dimension_scaled().with("variance", Prior::Gamma { shape: 3.0, rate: 2.0 });
    let mut gp = exact(&p);
    priors.apply(&mut gp, 2).unwrap();
    let found = search(&mut gp, SEARCH, &mut Run::new(0)).unwrap();
    assert_close(found.evidence(), gp.log_marginal().unwrap().item(), 1e-12, "evidence without the priors");
    assert_close(found.log_prior, gp.log_prior().item(), 1e-12, "log prior");
    let density = gp.log_marginal().unwrap() + gp.log_prior();
    assert_close(found.loss, -density.item(), 1e-12, "loss");
    for slope in gp.gradient(&density) {
        assert!(slope.abs() < 1e-3, "the density rises by {slope} a nat of a logarithm");
    }
    // Four parameters: two lengthscales of a log-normal each, the variance, the noise.
    let expected: f64 = gp
        .describe()
        .iter()
        .map(|d| {
            let prior = match d.name.as_str() {
                "kernel.lengthscale" => Prior::lengthscale(2),
                "kernel.variance" => Prior::Gamma { shape: 3.0, rate: 2.0 },
                _ => Prior::noise(),
            };
            d.value.iter().map(|v| prior.log_prob(*v)).sum::<f64>()
        })
        .sum();
    assert_close(found.log_prior, expected, 1e-12, "the density of natural values, without a Jacobian");
}

#[test]
fn a_sharp_prior_decides_and_none_changes_nothing() {
    let p = Problem::regression(60, 1, 5);
    let fitted = |priors: &PriorsConfig| {
        let mut gp = exact(&p);
        priors.apply(&mut gp, 1).unwrap();
        let found = search(&mut gp, SEARCH, &mut Run::new(0)).unwrap();
        (gp.noise(), found)
    };
    let (free, found) = fitted(&PriorsConfig::default());
    assert_eq!((found.log_prior, found.evidence()), (0.0, -found.loss));
    let (held, _) = fitted(&PriorsConfig::default().with("noise", Prior::NormalOnLog { mu: 0.7f64.ln(), sigma: 1e-3 }));
    assert!(
        (free / 0.05).ln().abs() < 0.7 && (held / 0.7).ln().abs() < 0.01,
        "{free} free, {held} under a sharp prior"
    );
}

#[test]
fn the_longest_name_counts_and_held_parameters_get_none() {
    let mut kernel = Product::new(vec![Box::new(Stationary::rbf(2)), Box::new(Stationary::matern52(2))]);
    kernel.visit_mut(&mut |name, p| p.set_frozen(name == "factors.1.variance"));
    let priors = PriorsConfig::default()
        .with("lengthscale", Prior::Gamma { shape: 2.0, rate: 1.0 })
        .with("factors.1.lengthscale", Prior::HalfNormal { sd: 2.0 })
        .with("variance", Prior::HalfCauchy { scale: 1.0 });
    priors.apply(&mut kernel, 2).unwrap();
    let found: Vec<Option<String>> = kernel.describe().into_iter().map(|d| d.prior).collect();
    let text = |t: &str| Some(t.to_owned());
    assert_eq!(found, [text("Gamma(2, 1)"), text("HalfCauchy(1)"), text("HalfNormal(2)"), None]);
}

#[test]
fn wrong_priors_are_refused_with_a_remedy() {
    let p = Problem::regression(10, 1, 5);
    let refused = |priors: PriorsConfig| priors.apply(&mut exact(&p), 1).unwrap_err();
    let unknown = refused(PriorsConfig::default().with("lengthscales", Prior::noise()));
    assert!(matches!(unknown, Error::Unknown { .. }) && unknown.remedy().contains("lengthscale"), "{unknown:?}");
    let outside = refused(PriorsConfig::default().with("noise", Prior::Uniform { low: 0.5, high: 1.0 }));
    assert!(outside.to_string().contains("uniform(0.5, 1)"), "{outside}");
    let mut trend =
        ExactGp::new(p.kernel(), Box::new(Trend::new(Basis::polynomial(&[0], 0))), 0.1, p.x.clone(), p.targets());
    let log_of_zero = PriorsConfig::default().with("coefficients", Prior::noise()).apply(&mut trend, 1);
    assert!(log_of_zero.is_err());
    assert!(PriorsConfig::default().with("noise", Prior::HalfNormal { sd: -1.0 }).check().is_err());
    for text in [r#""dimension-scaled""#, r#"{"noise": "gamma(1)"}"#, "3"] {
        assert!(serde_json::from_str::<PriorsConfig>(text).is_err(), "{text}");
    }
    let written = r#"{"lengthscale":"dimension_scaled","noise":"log_normal(-4, 1)"}"#;
    let read: PriorsConfig = serde_json::from_str(written).unwrap();
    assert_eq!(read, PriorsConfig::dimension_scaled());
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
    assert_eq!(serde_json::from_str::<PriorsConfig>(r#""dimension_scaled""#).unwrap(), read);
}
