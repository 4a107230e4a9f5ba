//! Laplace's evidence: the mode's part of the gradient.

use crate::problems::{Problem, gradient_check};
use elbo_core::Result;
use elbo_gp::evidence::{Evidence, LaplaceEvidence};
use elbo_gp::likelihood::{BernoulliLogit, Likelihood, StudentT};
use elbo_gp::mean::{MeanConfig, Zero};
use elbo_gp::prior::{DensePrior, LatentPrior, SparsePrior};
use elbo_gp::site::{Laplace, PRECISION_FLOOR};
use elbo_gp::sites::SiteGp;
use elbo_tensor::Tensor;

fn priors(p: &Problem) -> [Box<dyn LatentPrior>; 2] {
    let dense = DensePrior::new(p.kernel(), p.x.clone());
    [Box::new(dense), Box::new(SparsePrior::new(p.kernel(), p.x.narrow(0, 0, 6), p.x.clone()))]
}

/// The evidence at sites that are found anew, since they follow the mode.
fn at_mode(model: &mut SiteGp) -> Result<Tensor> {
    model.infer(&Laplace { damping: 1.0 }, 5000, 1e-13)?;
    LaplaceEvidence.value(model)
}

#[test]
fn the_gradient_holds_where_outliers_have_floored_sites() {
    let mut p = Problem::regression(16, 1, 8);
    (p.y[3], p.y[11]) = (p.y[3] + 3.0, p.y[11] - 4.0);
    for (prior, is_sparse) in priors(&p).into_iter().zip([false, true]) {
        let likelihood: Box<dyn Likelihood> = Box::new(StudentT::new(4.0, 0.4));
        let mut model = SiteGp::new(prior, Box::new(Zero), likelihood, p.y.clone()).unwrap();
        model.hold_likelihood();
        gradient_check(&mut model, at_mode, 1e-4, &format!("sparse {is_sparse}"));
        let floored = model.sites.precision.iter().filter(|precision| **precision <= PRECISION_FLOOR).count();
        assert!((1..8).contains(&floored), "sparse {is_sparse}: {floored} sites are floored");
    }
}

#[test]
fn the_gradient_holds_what_the_mean_function_does_to_the_mode() {
    let p = Problem::classification(14, 2, 8);
    for (prior, is_sparse) in priors(&p).into_iter().zip([false, true]) {
        let mean = MeanConfig::Linear.build(&[0, 0]).unwrap();
        let mut model = SiteGp::new(prior, mean, Box::new(BernoulliLogit::new()), p.y.clone()).unwrap();
        gradient_check(&mut model, at_mode, 1e-5, &format!("sparse {is_sparse}"));
    }
}
