use super::*;
use crate::kernel::{Profile, Stationary};
use crate::likelihood::Softmax;

const HOW: Absorb = Absorb {
    inducing: 6,
    remembered: 8,
    memory: 100,
    sweeps: 6,
    rho: 1.0,
    moves: 0,
    rounds: 1,
    by_leverage: true,
    past: Past::Memory,
};

/// A process that has read 40 rows of three classes along a line; `seed` draws its memory.
fn process(how: Absorb, seed: u64) -> MemoryGp {
    let mut rng = Rng::new(3);
    let x: Vec<f64> = (0..40).map(|_| 4.0 * rng.uniform()).collect();
    let y: Vec<f64> = x.iter().map(|x| (x + rng.uniform()).min(4.0).floor() % 3.0).collect();
    let kernel = Box::new(Stationary::new(Profile::Matern52, &[1.0]).with_variance(3.0));
    let mut gp = MemoryGp::new(kernel, Box::new(Softmax::bounded(3)), 1);
    gp.absorb(&Tensor::from_vec(x, &[40, 1]), &y, how, &mut Run::new(seed)).unwrap();
    gp
}

/// All that a process knows, as numbers.
fn known(gp: &MemoryGp) -> Vec<f64> {
    gp.sums.iter().flat_map(|sums| [sums.shift_bar.to_vec(), sums.precision_bar.to_vec()].concat()).collect()
}

/// The mean of what is known over draws, within five standard errors of what it should be.
fn assert_unbiased(draws: &[Vec<f64>], expected: &[f64]) {
    let count = draws.len() as f64;
    for (i, expected) in expected.iter().enumerate() {
        let mean = draws.iter().map(|draw| draw[i]).sum::<f64>() / count;
        let square = draws.iter().map(|draw| (draw[i] - mean).powi(2)).sum::<f64>() / count;
        let error = (square / count).sqrt();
        assert!(error > 0.0 && (mean - expected).abs() < 5.0 * error, "{i}: {mean} +- {error}, expected {expected}");
    }
}

#[test]
fn what_rows_that_leave_hand_on_is_on_average_what_they_knew() {
    let everything = known(&process(Absorb { remembered: 0, ..HOW }, 0));
    for by_leverage in [true, false] {
        let draws: Vec<Vec<f64>> = (0..200).map(|seed| known(&process(Absorb { by_leverage, ..HOW }, seed))).collect();
        assert_unbiased(&draws, &everything);
    }
}

#[test]
fn a_memory_that_is_thinned_knows_on_average_what_it_knew() {
    let how = Absorb { remembered: 20, ..HOW };
    let before = known(&process(how, 0));
    let draws: Vec<Vec<f64>> = (0..200)
        .map(|seed| {
            let mut gp = process(how, 0);
            no_grad(|| gp.thin(Absorb { memory: 8, ..how }, &mut Rng::new(seed))).unwrap();
            assert_eq!((gp.kept.len(), gp.kept.sites.len()), (8, 8));
            gp.sums = gp.total(&gp.gone, None);
            known(&gp)
        })
        .collect();
    assert_unbiased(&draws, &before);
}

#[test]
fn no_row_stands_for_more_than_twice_its_share_and_where_all_are_remembered_each_stands_for_itself() {
    for seed in 0..20 {
        let gp = process(HOW, seed);
        let weights = gp.memory_weights();
        assert_eq!(weights.len(), 8);
        assert!(weights.iter().all(|weight| (1.0..=10.0 + 1e-9).contains(weight)), "seed {seed}: {weights:?}");
    }
    assert_eq!(process(Absorb { remembered: 40, ..HOW }, 0).memory_weights(), [1.0; 40]);
}
