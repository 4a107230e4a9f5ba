//! Layers together: each example's gradient, checkpointing, threads, single precision and in-place updates.

use elbo_core::{ModelFile, Rng, Run, Snapshot, Step};
use elbo_tensor::gradient::{Layer, per_sample, per_sample_square_norms};
use elbo_tensor::optim::{Adam, Rule, Sgd};
use elbo_tensor::{Attention, Convolution, DType, Parameter, Parameters, Tensor, Window, checkpoint, grad, hvp};

fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(shape.iter().product()), shape)
}

/// A small network with both kinds of layer: one loss an example, and the layers as they were used.
fn network(x: &Tensor, p: &[Tensor]) -> (Tensor, Vec<Layer>) {
    let how = Convolution::default().padded(1).grouped(2);
    let first = x.conv2d(&p[0], Some(&p[1]), &how);
    let hidden = first.tanh().max_pool2d(&Window::square(2));
    let rows = hidden.reshape(&[x.size(0), 4, hidden.len() / (4 * x.size(0))]);
    let second = rows.linear(&p[2], Some(&p[3]));
    let losses = second.silu().square().sum_axes(&[1, 2], false);
    let layers = vec![
        Layer::Conv2d { input: x.clone(), output: first, kernel: [3, 3], how },
        Layer::Linear { input: rows, output: second },
    ];
    (losses, layers)
}

fn weights() -> Vec<Tensor> {
    let shapes: [&[usize]; 4] = [&[4, 1, 3, 3], &[4], &[3, 4], &[3]];
    shapes.iter().enumerate().map(|(i, s)| normal(i as u64, s).variable()).collect()
}

#[test]
fn each_examples_gradient_equals_that_of_the_example_alone() {
    let (x, p) = (normal(9, &[3, 2, 4, 4]), weights());
    let (losses, layers) = network(&x, &p);
    let found = per_sample(&losses, &layers);
    let norms = per_sample_square_norms(&losses, &layers).to_vec();
    for example in 0..3 {
        let alone = network(&x.narrow(0, example, 1), &p).0.sum();
        let exact = grad(&alone, &p.iter().collect::<Vec<_>>());
        let ours = [&found[0].weight, &found[0].bias, &found[1].weight, &found[1].bias];
        let mut norm = 0.0;
        for (ours, exact) in ours.iter().zip(&exact) {
            let difference = ours.select(0, example).to_f64() - exact;
            assert!(difference.norm().item() < 1e-12 * exact.norm().item().max(1.0), "{difference:?}");
            norm += exact.square().sum().item();
        }
        assert!((norms[example] - norm).abs() < 1e-12 * norm, "{} and {norm}", norms[example]);
    }
    // A tall input takes the way without the product.
    let x = normal(4, &[2, 1, 5]);
    let w = normal(5, &[7, 5]).variable();
    let output = x.linear(&w, None);
    let losses = output.square().sum_axes(&[1, 2], false);
    let layers = [Layer::Linear { input: x, output }];
    let long: f64 = per_sample(&losses, &layers)[0].weight.select(0, 1).square().sum().item();
    let bias: f64 = per_sample(&losses, &layers)[0].bias.select(0, 1).square().sum().item();
    let short = per_sample_square_norms(&losses, &layers).to_vec()[1];
    assert!((short - long - bias).abs() < 1e-12 * short, "{short} and {long} + {bias}");
}

#[test]
fn checkpointed_convolutions_have_the_same_derivatives() {
    let (x, w) = (normal(1, &[2, 2, 5, 5]).variable(), normal(2, &[2, 2, 3, 3]).variable());
    let block = |t: &[Tensor]| {
        let how = Convolution::default().padded(1);
        t[0].conv2d(&t[1], None, &how).group_norm(1, None, None, 1e-5).silu().conv2d(&t[1], None, &how)
    };
    let plain = block(&[x.clone(), w.clone()]).square().sum();
    let saved = checkpoint(&[&x, &w], block).square().sum();
    assert_eq!(plain.item(), saved.item());
    let along = [normal(3, x.shape()), normal(4, w.shape())];
    for (a, b) in grad(&plain, &[&x, &w]).iter().zip(grad(&saved, &[&x, &w])) {
        assert_eq!(a.to_vec(), b.to_vec());
    }
    let second = |loss: &Tensor| hvp(loss, &[&x, &w], &[&along[0], &along[1]]);
    for (a, b) in second(&plain).iter().zip(second(&saved)) {
        assert!((a - &b).norm().item() < 1e-12 * a.norm().item(), "{a:?} and {b:?}");
    }
}

/// A number for every bit of a step's results that may depend on the threads.
fn bits() -> Vec<u32> {
    let how = Convolution::default().strided(2).padded(1);
    let x = normal(1, &[9, 8, 24, 24]).to_f32().variable();
    let (w, v) = (normal(2, &[16, 8, 3, 3]).to_f32().variable(), normal(3, &[16, 8, 4, 4]).to_f32().variable());
    let y = x.conv2d(&w, None, &how).group_norm(4, None, None, 1e-5).silu();
    let z = y.conv_transpose2d(&v, None, &how).resize_bilinear([30, 30]).avg_pool2d(&Window::square(3));
    let rows = z.reshape(&[9 * 8, 100]);
    let attended = rows.reshape(&[9, 8, 100]).attention(
        &rows.reshape(&[9, 8, 100]),
        &z.reshape(&[9, 8, 100]),
        &Default::default(),
    );
    let loss = rows.matmul(&rows.t()).square().sum() + attended.square().sum();
    let gradients = grad(&loss, &[&x, &w, &v]);
    gradients.iter().flat_map(|g| g.as_slice::<f32>().iter().map(|v| v.to_bits()).collect::<Vec<_>>()).collect()
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let with = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(bits);
    let one = with(1);
    assert!(one.iter().any(|b| *b != 0));
    for threads in [2, 3] {
        assert!(with(threads) == one, "{threads} threads give other bits than one");
    }
}

#[test]
fn large_products_equal_small_ones() {
    // Both sides of every threshold, with all four layouts.
    for (m, k, n) in [(7, 650, 130), (130, 321, 33), (1, 900, 40), (64, 64, 64), (200, 3, 200)] {
        let (a, b) = (normal(1, &[m, k]), normal(2, &[k, n]));
        let exact: Vec<f64> = (0..m * n)
            .map(|i| (0..k).map(|p| a.to_vec()[i / n * k + p] * b.to_vec()[p * n + i % n]).sum())
            .take(40)
            .collect();
        for (a, b) in [
            (a.clone(), b.clone()),
            (a.t().contiguous().t(), b.clone()),
            (a.clone(), b.t().contiguous().t()),
            (a.t().contiguous().t(), b.t().contiguous().t()),
        ] {
            for (x, y) in a.matmul(&b).to_vec().iter().zip(&exact) {
                assert!((x - y).abs() < 1e-11, "[{m}, {k}, {n}]: {x} and {y}");
            }
        }
    }
}

/// Two parameters of different types.
fn mixed() -> Vec<Parameter> {
    vec![Parameter::real(&normal(1, &[40_000])), Parameter::real(&normal(2, &[3, 5]).to_f32())]
}

fn mixed_loss(p: &[Parameter]) -> Tensor {
    (p[0].get() - 0.5).square().sum() + (p[1].get().to_f64().exp() - 2.0).square().sum()
}

/// Five updates in place, and five of one flat vector of doubles, from the same start.
fn in_place_and_flat(start: fn() -> Vec<Parameter>, adam: &Adam) -> [Vec<Parameter>; 2] {
    let (mut ours, mut theirs) = (start(), start());
    let step = adam.clone().on(|p: &Vec<Parameter>, _: &mut Run| Ok(mixed_loss(p)));
    let mut run = Run::new(0);
    let mut memory = step.init(&mut ours, &mut run).unwrap();
    let mut flat = adam.start(theirs.pack().len());
    for _ in 0..5 {
        step.step(&mut ours, &mut memory, &mut run).unwrap();
        let gradient = theirs.gradient(&mixed_loss(&theirs));
        let mut x = theirs.pack();
        adam.update(&mut x, &gradient, &mut flat);
        theirs.unpack(&x);
    }
    [ours, theirs]
}

#[test]
fn updates_in_place_equal_updates_of_one_flat_vector() {
    // The norm is above the clip throughout, and is that of both parameters together.
    let adam = Adam { weight_decay: 0.01, clip: Some(30.0), ..Adam::with_rate(0.05) };
    let doubles = || vec![Parameter::real(&normal(1, &[40_000])), Parameter::real(&normal(2, &[3, 5]))];
    let norm = |p: &Vec<Parameter>| p.gradient(&mixed_loss(p)).iter().map(|g| g * g).sum::<f64>().sqrt();
    let [ours, theirs] = in_place_and_flat(doubles, &adam);
    assert!(norm(&doubles()) > 30.0 && norm(&ours) > 30.0);
    for (a, b) in ours.pack().iter().zip(theirs.pack()) {
        // The norm's sum is taken in another order, by parameter.
        assert!((a - b).abs() < 1e-12, "{a} and {b}");
    }
}

#[test]
fn updates_in_place_keep_each_parameters_type() {
    // Without a clip nothing is shared between the parameters, so the rounding of one does not reach the other.
    let adam = Adam { weight_decay: 0.01, ..Adam::with_rate(0.05) };
    let [ours, theirs] = in_place_and_flat(mixed, &adam);
    assert_eq!(ours[1].leaf().dtype(), DType::F32);
    let pairs = |i: usize| ours[i].leaf().to_vec().into_iter().zip(theirs[i].leaf().to_vec());
    pairs(0).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} and {b}"));
    // Single precision rounds a few times an update.
    pairs(1).for_each(|(a, b)| assert!((a - b).abs() < 2e-6 * b.abs().max(1.0), "{a} and {b}"));
}

#[test]
fn a_graph_made_before_an_update_keeps_the_old_values() {
    let mut model = mixed();
    let before = model[0].leaf().to_vec();
    let kept = model[0].get();
    let sgd = Sgd { rate: 0.1.into(), ..Sgd::default() };
    let step = sgd.on(|p: &Vec<Parameter>, _: &mut Run| Ok(mixed_loss(p)));
    let mut run = Run::new(0);
    let mut memory = step.init(&mut model, &mut run).unwrap();
    step.step(&mut model, &mut memory, &mut run).unwrap();
    assert_eq!(kept.to_vec(), before);
    assert_ne!(model[0].leaf().to_vec(), before);
}

#[test]
fn memory_in_single_precision_resumes_to_the_bit() {
    let step = Adam::with_rate(0.05).on(|p: &Vec<Parameter>, _: &mut Run| Ok(mixed_loss(p)));
    let mut run = Run::new(0);
    let (mut whole, mut half) = (mixed(), mixed());
    let mut memory = step.init(&mut whole, &mut run).unwrap();
    for _ in 0..6 {
        step.step(&mut whole, &mut memory, &mut run).unwrap();
    }
    let mut memory = step.init(&mut half, &mut run).unwrap();
    for _ in 0..3 {
        step.step(&mut half, &mut memory, &mut run).unwrap();
    }
    let mut file = ModelFile::new("test");
    memory.save(&mut file, "memory");
    half.write_to(&mut file, "model");
    let mut again = mixed();
    again.read_from(&file, "model").unwrap();
    let mut memory = step.init(&mut again, &mut run).unwrap();
    memory.restore(&file, "memory").unwrap();
    for _ in 0..3 {
        step.step(&mut again, &mut memory, &mut run).unwrap();
    }
    assert_eq!(whole.pack(), again.pack());
    let mut other = step.init(&mut vec![Parameter::real(&normal(1, &[3]))], &mut run).unwrap();
    let error = other.restore(&file, "memory").unwrap_err().to_string();
    assert!(error.contains("40015 numbers"), "{error}");
}

#[test]
#[should_panic(expected = "filters [2, 3, 5, 5] do not fit into images [1, 3, 2, 2]")]
fn filters_larger_than_the_padded_image_are_refused_with_both_shapes() {
    normal(1, &[1, 3, 2, 2]).conv2d(&normal(2, &[2, 3, 5, 5]), None, &Convolution::default().padded(1));
}

#[test]
#[should_panic(expected = "images [1, 3, 4, 4], filters [2, 1, 3, 3], 2 groups")]
fn groups_that_do_not_divide_the_channels_are_refused_with_both_shapes() {
    normal(1, &[1, 3, 4, 4]).conv2d(&normal(2, &[2, 1, 3, 3]), None, &Convolution::default().grouped(2));
}

#[test]
fn masked_attention_at_scale_zero_is_the_mean_of_the_allowed_values() {
    let (q, k, v) = (normal(1, &[2, 3]), normal(2, &[2, 3]), normal(3, &[2, 4]));
    let how = Attention { scale: Some(0.0), ..Attention::causal() };
    let found = q.attention(&k, &v, &how);
    let exact = Tensor::stack(&[v.select(0, 0), (v.select(0, 0) + v.select(0, 1)) * 0.5], 0);
    assert!((found - exact).norm().item() < 1e-14);
}
