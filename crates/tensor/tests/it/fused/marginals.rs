//! Marginals of a sparse posterior at sizes with many tiles, passes and blocks.

use super::*;

/// Inducing variables, points and latent functions of problems with many tiles, passes and blocks, for both ways to the gradients by
/// matrices: of the first there are too few points for its variables to go through `A diag(h) Aᵀ`.
const MARGINALS: [[usize; 3]; 3] = [[140, 300, 2], [85, 300, 2], [100, 301, 1]];

fn marginals_problem([m, b, latents]: [usize; 3]) -> Vec<Tensor> {
    let x = problem(b, 3).0;
    let z = x.narrow(0, 0, m).contiguous();
    let (scales, variance) = (positive(&[3], 41), Tensor::scalar(1.2));
    let kuu = fused::stationary_gram_symmetric(Radial::Matern32, &z, &scales, &variance, None);
    let kuf = fused::stationary_gram(Radial::Matern32, &z, &x, &scales, &variance, None);
    let kff = variance.broadcast_to(&[b]).contiguous();
    vec![kuu, kuf, kff, normals(&[latents, m], 42), normals(&[latents, m, m], 43) * 0.1]
}

fn weighed_marginals(i: &[Tensor]) -> Tensor {
    let (fm, fv) = fused::svgp_marginals(&symmetric(&i[0]), &i[1], &i[2], &i[3], &i[4]).unwrap();
    weigh(&Tensor::stack(&[fm, fv], 0))
}

#[test]
fn marginals_match_the_dense_ones_at_sizes_with_many_blocks() {
    let dense = |i: &[Tensor]| weigh(&dense_svgp(&symmetric(&i[0]), &i[1], &i[2], &i[3], &i[4]));
    for size in MARGINALS {
        let inputs = marginals_problem(size);
        let expected = dense(&inputs).item();
        assert_near(&[weighed_marginals(&inputs).item()], &[expected], 1e-10, "value");
        for (i, (f, e)) in gradient(&weighed_marginals, &inputs).iter().zip(gradient(&dense, &inputs)).enumerate() {
            assert_near(f, &e, 1e-8, &format!("gradient of input {i} of {size:?}"));
        }
    }
}

#[test]
fn gradients_of_marginals_by_one_input_are_those_by_all() {
    for size in MARGINALS {
        let inputs = marginals_problem(size);
        let all = gradient(&weighed_marginals, &inputs);
        for at in 0..inputs.len() {
            let mut one: Vec<Tensor> = inputs.iter().map(Tensor::detach).collect();
            one[at] = one[at].detach().variable();
            let found = grad(&weighed_marginals(&one), &[&one[at]])[0].to_vec();
            if size == MARGINALS[0] {
                assert_eq!(found, all[at], "input {at} alone");
            } else {
                // One gradient by a matrix goes another way than two.
                assert_near(&found, &all[at], 1e-8, &format!("input {at} of {size:?} alone"));
            }
        }
    }
}

#[test]
fn gradients_of_marginals_have_the_same_bits_from_1_2_and_8_threads() {
    for size in MARGINALS {
        let inputs = marginals_problem(size);
        let bits = || -> Vec<Vec<u64>> {
            let gradients = gradient(&weighed_marginals, &inputs);
            gradients.into_iter().map(|g| g.into_iter().map(f64::to_bits).collect()).collect()
        };
        let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(bits);
        let one = with(1);
        assert!([2, 8].iter().all(|&threads| with(threads) == one), "{size:?}");
    }
}
