//! Diagnostics equal ArviZ's; `golden/make_arviz.py` made the numbers and names the version.

use elbo_infer::diagnostics::{
    e_bfmi, ess_bulk, ess_mean, ess_quantile, ess_tail, mcse_mean, mcse_quantile, psis, r_hat,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/arviz.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Both are f64 computations of the same formula; only summation order and special functions differ.
fn assert_same(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0), "{what}: {ours}, ArviZ {theirs}");
}

#[test]
fn chain_diagnostics_equal_arviz() {
    for case in golden()["chains"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let chains = case["chains"].as_u64().unwrap() as usize;
        let draws = numbers(&case["draws"]);
        let check = |key: &str, ours: f64| assert_same(&format!("{name}, {key}"), ours, case[key].as_f64().unwrap());
        check("ess_bulk", ess_bulk(&draws, chains));
        check("ess_tail", ess_tail(&draws, chains));
        check("ess_mean", ess_mean(&draws, chains));
        check("ess_median", ess_quantile(&draws, chains, 0.5));
        check("mcse_mean", mcse_mean(&draws, chains));
        check("mcse_q90", mcse_quantile(&draws, chains, 0.9));
        if chains > 1 {
            check("r_hat", r_hat(&draws, chains));
        }
        for (ours, theirs) in e_bfmi(&draws, chains).into_iter().zip(numbers(&case["bfmi"])) {
            assert_same(&format!("{name}, bfmi"), ours, theirs);
        }
    }
}

#[test]
fn smoothed_weights_equal_arviz() {
    for case in golden()["psis"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let ours = psis(&numbers(&case["log_weights"]));
        match case["k"].as_f64() {
            Some(k) => assert_same(&format!("{name}, k"), ours.k, k),
            None => assert_eq!(ours.k, f64::INFINITY, "{name}"),
        }
        for (ours, theirs) in ours.log_weights.iter().zip(numbers(&case["smoothed"])) {
            assert_same(name, *ours, theirs);
        }
    }
}

#[test]
fn chains_that_are_short_or_not_finite_have_no_verdict() {
    assert!(r_hat(&[1.0, 2.0, 3.0], 1).is_nan());
    assert!(ess_bulk(&[1.0, 2.0, f64::NAN, 3.0, 4.0], 1).is_nan());
    assert!(ess_tail(&[1.0, 2.0, f64::INFINITY, 3.0, 4.0], 1).is_nan());
    // A chain that never moved: arithmetic has no opinion about its R-hat, and the effective size is ArviZ's convention.
    assert!(r_hat(&[2.0; 20], 2).is_nan());
    assert_eq!(ess_mean(&[2.0; 20], 2), 20.0);
}
