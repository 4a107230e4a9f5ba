//! Transforms of the values.

use elbo_core::Rng;
use elbo_decide::surrogate::{Gp, Output, SurrogateConfig, Warp};

const ALL: [Output; 5] = [Output::Standardise, Output::Log, Output::BoxCox, Output::YeoJohnson, Output::RankNormal];

#[test]
fn transforms_grow_and_their_inverse_is_one() {
    let mut rng = Rng::new(1);
    let positive: Vec<f64> = (0..50).map(|_| (0.8 * rng.normal() + 2.0).exp()).collect();
    // Maximised targets come with their sign turned.
    for values in [positive.clone(), positive.iter().map(|v| -v).collect()] {
        let mut sorted: Vec<f64> = values;
        sorted.sort_by(f64::total_cmp);
        for output in ALL {
            let warp = Warp::learn(output, &sorted).unwrap();
            let z: Vec<f64> = sorted.iter().map(|v| warp.forward(*v)).collect();
            assert!(z.windows(2).all(|w| w[0] < w[1]), "{output:?}");
            for (z, v) in z.iter().zip(&sorted) {
                assert!((warp.inverse(*z) - v).abs() < 1e-8 * v.abs(), "{output:?}: {v}");
            }
        }
    }
    let mixed = [3.0, -1.0, 0.5];
    for output in [Output::Log, Output::BoxCox] {
        let error = Warp::learn(output, &mixed).unwrap_err();
        assert!(error.to_string().contains("-1") && error.remedy().contains("yeo_johnson"), "{error}");
    }
    assert!(Warp::learn(Output::YeoJohnson, &mixed).is_ok());
}

#[test]
fn powers_of_largest_likelihood_are_those_of_scipy() {
    // Where boxcox_llf(λ, v) and yeojohnson_llf(λ, (v - mean) / sd), sd with N - 1, of scipy.stats 1.17 are largest: golden/make_powers.py.
    let values = [0.3, 0.5, 0.9, 1.2, 1.9, 2.5, 4.0, 7.5, 11.0, 30.0];
    let Warp::Power { lambda, unit } = Warp::learn(Output::BoxCox, &values).unwrap() else { panic!("a power") };
    assert!((lambda + 0.092_722).abs() < 1e-5, "{lambda}");
    assert!((unit.ln() - values.iter().map(|v| v.ln()).sum::<f64>() / 10.0).abs() < 1e-12);
    let milder = [-1.0, -0.6, -0.4, -0.1, 0.2, 0.3, 0.8, 1.4, 2.0, 3.5];
    let Warp::YeoJohnson { lambda, .. } = Warp::learn(Output::YeoJohnson, &milder).unwrap() else { panic!("a power") };
    assert!((lambda - 0.224_325).abs() < 1e-5, "{lambda}");
}

#[test]
fn ranks_become_normal_scores() {
    let warp = Warp::learn(Output::RankNormal, &[5.0, 1.0, 1.0, 100.0]).unwrap();
    let score = elbo_tensor::special::ndtri;
    assert!((warp.forward(1.0) - score(0.25)).abs() < 1e-12 && (warp.forward(100.0) - score(0.875)).abs() < 1e-12);
    assert_eq!(warp.forward(1e9), warp.forward(100.0));
}

#[test]
fn a_process_of_logarithms_predicts_in_the_unit_of_the_data() {
    let mut rng = Rng::new(3);
    let x: Vec<f64> = (0..20).map(|i| f64::from(i) / 19.0).collect();
    let y: Vec<f64> = x.iter().map(|x| (6.0 * x).exp()).collect();
    let config = SurrogateConfig { output: Output::Log, ..SurrogateConfig::default() };
    let gp = Gp::fit(&x, &y, &[0], &config, None, &mut rng).unwrap();
    let (mean, variance) = gp.marginals(&[0.513]);
    let expected = (6.0f64 * 0.513).exp();
    assert!((gp.natural(mean[0]) / expected - 1.0).abs() < 0.02, "{}", gp.natural(mean[0]));
    assert!(gp.natural_sd(mean[0], variance[0]) < 0.1 * expected);
    assert!((gp.natural(gp.standardised(7.0)) - 7.0).abs() < 1e-9);
}
