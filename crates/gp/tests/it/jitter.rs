//! One jitter over the solves of a fit.

use crate::problems::Problem;
use elbo_core::{Error, ModelFile, Snapshot};
use elbo_gp::exact::ExactGp;
use elbo_gp::kernel::{Kernel, Profile, Stationary};
use elbo_gp::mean::Zero;
use elbo_gp::sgpr::Sgpr;
use elbo_tensor::{Parameters, Tensor};

/// Forty points in a row, so near to each other under this lengthscale that their covariance is singular.
fn singular() -> (Tensor, Box<dyn Kernel>) {
    let z = Tensor::from_vec((0..40).map(|i| 0.05 * f64::from(i)).collect(), &[40, 1]);
    (z, Box::new(Stationary::new(Profile::Rbf, &[2.0])))
}

fn process(p: &Problem) -> Sgpr {
    let (z, kernel) = singular();
    Sgpr::new(kernel, Box::new(Zero), 0.1, z, p.x.clone(), p.targets()).with_fixed_inducing()
}

/// A lengthscale at which the same points are far apart.
fn separate(gp: &mut Sgpr) {
    gp.assign("kernel.lengthscale", &[0.01]).unwrap();
}

#[test]
fn a_held_jitter_stays_when_the_covariance_no_longer_needs_it() {
    let p = Problem::regression(30, 1, 31);
    let (mut held, mut free) = (process(&p).with_held_jitter(), process(&p));
    for gp in [&mut held, &mut free] {
        gp.bound().unwrap();
    }
    let needed = held.jitter();
    assert!(needed > 0.0 && free.jitter() == 0.0, "{needed}");
    for gp in [&mut held, &mut free] {
        separate(gp);
    }
    let (a, b) = (held.bound().unwrap().item(), free.bound().unwrap().item());
    // The same but for a jitter of the covariance's own size.
    assert!(a.to_bits() != b.to_bits() && (a - b).abs() < 1e4 * needed, "{a} {b}");
    assert_eq!(held.jitter(), needed);
    held.condition().unwrap();
    assert_eq!(held.jitter(), needed);
    // A model that takes over the state of the fit goes on with the same function.
    let mut file = ModelFile::new("test");
    held.save(&mut file, "gp");
    let mut resumed = process(&p).with_held_jitter();
    resumed.restore(&file, "gp").unwrap();
    assert_eq!(resumed.bound().unwrap().item().to_bits(), a.to_bits());
}

#[test]
fn an_exact_process_with_noise_needs_no_jitter_and_counts_no_variances() {
    let p = Problem::regression(25, 1, 32);
    let gp = ExactGp::new(p.kernel(), Box::new(Zero), p.noise, p.x.clone(), p.targets()).with_held_jitter();
    let posterior = gp.condition().unwrap();
    posterior.marginals(&p.x).unwrap();
    assert_eq!((posterior.jitter(), posterior.take_clamped()), (0.0, 0));
}

#[test]
fn an_exact_process_holds_its_jitter_and_counts_raised_variances() {
    let (x, _) = singular();
    // The noise is below the rounding of the variances, so that what is left of them at the rows is rounding of zero.
    let kernel = || Box::new(Stationary::new(Profile::Rbf, &[2.0]).with_variance(1e12));
    let process = || ExactGp::new(kernel(), Box::new(Zero), 1e-5, x.clone(), x.sin().flatten());
    let (mut held, mut free) = (process().with_held_jitter(), process());
    held.log_marginal().unwrap();
    for gp in [&mut held, &mut free] {
        gp.assign("kernel.lengthscale", &[0.01]).unwrap();
    }
    assert!(held.condition().unwrap().jitter() > 0.0);
    let posterior = free.condition().unwrap();
    posterior.marginals(&x).unwrap();
    let counts = [posterior.take_clamped(), posterior.take_clamped()];
    assert!(posterior.jitter() == 0.0 && counts[0] > 0 && counts[1] == 0, "{counts:?}");
}

/// The sum of two numbers: symmetric, and not positive semi-definite.
struct Indefinite;

elbo_tensor::parameters!(Indefinite {});

impl Kernel for Indefinite {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        x + z.t()
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        (x * 2.0).reshape(&[x.size(0)])
    }

    fn summary(&self) -> String {
        "indefinite".into()
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(Self)
    }
}

#[test]
fn a_failed_factorisation_of_inducing_points_says_what_is_at_fault() {
    let p = Problem::regression(12, 1, 33);
    for (points, says) in
        [([0.0, 1.0, 2.0], "positive semi-definite"), ([0.0, 2.0, 0.0], "points 1 and 3 are the same")]
    {
        let z = Tensor::from_slice(&points, &[3, 1]);
        let gp = Sgpr::new(Box::new(Indefinite), Box::new(Zero), 0.1, z, p.x.clone(), p.targets());
        for error in [gp.bound().err().unwrap(), gp.condition().err().unwrap()] {
            let Error::Numerical { remedy, .. } = &error else { panic!("{error}") };
            assert!(remedy.contains(says), "{remedy}");
        }
    }
}
