//! Counts behind a hurdle, and counts given that they are not zero.

use super::families::{s, t};
use super::{assert_divergence, assert_gradients, assert_means};
use crate::assert_close;
use elbo_core::Rng;
use elbo_dist::batched::*;
use elbo_tensor::{DType, Tensor};

#[test]
fn positive_counts_have_the_moments_of_the_law_without_its_zero() {
    // Zeros that are seldom, usual and nearly certain; the last are drawn by other ways than by drawing again.
    let bases: Vec<Box<dyn Batched>> = vec![
        Box::new(Poisson::new(t(&[0.02, 0.7, 45.0], &[3]))),
        Box::new(NegativeBinomial::new(t(&[0.02, 0.5, 2.4, 30.0], &[4]), t(&[0.5, 0.05, 1.3, 8.0], &[4]))),
        Box::new(Binomial::new(t(&[6.0, 50.0, 1.0], &[3]), t(&[0.4, -5.0, -2.0], &[3]))),
        Box::new(Geometric::new(t(&[-0.4, 3.0], &[2]))),
        Box::new(ZeroInflated::new(s(0.4), Poisson::new(s(0.3)))),
        Box::new(Hurdle::new(s(2.0), Poisson::new(s(1.6)))),
    ];
    let mut rng = Rng::new(31);
    for base in bases {
        let x = base.sample_positive(&[40_000], &mut rng).unwrap();
        assert!(x.to_vec().iter().all(|v| *v >= 1.0 && v.fract() == 0.0), "{base:?}");
        let zero = base.log_prob(&Tensor::zeros(&base.batch_shape(), DType::F64)).exp();
        let (mean, variance) = (base.mean().unwrap(), base.variance().unwrap());
        assert_means(&format!("mean of {base:?}"), &x, &(&mean / (1.0 - &zero)));
        assert_means(&format!("square of {base:?}"), &x.square(), &((variance + mean.square()) / (1.0 - zero)));
    }
    let event = Bernoulli::new(t(&[-30.0, f64::NAN], &[2])).sample_positive(&[], &mut rng).unwrap().to_vec();
    assert!(event[0] == 1.0 && event[1].is_nan());
}

#[test]
fn a_zero_that_is_nearly_certain_leaves_a_count_of_one() {
    let bases: [Box<dyn Batched>; 3] = [
        Box::new(Poisson::new(s(1e-300))),
        Box::new(NegativeBinomial::new(s(1e-300), s(2.0))),
        Box::new(Binomial::new(s(4.0), s(-700.0))),
    ];
    for base in bases {
        let x = base.sample_positive(&[100], &mut Rng::new(5)).unwrap();
        assert!(x.to_vec().iter().all(|v| *v == 1.0), "{base:?}");
    }
}

#[test]
fn parameters_without_positive_counts_give_no_numbers() {
    let bases: [Box<dyn Batched>; 5] = [
        Box::new(Poisson::new(s(0.0))),
        Box::new(Poisson::new(s(f64::INFINITY))),
        Box::new(NegativeBinomial::new(s(1.0), s(-2.0))),
        Box::new(Binomial::new(s(0.0), s(0.3))),
        Box::new(Binomial::new(s(3.0), s(f64::NAN))),
    ];
    for base in bases {
        let x = base.sample_positive(&[10], &mut Rng::new(5)).unwrap();
        assert!(x.to_vec().iter().all(|v| v.is_nan()), "{base:?}");
    }
    assert!(Normal::standard(&[2], DType::F64).sample_positive(&[], &mut Rng::new(5)).is_none());
}

#[test]
fn a_hurdle_has_all_its_mass_on_counts_and_the_stated_zero() {
    let hurdle = Hurdle::new(s(-0.4), Binomial::new(s(6.0), s(0.3)));
    let counts = t(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[7]);
    let p = hurdle.log_prob(&counts).exp().to_vec();
    assert_close("mass", p.iter().sum(), 1.0, 1e-14);
    assert_close("zero", p[0], 1.0 / (1.0 + 0.4f64.exp()), 1e-15);
    // Positive counts keep their proportions.
    let base = Binomial::new(s(6.0), s(0.3)).log_prob(&counts).exp().to_vec();
    assert_close("proportion", p[4] / p[2], base[4] / base[2], 1e-14);
    // A base that is nearly always zero still gives probabilities.
    let rare = Hurdle::new(s(0.0), Poisson::new(s(1e-6))).log_prob(&s(1.0)).item();
    assert_close("rare", rare, 0.5f64.ln() - 0.5e-6, 1e-9);
}

#[test]
fn the_divergence_of_hurdles_agrees_with_its_definition_and_with_a_sum() {
    let hurdle = |gate: f64, mean: f64| Hurdle::new(s(gate), Poisson::new(s(mean)));
    let (q, p) = (hurdle(0.3, 2.2), hurdle(-0.4, 1.4));
    assert_divergence("hurdle", &q, &p);
    let counts: Vec<f64> = (0..80).map(f64::from).collect();
    let counts = t(&counts, &[80]);
    let (log_q, log_p) = (q.log_prob(&counts), p.log_prob(&counts));
    assert_close("sum", q.kl(&p).item(), (log_q.exp() * (&log_q - log_p)).sum().item(), 1e-13);
    assert_gradients("KL of hurdles", &[s(0.3), s(2.2), s(-0.4), s(1.4)], &|v| {
        let [q, p] = [&v[..2], &v[2..]].map(|v| Hurdle::new(v[0].clone(), Poisson::new(v[1].clone())));
        q.kl(&p)
    });
}

#[test]
#[should_panic(expected = "a hurdle needs counts behind it, found Normal")]
fn a_hurdle_before_numbers_that_are_no_counts_is_refused() {
    let _ = Hurdle::new(s(0.0), Normal::standard(&[], DType::F64));
}
