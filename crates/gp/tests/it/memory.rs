//! Streams whose past is gone.

use elbo_core::{ModelFile, Rng, Run, Snapshot};
use elbo_gp::kernel::{Kernel, Profile, Stationary};
use elbo_gp::likelihood::{Gaussian, MultiLikelihood, Single, Softmax};
use elbo_gp::memory::{Absorb, MemoryGp, Past};
use elbo_tensor::{Parameters, Tensor};

/// Rows of these classes, which lie side by side: class `c` within 0.8 of `2 c - 2`.
fn rows_of(classes: &[usize], rng: &mut Rng) -> (Tensor, Vec<f64>) {
    let y: Vec<f64> = classes.iter().flat_map(|c| [*c as f64; 40]).collect();
    let x: Vec<f64> = y.iter().map(|c| 2.0 * c - 2.0 + 1.6 * rng.uniform() - 0.8).collect();
    let n = y.len();
    (Tensor::from_vec(x, &[n, 1]), y)
}

/// A process of large amplitude rules a class out before it has seen it, so that its curvature is nothing when the class arrives.
#[test]
fn a_class_that_arrives_late_is_learned_and_the_others_are_kept() {
    let how = Absorb {
        inducing: 20,
        remembered: 12,
        memory: 100,
        sweeps: 10,
        rho: 0.5,
        moves: 0,
        rounds: 1,
        by_leverage: true,
        past: Past::Memory,
    };
    for seed in 1..4 {
        let mut run = Run::new(seed);
        let mut rng = Rng::new(seed);
        let kernel = Box::new(Stationary::new(Profile::Matern52, &[4.0]).with_variance(60.0));
        let mut gp = MemoryGp::new(kernel, Box::new(Softmax::new(3, 32, &mut rng)), 1);
        for classes in [vec![0, 1], vec![2]] {
            let (x, y) = rows_of(&classes, &mut rng);
            gp.absorb(&x, &y, how, &mut run).unwrap();
        }
        let (x, y) = rows_of(&[0, 1, 2], &mut rng);
        let (mean, _) = gp.predict(&x).unwrap();
        let is_right = |(f, y): (&[f64], &f64)| (0..3).all(|c| f[c] <= f[*y as usize]);
        let right = mean.chunks(3).zip(&y).filter(|row| is_right(*row)).count();
        assert!(right as f64 >= 0.95 * y.len() as f64, "seed {seed}: {right} of {} rows", y.len());
        // A few standard deviations of the prior, sqrt(60).
        assert!(mean.iter().all(|m| m.abs() < 30.0), "seed {seed}: the scores ran away");
    }
}

#[test]
fn a_stream_in_one_batch_and_in_two_with_everything_remembered_agree() {
    let how = Absorb {
        inducing: 120,
        remembered: 120,
        memory: 120,
        sweeps: 500,
        rho: 1.0,
        moves: 0,
        rounds: 1,
        by_leverage: false,
        past: Past::Memory,
    };
    let (x, y) = rows_of(&[0, 1, 2], &mut Rng::new(5));
    let read = |ends: &[usize]| {
        let kernel = Box::new(Stationary::new(Profile::Matern52, &[1.0]).with_variance(2.0));
        let likelihood: Box<dyn MultiLikelihood> = Box::new(Softmax::bounded(3));
        let mut gp = MemoryGp::new(kernel, likelihood, 1);
        let mut start = 0;
        for end in ends {
            gp.absorb(&x.narrow(0, start, end - start), &y[start..*end], how, &mut Run::new(1)).unwrap();
            start = *end;
        }
        gp.predict(&x).unwrap().0
    };
    for (one, two) in read(&[120]).iter().zip(read(&[80, 120])) {
        // The closed bound is concave: there is one optimum. Sites stop where the bound no longer rises by more than rounding, which is of second order
        // in them, and inducing points are not the same ones.
        assert!((one - two).abs() < 1e-3, "{one} in one batch, {two} in two");
    }
}

#[test]
fn sums_over_the_memory_estimate_sums_over_all_rows_without_bias() {
    let (x, y) = rows_of(&[0, 1, 2], &mut Rng::new(6));
    for by_leverage in [true, false] {
        let how = Absorb {
            inducing: 12,
            remembered: 10,
            memory: 100,
            sweeps: 8,
            rho: 1.0,
            moves: 0,
            rounds: 1,
            by_leverage,
            past: Past::Memory,
        };
        let absorbed = |how: Absorb, seed: u64| {
            let kernel = Box::new(Stationary::new(Profile::Matern52, &[1.0]).with_variance(4.0));
            let mut gp = MemoryGp::new(kernel, Box::new(Softmax::bounded(3)), 1);
            gp.absorb(&x, &y, how, &mut Run::new(seed)).unwrap();
            gp
        };
        // One posterior for all draws, which remembers every row: a function of rows that does not depend on which are drawn.
        let all = absorbed(Absorb { remembered: y.len(), memory: y.len(), ..how }, 0);
        let expected = |x: &Tensor, y: &[f64]| -> Vec<f64> {
            let (mean, variance) = all.predict(x).unwrap();
            let (mut dm, mut dv) = ([0.0; 3], [0.0; 3]);
            let row = |n: usize| 3 * n..3 * n + 3;
            (0..y.len())
                .map(|n| all.likelihood().expected(y[n], &mean[row(n)], &variance[row(n)], &mut dm, &mut dv))
                .collect()
        };
        let total: f64 = expected(&x, &y).iter().sum();
        let estimates: Vec<f64> = (0..100)
            .map(|seed| {
                let gp = absorbed(how, seed);
                let (memory_x, memory_y) = gp.memory();
                assert_eq!(memory_y.len(), 10);
                expected(memory_x, memory_y).iter().zip(gp.memory_weights()).map(|(e, w)| e * w).sum()
            })
            .collect();
        let mean = estimates.iter().sum::<f64>() / 100.0;
        let error = (estimates.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 9900.0).sqrt();
        assert!((mean - total).abs() < 5.0 * error, "by leverage {by_leverage}: {mean} +- {error}, expected {total}");
        // The standard error must be small enough for the comparison to say something.
        assert!(error < 0.1 * total.abs(), "by leverage {by_leverage}: standard error {error} of {total}");
    }
}

/// Few rows of a stream with Gaussian noise are remembered.
const FEW: Absorb = Absorb {
    inducing: 60,
    remembered: 3,
    memory: 7,
    sweeps: 1,
    rho: 1.0,
    moves: 0,
    rounds: 1,
    by_leverage: true,
    past: Past::Memory,
};

/// Means and variances after one batch and after four.
fn assert_alike(one: &(Vec<f64>, Vec<f64>), four: &(Vec<f64>, Vec<f64>), tolerance: f64) {
    let pairs = one.0.iter().chain(&one.1).zip(four.0.iter().chain(&four.1));
    pairs.for_each(|(one, four)| assert!((one - four).abs() < tolerance, "{one} in one batch, {four} in four"));
}

/// Gaussian sites do not depend on the posterior, and so nothing is out of date.
#[test]
fn with_gaussian_noise_a_stream_is_everything_at_once_however_few_are_remembered() {
    let mut rng = Rng::new(7);
    let x: Vec<f64> = (0..60).map(|_| 3.0 * rng.uniform()).collect();
    let y: Vec<f64> = x.iter().map(|x| (2.0 * x).sin() + 0.3 * rng.normal()).collect();
    let x = Tensor::from_vec(x, &[60, 1]);
    let read = |batches: usize| {
        let likelihood = Box::new(Single(Box::new(Gaussian::new(0.1))));
        let mut gp = MemoryGp::new(Box::new(Stationary::new(Profile::Matern52, &[1.0])), likelihood, 1);
        let rows = 60 / batches;
        for k in 0..batches {
            let span = k * rows..(k + 1) * rows;
            gp.absorb(&x.narrow(0, span.start, rows), &y[span], FEW, &mut Run::new(1)).unwrap();
        }
        assert_eq!(gp.memory().1.len(), (3 * batches).min(7));
        gp.predict(&x).unwrap()
    };
    assert_alike(&read(1), &read(4), 1e-3);
}

/// There is one noise for all rows, those that are gone among them: of whatever noise was learned before, nothing must be left.
#[test]
fn rows_that_are_gone_follow_the_noise_that_later_rows_teach() {
    let mut rng = Rng::new(8);
    let x: Vec<f64> = (0..60).map(|_| 3.0 * rng.uniform()).collect();
    let sd = |row: usize| if row < 15 { 1.0 } else { 0.2 };
    let y: Vec<f64> = x.iter().enumerate().map(|(row, x)| (2.0 * x).sin() + sd(row) * rng.normal()).collect();
    let x = Tensor::from_vec(x, &[60, 1]);
    let read = |noise: f64, ends: &[usize], moves: usize| {
        let mut kernel = Stationary::new(Profile::Matern52, &[1.0]);
        kernel.visit_mut(&mut |_, p| p.set_frozen(true));
        let likelihood = Box::new(Single(Box::new(Gaussian::new(noise))));
        let mut gp = MemoryGp::new(Box::new(kernel), likelihood, 1);
        let how = Absorb { moves, rounds: 3, ..FEW };
        let mut start = 0;
        for end in ends {
            gp.absorb(&x.narrow(0, start, end - start), &y[start..*end], how, &mut Run::new(1)).unwrap();
            start = *end;
        }
        gp
    };
    let noise_of = |gp: &MemoryGp| {
        let mut noise = f64::NAN;
        gp.visit(&mut |name, p| {
            if name.starts_with("likelihood") {
                noise = p.value()[0];
            }
        });
        noise
    };
    let (first, streamed) = (noise_of(&read(0.1, &[15], 20)), read(0.1, &[15, 30, 45, 60], 20));
    let last = noise_of(&streamed);
    // Otherwise nothing had to follow.
    assert!(last < first / 1.2, "the noise is {first} after the first batch and {last} at the end");
    assert_alike(&read(last, &[60], 0).predict(&x).unwrap(), &streamed.predict(&x).unwrap(), 5e-3);
}

/// With Gaussian noise and every row an inducing point, leverages are the diagonal of `K (K + noise)⁻¹`.
#[test]
fn leverages_sum_to_the_trace_of_the_smoother_where_inducing_points_are_the_rows() {
    let x = Tensor::from_vec((0..12).map(|i| 0.5 * f64::from(i)).collect(), &[12, 1]);
    let y: Vec<f64> = (0..12).map(|i| (0.7 * f64::from(i)).sin()).collect();
    let kernel = || Box::new(Stationary::new(Profile::Matern52, &[1.0]).with_variance(2.0));
    let likelihood = Box::new(Single(Box::new(Gaussian::new(0.1))));
    let mut gp = MemoryGp::new(kernel(), likelihood, 1).with_held_inducing(&x, 12).unwrap();
    assert_eq!(gp.inducing().shape(), [12, 1]);
    assert_eq!(gp.leverage().unwrap(), 0.0, "nothing was seen");
    gp.absorb(&x, &y, Absorb { moves: 0, rho: 1.0, ..FEW }, &mut Run::new(1)).unwrap();
    let noisy = kernel().gram_symmetric(&x) + Tensor::eye(12, x.dtype()) * 0.1;
    let expected = 12.0 - 0.1 * noisy.cholesky().unwrap().cholesky_inverse().trace().item();
    let found = gp.leverage().unwrap();
    assert!((found - expected).abs() < 1e-6 * expected, "{found}, expected {expected}");
}

#[test]
fn held_inducing_points_stay_where_they_are_also_after_saving() {
    let x = Tensor::from_vec((0..40).map(|i| 0.1 * f64::from(i)).collect(), &[40, 1]);
    let y: Vec<f64> = (0..40).map(|i| (0.3 * f64::from(i)).sin()).collect();
    let new = || {
        let kernel = Box::new(Stationary::new(Profile::Matern52, &[1.0]));
        MemoryGp::new(kernel, Box::new(Single(Box::new(Gaussian::new(0.1)))), 1)
    };
    let how = Absorb { inducing: 6, ..FEW };
    let mut held = new().with_held_inducing(&x, 6).unwrap();
    let mut free = new();
    let chosen = held.inducing().to_vec();
    assert_eq!(chosen.len(), 6);
    for (start, count) in [(0, 15), (15, 15), (30, 10)] {
        let batch = x.narrow(0, start, count);
        for gp in [&mut held, &mut free] {
            gp.absorb(&batch, &y[start..start + count], how, &mut Run::new(1)).unwrap();
        }
        assert_eq!(held.inducing().to_vec(), chosen);
    }
    assert_ne!(free.inducing().to_vec(), chosen);
    let mut file = ModelFile::new("memory-dual-gp");
    Snapshot::save(&held, &mut file, "gp");
    let mut back = new();
    back.restore(&file, "gp").unwrap();
    back.absorb(&x.narrow(0, 0, 5), &y[..5], how, &mut Run::new(2)).unwrap();
    assert_eq!(back.inducing().to_vec(), chosen);
}
