//! Score gradients over a dependency graph, against enumeration and against the plain score.

use crate::common::assert_close;
use elbo_core::Rng;
use elbo_infer::Estimate;
use elbo_infer::estimator::{Baseline, Dependencies, enumerate, leave_one_out, report};
use elbo_tensor::special::sigmoid;
use elbo_tensor::{DType, Tensor, grad};

const SITES: usize = 6;
/// Log odds of each site, then the slopes of site 1 in site 0 and of site 3 in site 2.
const START: [f64; SITES + 2] = [0.3, -0.5, 0.8, 0.1, -0.9, 0.4, 1.2, -0.7];

/// The site that each site is drawn given, with the place of its slope.
fn parent(site: usize) -> Option<(usize, usize)> {
    match site {
        1 => Some((0, SITES)),
        3 => Some((2, SITES + 1)),
        _ => None,
    }
}

/// Log probabilities of each site, `[K, SITES]`; `z: [K, SITES]` of zeros and ones.
fn log_q(theta: &Tensor, z: &Tensor) -> Tensor {
    let columns: Vec<Tensor> = (0..SITES)
        .map(|i| {
            let x = z.narrow(1, i, 1);
            let mut logit = x.zeros_like() + theta.narrow(0, i, 1);
            if let Some((p, slope)) = parent(i) {
                logit += &((z.narrow(1, p, 1) - 0.5) * theta.narrow(0, slope, 1));
            }
            x * &logit - logit.softplus()
        })
        .collect();
    Tensor::cat(&columns, 1)
}

/// Terms of a chain, `[K, SITES]`: each reads a site and the next one.
fn terms(z: &Tensor) -> Tensor {
    let values = z.to_vec();
    let term = |row: &[f64], j: usize| {
        let next = if j + 1 < SITES { row[j + 1] } else { 0.5 };
        let pull = if j.is_multiple_of(2) { 1.5 } else { -1.0 };
        (1.0 + 0.2 * j as f64) * (row[j] - 0.3).powi(2) + pull * row[j] * next
    };
    let all: Vec<f64> = values.chunks_exact(SITES).flat_map(|row| (0..SITES).map(move |j| term(row, j))).collect();
    Tensor::from_vec(all, &[values.len() / SITES, SITES])
}

fn chain() -> Dependencies {
    let parents: Vec<Vec<usize>> = (0..SITES).map(|i| parent(i).map(|p| p.0).into_iter().collect()).collect();
    let reads: Vec<Vec<usize>> = (0..SITES).map(|j| (j..SITES.min(j + 2)).collect()).collect();
    Dependencies::new(&parents, &reads).unwrap()
}

fn draw(count: usize, rng: &mut Rng) -> Tensor {
    let mut all = vec![];
    for _ in 0..count {
        let mut row = [0.0; SITES];
        for i in 0..SITES {
            let shift = parent(i).map_or(0.0, |(p, slope)| (row[p] - 0.5) * START[slope]);
            row[i] = f64::from(u8::from(rng.uniform() < sigmoid(START[i] + shift)));
        }
        all.extend(row);
    }
    Tensor::from_vec(all, &[count, SITES])
}

/// The gradient of the expected objective, by all joint states.
fn exact() -> Vec<f64> {
    let theta = Tensor::from_slice(&START, &[SITES + 2]).variable();
    let z = enumerate(&[2; SITES]).unwrap().cast(DType::F64);
    let joint = log_q(&theta, &z).sum_axis(-1, false);
    let value = (joint.exp() * (terms(&z).sum_axis(-1, false) - &joint)).sum();
    grad(&value, &[&theta])[0].to_vec()
}

fn estimate(graph: &Dependencies, baseline: Baseline, rng: &mut Rng) -> Vec<f64> {
    let theta = Tensor::from_slice(&START, &[SITES + 2]).variable();
    let z = draw(4, rng);
    let surrogate = graph.surrogate(&log_q(&theta, &z), &terms(&z), baseline).unwrap();
    grad(&surrogate, &[&theta])[0].to_vec()
}

#[test]
fn leaving_out_unrelated_terms_keeps_the_mean_and_lowers_the_variance() {
    const BLOCKS: usize = 10;
    const COUNT: usize = 100;
    let exact = exact();
    let groups = [("theta".to_owned(), SITES + 2)];
    for (name, baseline) in [("leave-one-out", Baseline::LeaveOneOut), ("constant", Baseline::Constant { value: 1.0 })]
    {
        for seed in [1, 2, 3] {
            let mut rng = Rng::new(seed);
            // Variances of blocks, so that their difference has a standard error.
            let mut measure = |graph: &Dependencies| {
                let blocks: Vec<_> = (0..BLOCKS)
                    .map(|_| report(&groups, COUNT, &mut rng, |rng| Ok(estimate(graph, baseline, rng))).unwrap())
                    .collect();
                for i in 0..SITES + 2 {
                    let mean = blocks.iter().map(|b| b.mean[i]).sum::<f64>() / BLOCKS as f64;
                    let variance = blocks.iter().map(|b| b.variance[i]).sum::<f64>() / BLOCKS as f64;
                    let z = (mean - exact[i]) / (variance / (BLOCKS * COUNT) as f64).sqrt();
                    assert!(z.abs() < 4.5, "{name}, seed {seed}, entry {i}: {mean} and {}, z = {z}", exact[i]);
                }
                blocks.iter().map(|b| b.total_variance()).collect::<Vec<f64>>()
            };
            let plain = measure(&Dependencies::complete(SITES, SITES).unwrap());
            let graph = measure(&chain());
            let saved = Estimate::mean(&plain.iter().zip(&graph).map(|(p, g)| p - g).collect::<Vec<_>>());
            assert!(saved.value > 4.0 * saved.error, "{name}, seed {seed}: {saved:?}, {plain:?}, {graph:?}");
        }
    }
}

#[test]
fn without_a_graph_it_is_the_score_of_the_whole_objective() {
    let theta = Tensor::from_slice(&START, &[SITES + 2]).variable();
    let z = draw(5, &mut Rng::new(4));
    let (density, terms) = (log_q(&theta, &z), terms(&z));
    let complete = Dependencies::complete(SITES, SITES).unwrap();
    let found = complete.surrogate(&density, &terms, Baseline::LeaveOneOut).unwrap();
    let joint = density.sum_axis(-1, false);
    let objective = terms.sum_axis(-1, false) - joint.detach();
    let by_hand = (leave_one_out(&objective) * &joint).sum() * 0.2;
    assert_close(&grad(&found, &[&theta])[0].to_vec(), &grad(&by_hand, &[&theta])[0].to_vec(), 1e-12, "score");
    // Its value is the objective's mean, with a graph too.
    let mean = objective.mean().item();
    let by_graph = chain().surrogate(&density, &terms, Baseline::LeaveOneOut).unwrap();
    assert_close(&[found.item(), by_graph.item()], &[mean, mean], 1e-12, "value");
}

#[test]
fn terms_carry_gradients_of_the_parameters_behind_them() {
    let graph = Dependencies::new(&[vec![]], &[vec![0], vec![]]).unwrap();
    let weight = Tensor::from_vec(vec![2.0, -1.0], &[2]).variable();
    let values = Tensor::from_vec(vec![1.0, 3.0, 2.0, 5.0], &[2, 2]);
    let density = Tensor::from_vec(vec![-0.7, -0.7], &[2, 1]);
    let surrogate = graph.surrogate(&density, &(values * &weight), Baseline::Constant { value: 0.0 }).unwrap();
    assert_close(&grad(&surrogate, &[&weight])[0].to_vec(), &[1.5, 4.0], 1e-14, "means of the values");
}

#[test]
fn a_term_depends_on_all_that_its_draws_follow_from() {
    let graph = Dependencies::new(&[vec![], vec![0], vec![1], vec![]], &[vec![2], vec![0], vec![]]).unwrap();
    let depends = |term| (0..4).map(|factor| graph.depends(factor, term)).collect::<Vec<_>>();
    assert_eq!(depends(0), [true, true, true, false]);
    assert_eq!(depends(1), [true, false, false, false]);
    assert_eq!(depends(2), [false; 4]);
}

#[test]
fn graphs_and_shapes_that_do_not_fit_are_refused() {
    let message =
        |parents: &[Vec<usize>], reads: &[Vec<usize>]| Dependencies::new(parents, reads).unwrap_err().to_string();
    assert!(message(&[vec![0]], &[vec![0]]).contains("`parents` is 0 for factor 0"));
    assert!(message(&[vec![], vec![]], &[vec![2]]).contains("`reads` is 2 for term 0"));
    assert!(message(&[], &[vec![]]).contains("`parents` is 0"));
    assert!(message(&[vec![]], &[]).contains("`reads` is 0"));
    assert!(Dependencies::complete(0, 1).is_err() && Dependencies::complete(1, 0).is_err());
    let graph = Dependencies::complete(2, 1).unwrap();
    let table =
        |rows: usize, columns: usize, value: f64| Tensor::from_vec(vec![value; rows * columns], &[rows, columns]);
    let refuse = |density: &Tensor, terms: &Tensor, baseline: Baseline, part: &str| {
        let error = graph.surrogate(density, terms, baseline).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    let zero = Baseline::Constant { value: 0.0 };
    refuse(&table(3, 1, 0.0), &table(3, 1, 0.0), zero, "`log_q` is of shape [3, 1]");
    refuse(&table(3, 2, 0.0), &table(3, 2, 0.0), zero, "`terms` is of shape [3, 2]");
    refuse(&table(3, 2, 0.0), &table(2, 1, 0.0), zero, "`terms` is of 2 draws");
    refuse(&table(1, 2, 0.0), &table(1, 1, 0.0), Baseline::LeaveOneOut, "at least two");
    refuse(&table(3, 2, 0.0), &table(3, 1, 0.0), Baseline::Running { decay: 0.9 }, "without its past");
    refuse(&table(3, 2, 0.0), &table(3, 1, f64::NAN), zero, "not finite");
    assert!(graph.surrogate(&table(3, 2, f64::NEG_INFINITY), &table(3, 1, 0.0), zero).unwrap_err().is_recoverable());
}
