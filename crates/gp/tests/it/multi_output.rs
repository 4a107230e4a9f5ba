//! Several outputs: every model is the dense process of all its numbers, stacked output by output.

use crate::problems::{Problem, assert_close, gradient_check};
use elbo_core::{Error, Features, Rng};
use elbo_gp::exact::ExactGp;
use elbo_gp::kernel::{Index, Kernel, KernelConfig, Profile, Scaled, Stationary};
use elbo_gp::mean::Zero;
use elbo_gp::multi_output::{Component, Icm, Lmc, SharedGp, kronecker};
use elbo_tensor::{Tensor, no_grad};

const ROWS: usize = 9;

/// Inputs in two dimensions, targets of three outputs, and new inputs.
fn table() -> (Tensor, Tensor, Tensor) {
    let p = Problem::regression(ROWS, 2, 51);
    let y = Tensor::from_vec(Rng::new(52).normals(3 * ROWS), &[ROWS, 3]);
    (p.x, y, Problem::regression(4, 2, 53).x)
}

fn rbf() -> Box<dyn Kernel> {
    Box::new(Stationary::new(Profile::Rbf, &[0.8, 1.4]).with_variance(1.3))
}

fn matern() -> Box<dyn Kernel> {
    Box::new(Stationary::new(Profile::Matern32, &[0.5, 0.9]).with_variance(0.7))
}

/// A covariance of three outputs without any symmetry.
fn levels(rank: usize, seed: u64) -> Index {
    let mut index = Index::new(3, rank);
    let mut rng = Rng::new(seed);
    index.weights.set(&rng.normals(3 * rank)).unwrap();
    index.variance.set(&[0.3, 0.8, 0.1]).unwrap();
    index
}

/// `Σ_q B_q[p, p'] k_q(x, x')` by loops, `[P N, P M]`.
fn dense(terms: &[(&Index, &dyn Kernel)], x: &Tensor, z: &Tensor) -> Tensor {
    let (n, m) = (x.size(0), z.size(0));
    let mut values = vec![0.0; 9 * n * m];
    for (index, kernel) in terms {
        let (b, k) = no_grad(|| (index.covariance().to_vec(), kernel.gram(x, z).to_vec()));
        for p in 0..3 {
            for q in 0..3 {
                for i in 0..n {
                    for j in 0..m {
                        values[(p * n + i) * 3 * m + q * m + j] += b[p * 3 + q] * k[i * m + j];
                    }
                }
            }
        }
    }
    Tensor::from_vec(values, &[3 * n, 3 * m])
}

/// Log density, and means and variances `[N*, 3]` row-major, of a zero-mean process seen at some of the stacked
/// numbers.
fn by_hand(
    terms: &[(&Index, &dyn Kernel)],
    noise: [f64; 3],
    (x, y, new): &(Tensor, Tensor, Tensor),
    seen: &[usize],
) -> (f64, Vec<f64>, Vec<f64>) {
    let at = Tensor::indices(seen);
    let noise = Tensor::from_vec((0..3 * ROWS).map(|i| noise[i / ROWS]).collect(), &[3 * ROWS]);
    let ky = (dense(terms, x, x) + noise.diag()).index_select(0, &at).index_select(1, &at);
    let cross = dense(terms, x, new).index_select(0, &at);
    let targets = y.t().flatten().index_select(0, &at).unsqueeze(1);
    let chol = ky.cholesky().unwrap();
    let (half, white) = (chol.solve_lower(&cross), chol.solve_lower(&targets));
    let constant = seen.len() as f64 * std::f64::consts::TAU.ln();
    let value = -0.5 * (white.square().sum().item() + chol.cholesky_log_det().item() + constant);
    let rows = |t: Tensor| t.reshape(&[3, new.size(0)]).t().to_vec();
    let mean = rows(half.t().matmul(&white));
    (value, mean, rows(dense(terms, new, new).diagonal() - half.square().sum_axis(0, false)))
}

fn assert_same((mean, variance): &(Vec<f64>, Vec<f64>), expected: &(f64, Vec<f64>, Vec<f64>), what: &str) {
    assert_eq!((mean.len(), variance.len()), (expected.1.len(), expected.2.len()), "{what}");
    for i in 0..mean.len() {
        assert_close(mean[i], expected.1[i], 1e-9, &format!("{what}, mean {i}"));
        assert_close(variance[i], expected.2[i], 1e-9, &format!("{what}, variance {i}"));
    }
}

fn every() -> Vec<usize> {
    (0..3 * ROWS).collect()
}

#[test]
fn outputs_that_share_a_kernel_are_as_many_exact_processes() {
    let (x, y, new) = table();
    // A scaled kernel goes the way of any kernel, the other that of stationary ones.
    for kernel in [rbf(), Box::new(Scaled::new(0.9, matern()))] {
        let shared = SharedGp::new(kernel.clone(), 0.2, x.clone(), y.clone()).unwrap();
        let (mean, variance) = shared.condition().unwrap().marginals(&new).unwrap();
        let mut total = 0.0;
        for p in 0..3 {
            let alone = ExactGp::new(kernel.clone(), Box::new(Zero), 0.2, x.clone(), y.select(1, p).contiguous());
            total += alone.log_marginal().unwrap().item();
            let expected = alone.condition().unwrap().marginals(&new).unwrap();
            for i in 0..4 {
                assert_close(mean[3 * i + p], expected.0[i], 1e-9, "mean");
                assert_close(variance[3 * i + p], expected.1[i], 1e-9, "variance");
            }
        }
        assert_close(shared.log_marginal().unwrap().item(), total, 1e-9, "log marginal likelihood");
    }
}

#[test]
fn intrinsic_coregionalisation_is_the_dense_process() {
    let data = table();
    let (x, y, new) = &data;
    for rank in [1, 2] {
        for noise in [&[0.2][..], &[0.05, 0.2, 0.7]] {
            let (index, kernel) = (levels(rank, 54), rbf());
            let model = Icm::new(index.clone(), kernel.clone(), noise, x.clone(), y.clone()).unwrap();
            let each = if noise.len() == 1 { [noise[0]; 3] } else { [noise[0], noise[1], noise[2]] };
            let expected = by_hand(&[(&index, kernel.as_ref())], each, &data, &every());
            assert_close(model.log_marginal().unwrap().item(), expected.0, 1e-9, "log marginal likelihood");
            let posterior = model.condition().unwrap();
            assert_same(&posterior.marginals(new).unwrap(), &expected, "icm");
            posterior.noise().iter().zip(each).for_each(|(a, b)| assert_close(*a, b, 1e-12, "noise"));
        }
    }
}

#[test]
fn repeated_inputs_and_outputs_that_do_not_differ_change_nothing() {
    let (x, y, new) = table();
    let x = Tensor::cat(&[x.narrow(0, 0, 4), x.narrow(0, 0, 4), x.narrow(0, 8, 1)], 0);
    let data = (x.clone(), y.clone(), new);
    // Without weights `B` is a multiple of the identity: all its eigenvalues are equal, and so are many of `K`, at
    // zero.
    let mut index = Index::new(3, 1);
    index.weights.set(&[0.0; 3]).unwrap();
    let mut model = Icm::new(index.clone(), rbf(), &[0.1], x, y).unwrap();
    let expected = by_hand(&[(&index, rbf().as_ref())], [0.1; 3], &data, &every());
    assert_close(model.log_marginal().unwrap().item(), expected.0, 1e-9, "log marginal likelihood");
    assert_same(&model.condition().unwrap().marginals(&data.2).unwrap(), &expected, "icm");
    gradient_check(&mut model, |m: &mut Icm| m.log_marginal(), 1e-5, "icm with equal eigenvalues");
}

#[test]
fn without_correlation_coregionalisation_is_exact_processes_apart() {
    let (x, y, new) = table();
    let mut index = levels(1, 55);
    index.weights.set(&[0.0; 3]).unwrap();
    let noise = [0.05, 0.2, 0.7];
    let model = Icm::new(index, rbf(), &noise, x.clone(), y.clone()).unwrap();
    let found = model.condition().unwrap().marginals(&new).unwrap();
    let mut total = 0.0;
    for (p, variance) in [0.3, 0.8, 0.1].into_iter().enumerate() {
        let kernel = Box::new(Scaled::new(variance, rbf()));
        let alone = ExactGp::new(kernel, Box::new(Zero), noise[p], x.clone(), y.select(1, p).contiguous());
        total += alone.log_marginal().unwrap().item();
        let expected = alone.condition().unwrap().marginals(&new).unwrap();
        for i in 0..4 {
            assert_close(found.0[3 * i + p], expected.0[i], 1e-9, "mean");
            assert_close(found.1[3 * i + p], expected.1[i], 1e-9, "variance");
        }
    }
    assert_close(model.log_marginal().unwrap().item(), total, 1e-9, "log marginal likelihood");
}

#[test]
fn the_linear_model_is_the_dense_process_also_with_targets_missing() {
    let data = table();
    let (x, y, new) = &data;
    let (slow, quick) = (levels(1, 56), levels(2, 57));
    let components = || {
        vec![
            Component { coregionalisation: slow.clone(), kernel: rbf() },
            Component { coregionalisation: quick.clone(), kernel: matern() },
        ]
    };
    let (first, second) = (rbf(), matern());
    let terms: [(&Index, &dyn Kernel); 2] = [(&slow, first.as_ref()), (&quick, second.as_ref())];
    for missing in [vec![], vec![0, 4, 11, 25]] {
        let seen: Vec<usize> = every().into_iter().filter(|i| !missing.contains(i)).collect();
        let mut values = y.to_vec();
        missing.iter().for_each(|i| values[i % ROWS * 3 + i / ROWS] = f64::NAN);
        let y = Tensor::from_vec(values, &[ROWS, 3]);
        for noise in [&[0.2][..], &[0.05, 0.2, 0.7]] {
            let mut model = Lmc::new(components(), noise, x.clone(), y.clone()).unwrap();
            assert_eq!(model.observed(), seen.len());
            let each = if noise.len() == 1 { [noise[0]; 3] } else { [noise[0], noise[1], noise[2]] };
            let expected = by_hand(&terms, each, &data, &seen);
            let what = format!("{} missing", missing.len());
            assert_close(model.log_marginal().unwrap().item(), expected.0, 1e-9, &what);
            assert_same(&model.condition().unwrap().marginals(new).unwrap(), &expected, &what);
            gradient_check(&mut model, |m: &mut Lmc| m.log_marginal(), 1e-5, &what);
        }
    }
}

#[test]
fn evidences_of_several_outputs_have_the_gradient_of_finite_differences() {
    let (x, y, _) = table();
    let mut shared = SharedGp::new(rbf(), 0.2, x.clone(), y.clone()).unwrap();
    gradient_check(&mut shared, |m: &mut SharedGp| m.log_marginal(), 1e-5, "shared");
    for noise in [&[0.2][..], &[0.05, 0.2, 0.7]] {
        let mut icm = Icm::new(levels(2, 58), matern(), noise, x.clone(), y.clone()).unwrap();
        gradient_check(&mut icm, |m: &mut Icm| m.log_marginal(), 1e-5, "icm");
    }
}

/// The kernel `rbf * index(output)` over a column of times and one that names the output.
fn long_kernel(rows: usize, values: &[f64]) -> Box<dyn Kernel> {
    let names = vec!["time".into(), "output".into()];
    let features = Features { rows, dims: 2, values: values.to_vec(), levels: vec![0, 3], names };
    "rbf * index(output)".parse::<KernelConfig>().unwrap().build_for(&features).unwrap()
}

#[test]
fn one_number_a_row_with_a_column_for_the_output_is_intrinsic_coregionalisation() {
    let (_, y, _) = table();
    let times = Tensor::linspace(-2.0, 2.0, ROWS).unsqueeze(1);
    let long = |times: &[f64]| -> Vec<f64> {
        times.iter().flat_map(|t| [[*t, 0.0], [*t, 1.0], [*t, 2.0]]).flatten().collect()
    };
    let values = long(&times.to_vec());
    let x = Tensor::from_slice(&values, &[3 * ROWS, 2]);
    // Row by row, as the outputs of a wide table follow each other.
    let mut rows = ExactGp::new(long_kernel(3 * ROWS, &values), Box::new(Zero), 0.2, x, y.flatten());
    rows.kernel_mut().assign("factors.1.weights", &[0.9, -0.4, 0.3]).unwrap();
    rows.kernel_mut().assign("factors.1.variance", &[0.2, 0.5, 0.1]).unwrap();
    let mut index = Index::new(3, 1);
    index.weights.set(&[0.9, -0.4, 0.3]).unwrap();
    index.variance.set(&[0.2, 0.5, 0.1]).unwrap();
    let wide = Icm::new(index, Box::new(Stationary::rbf(1)), &[0.2], times, y).unwrap();
    assert_close(
        rows.log_marginal().unwrap().item(),
        wide.log_marginal().unwrap().item(),
        1e-9,
        "log marginal likelihood",
    );
    let new = [-1.7, 0.05, 2.6];
    let found = rows.condition().unwrap().marginals(&Tensor::from_vec(long(&new), &[9, 2])).unwrap();
    let expected = wide.condition().unwrap().marginals(&Tensor::from_slice(&new, &[3, 1])).unwrap();
    for i in 0..9 {
        assert_close(found.0[i], expected.0[i], 1e-9, "mean");
        assert_close(found.1[i], expected.1[i], 1e-9, "variance");
    }
}

#[test]
fn targets_that_cannot_be_used_are_named() {
    let (x, y, _) = table();
    let with = |at: usize, value: f64| {
        let mut values = y.to_vec();
        values[at] = value;
        Tensor::from_vec(values, &[ROWS, 3])
    };
    let text = |error: Error| format!("{error}; {}", error.remedy());
    let gap = with(7, f64::NAN);
    let error = text(Icm::new(levels(1, 59), rbf(), &[0.1], x.clone(), gap.clone()).err().unwrap());
    assert!(error.contains("row 3, output 2") && error.contains("linear model of coregionalisation"), "{error}");
    let error = text(SharedGp::new(rbf(), 0.1, x.clone(), gap).err().unwrap());
    assert!(error.contains("1 of 27 targets are missing"), "{error}");
    let lmc = |y: Tensor, x: &Tensor| {
        let component = Component { coregionalisation: levels(1, 60), kernel: rbf() };
        text(Lmc::new(vec![component], &[0.1], x.clone(), y).err().unwrap())
    };
    assert!(lmc(with(7, f64::INFINITY), &x).contains("row 3, output 2 is infinite"));
    let unseen = Tensor::cat(&[y.narrow(1, 0, 2), Tensor::full(&[ROWS, 1], f64::NAN, y.dtype())], 1);
    assert!(lmc(unseen, &x).contains("output 3 has no observed target"));
    let none = Tensor::from_vec(vec![], &[0, 3]);
    assert!(lmc(none, &Tensor::from_vec(vec![], &[0, 2])).contains("no rows"));
}

#[test]
fn a_kronecker_product_has_its_blocks_in_order() {
    let b = Tensor::from_vec(vec![1.0, 2.0], &[1, 2]);
    let k = Tensor::from_vec(vec![3.0, 4.0], &[2, 1]);
    assert_eq!(kronecker(&b, &k).to_vec(), [3.0, 6.0, 4.0, 8.0]);
    assert_eq!(kronecker(&k, &b).to_vec(), [3.0, 6.0, 4.0, 8.0]);
    let eye = Tensor::eye(2, b.dtype());
    assert_eq!(kronecker(&eye, &k).to_vec(), [3.0, 0.0, 4.0, 0.0, 0.0, 3.0, 0.0, 4.0]);
    assert_eq!(kronecker(&eye, &k).shape(), [4, 2]);
}
