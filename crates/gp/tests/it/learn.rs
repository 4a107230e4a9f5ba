//! Sites and hyperparameters in turn: steps that are too long, evidences that do not exist, sites that are skipped.

use crate::problems::{Problem, assert_close};
use elbo_core::{Error, Result, Run, Stop, drive};
use elbo_gp::evidence::{Elbo, Energy, Evidence};
use elbo_gp::kernel::{Profile, Stationary};
use elbo_gp::learn::{Rounds, site_counts};
use elbo_gp::likelihood::{BernoulliProbit, Likelihood, Poisson};
use elbo_gp::mean::Zero;
use elbo_gp::prior::DensePrior;
use elbo_gp::site::{Cvi, Laplace, Marginal, Place, SiteRule};
use elbo_gp::sites::SiteGp;
use elbo_tensor::{Tensor, no_grad};

/// Counts of a thousand at two places far from each other, under a prior of variance 10.
fn large_counts() -> SiteGp {
    let kernel = Box::new(Stationary::new(Profile::Rbf, &[1.0]).with_variance(10.0));
    let prior = Box::new(DensePrior::new(kernel, Tensor::from_vec(vec![-20.0, 20.0], &[2, 1])));
    SiteGp::new(prior, Box::new(Zero), Box::new(Poisson::new(1.0)), vec![1000.0; 2]).unwrap()
}

fn classes() -> SiteGp {
    let p = Problem::classification(14, 2, 8);
    let prior = Box::new(DensePrior::new(p.kernel(), p.x.clone()));
    SiteGp::new(prior, Box::new(Zero), Box::new(BernoulliProbit::new()), p.y).unwrap()
}

#[test]
fn newton_steps_that_lower_the_density_are_halved_until_the_mode_is_found() {
    let rule = Laplace { damping: 1.0 };
    let mut whole = large_counts();
    whole.sweep(&rule).unwrap();
    // A rate of exp(900) is what the whole step asks for.
    assert!(whole.marginals().unwrap()[0].mean > 900.0);
    let mut model = large_counts();
    assert!(model.infer(&rule, 1, 1e-10).unwrap().0.halvings > 5);
    let (report, sweeps) = model.infer(&rule, 50, 1e-10).unwrap();
    assert!(report.change <= 1e-10 && sweeps < 30, "{report:?} after {sweeps}");
    for at in model.marginals().unwrap() {
        // At the mode the slope of the log likelihood is that of the prior.
        assert_close(1000.0 - at.mean.exp(), at.mean / 10.0, 1e-6, "slope at the mode");
    }
}

/// Asks for a precision of 64 at every site whose target is positive, and skips the others; objects to more than 10.
#[derive(Debug)]
struct Bold;

impl SiteRule for Bold {
    fn propose(&self, _: &dyn Likelihood, y: f64, _: Marginal, _: (f64, f64)) -> Option<(f64, f64)> {
        (y > 0.0).then_some((0.0, 64.0))
    }

    fn damping(&self) -> f64 {
        1.0
    }

    fn name(&self) -> &'static str {
        "bold"
    }

    fn overshoots(&self, _: &dyn Likelihood, _: &[f64], _: Place<'_>, to: Place<'_>) -> bool {
        to.sites.precision.iter().any(|p| *p > 10.0)
    }
}

#[test]
fn a_step_is_halved_until_the_rule_has_no_objection() {
    let mut model = classes();
    let (report, _) = model.infer(&Bold, 1, 1e-6).unwrap();
    assert_eq!(report.halvings, 3);
    let most = model.sites.precision.iter().fold(0.0f64, |a, p| a.max(*p));
    assert_close(most, 8.0, 1e-6, "64 halved three times");
}

#[test]
fn skipped_sites_are_counted_and_warned_about_without_moving_any() {
    let model = classes();
    let skipped = model.targets().iter().filter(|y| **y < 0.0).count();
    assert!(skipped > 0);
    let (sites, mut run) = (model.sites.clone(), Run::new(0));
    assert_eq!(site_counts(&model, &Bold, &mut run).unwrap(), [("skipped_sites".to_owned(), skipped as f64)]);
    assert!(run.warnings()[0].starts_with(&format!("{skipped} of 14 sites")), "{:?}", run.warnings());
    assert_eq!(model.sites, sites);
    let mut quiet = Run::new(0);
    assert!(site_counts(&model, &Cvi { rho: 0.5 }, &mut quiet).unwrap().is_empty() && quiet.warnings().is_empty());
}

/// Exists nowhere; its milder form is the bound, if it has one.
#[derive(Debug)]
struct Nowhere {
    has_milder: bool,
}

impl Evidence for Nowhere {
    fn value(&self, _: &SiteGp) -> Result<Tensor> {
        Err(Error::recoverable("a cavity is not positive", "use a smaller power"))
    }

    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn milder(&self) -> Option<Box<dyn Evidence>> {
        self.has_milder.then(|| Box::new(Elbo) as Box<dyn Evidence>)
    }
}

fn rounds(evidence: &dyn Evidence) -> Rounds<'_> {
    Rounds { rule: &Cvi { rho: 0.5 }, evidence, sweeps: 20, moves: 3, tolerance: 1e-2 }
}

#[test]
fn where_an_evidence_does_not_exist_its_milder_form_is_climbed() {
    let stop = Stop::after(3, "rounds", "evidence");
    let (mut model, mut run) = (classes(), Run::new(0));
    let reached = drive(&rounds(&Nowhere { has_milder: true }), &mut model, &stop, &mut run).unwrap().objective;
    assert_eq!(run.warnings().iter().filter(|text| text.contains("`nowhere` does not exist")).count(), 1);
    let (mut plain, mut quiet) = (classes(), Run::new(0));
    assert_eq!(drive(&rounds(&Elbo), &mut plain, &stop, &mut quiet).unwrap().objective.to_bits(), reached.to_bits());
    assert!(quiet.warnings().is_empty(), "{:?}", quiet.warnings());
    let failure = drive(&rounds(&Nowhere { has_milder: false }), &mut classes(), &stop, &mut Run::new(0)).unwrap_err();
    assert!(failure.to_string().contains("a cavity is not positive"), "{failure}");
}

#[test]
fn the_energy_falls_back_to_a_power_of_four_fifths() {
    let mut model = classes();
    model.infer(&Cvi { rho: 0.5 }, 100, 1e-9).unwrap();
    let value = |evidence: &dyn Evidence| no_grad(|| evidence.value(&model)).unwrap().item();
    let milder = Energy { alpha: 1.0 }.milder().unwrap();
    assert_eq!(value(milder.as_ref()).to_bits(), value(&Energy { alpha: 0.8 }).to_bits());
    assert!(Energy { alpha: 0.8 }.milder().is_none() && Elbo.milder().is_none());
}
