//! What is timed, against whom, and how fast it could be at best.

use super::rows::Row;

/// One piece of work that both sides do.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Its name in rows and on the command line.
    pub id: &'static str,
    /// What the table calls it; the size follows.
    pub title: &'static str,
    /// What the picture of all ratios calls it.
    pub short: &'static str,
    /// The size's name in the table.
    pub unit: &'static str,
    /// The peers' script in `benches/peers`.
    pub script: &'static str,
    /// Engines with the largest ratio elbo/peer that is asked for.
    pub peers: &'static [(&'static str, f64)],
    /// The ratio that would be a feat, shown beside the one that is asked for; no verdict depends on it.
    pub moonshot: Option<f64>,
    /// How the values must compare.
    pub agreement: Agreement,
}

/// How two engines' values must compare for the times to be comparable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Agreement {
    /// Equal, relative to the size; the reason of the tolerance stands at the work.
    Relative(f64),
    /// Ours is a maximum: as high as the peer's, up to so many nats.
    AtLeast(f64),
    /// Only the time is of interest.
    None,
}

impl Agreement {
    /// A sentence when the values, or the gradients where both sides give one, do not compare as they must.
    pub fn fault(self, ours: &Row, theirs: &Row) -> Option<String> {
        if self == Self::None {
            return None;
        }
        let (Some(value), Some(expected)) = (ours.value, theirs.value) else {
            return Some("a value is missing".into());
        };
        let holds = match self {
            Self::Relative(tolerance) => (value - expected).abs() <= tolerance * expected.abs(),
            Self::AtLeast(slack) => value >= expected - slack,
            Self::None => true,
        };
        if !holds {
            return Some(format!("elbo found {value}, the peer {expected}"));
        }
        let (Self::Relative(tolerance), [_, ..], [_, ..]) = (self, &ours.gradient[..], &theirs.gradient[..]) else {
            return None;
        };
        let size = theirs.gradient.iter().fold(0.0_f64, |largest, slope| largest.max(slope.abs()));
        // What is no number agrees with nothing.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * size;
        let agree =
            ours.gradient.len() == theirs.gradient.len() && ours.gradient.iter().zip(&theirs.gradient).all(near);
        (!agree).then(|| format!("the gradients differ: {:?} and {:?}", ours.gradient, theirs.gradient))
    }
}

/// The works of the Gaussian half.
pub const GP: &[Work] = &[
    Work {
        id: "gp-nll",
        title: "exact GP, likelihood and gradient, RBF-ARD, 8 inputs",
        short: "exact GP",
        unit: "n",
        script: "gp_nll.py",
        peers: &[("gpytorch", 0.45), ("sklearn", 0.30)],
        moonshot: None,
        agreement: Agreement::Relative(1e-7), // scikit-learn adds 1e-10 to the diagonal.
    },
    Work {
        id: "gp-fit",
        title: "exact GP, fit to convergence on `concrete`, one start",
        short: "exact GP fitted",
        unit: "n",
        script: "gp_fit.py",
        peers: &[("gpytorch", 0.33), ("sklearn", 0.25)],
        moonshot: None,
        agreement: Agreement::AtLeast(0.1), // Stopping rules differ; a tenth of a nat is nothing in a likelihood.
    },
    Work {
        id: "svgp-step",
        title: "SVGP step, 500 inducing points, 8 inputs",
        short: "SVGP step",
        unit: "batch",
        script: "svgp_step.py",
        peers: &[("gpytorch", 0.40), ("jax", 0.70)],
        moonshot: None,
        agreement: Agreement::Relative(1e-5), // The peers' jitter of 1e-6 on K_zz.
    },
    Work {
        id: "tiny-ops",
        title: "rounds of 16x16 matmul, add, tanh, forward and backward, f32",
        short: "tiny operations",
        unit: "rounds",
        script: "tiny_ops.py",
        peers: &[("torch", 0.25)],
        moonshot: None,
        agreement: Agreement::Relative(1e-3), // Single precision, a thousand times through.
    },
    Work {
        id: "first-prediction",
        title: "process start to first prediction of a saved GP on `concrete`",
        short: "first prediction",
        unit: "rows",
        script: "first_prediction.py",
        peers: &[("sklearn", 0.10)],
        moonshot: None,
        agreement: Agreement::None,
    },
];

/// The works of the network half: f32, whole training steps with Adam except for the bare convolution. Losses are sums of up to
/// millions of products in single precision, so they agree to four digits.
pub const NN: &[Work] = &[
    Work {
        id: "vae-step",
        title: "autoencoder 784-400-20, training step",
        short: "autoencoder",
        unit: "batch",
        script: "nn_vae.py",
        peers: &[("torch", 1.0)],
        moonshot: Some(0.6),
        agreement: Agreement::Relative(1e-4), // Single precision, the loss after three steps.
    },
    Work {
        id: "conv-vae-step",
        title: "convolutional autoencoder (32 and 64 channels at stride 2, 16 latent), training step",
        short: "convolutional autoencoder",
        unit: "batch",
        script: "nn_conv_vae.py",
        peers: &[("torch", 0.9)],
        moonshot: Some(0.6),
        agreement: Agreement::Relative(1e-4),
    },
    Work {
        id: "conv-both",
        title: "convolution 3x3, 64 to 64 channels on 64x64, forward and backward",
        short: "convolution",
        unit: "batch",
        script: "nn_conv.py",
        peers: &[("torch", 1.2)],
        moonshot: Some(0.9),
        agreement: Agreement::Relative(1e-4),
    },
    Work {
        id: "denoiser-step",
        title: "U-shaped denoiser of 3x32x32, training step",
        short: "denoiser",
        unit: "batch",
        script: "nn_denoiser.py",
        peers: &[("torch", 1.2)],
        moonshot: Some(0.8),
        agreement: Agreement::Relative(1e-4),
    },
];

/// What the machine can do, as `peak.py` measured it with the same threads.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
pub struct Peak {
    /// Matrix product, f64.
    pub gflops_float64: f64,
    /// Matrix product, f32.
    pub gflops_float32: f64,
    /// Copying a large array, bytes read and bytes written together.
    pub copy_gb_per_s: f64,
}

impl Peak {
    /// A sentence for the document.
    pub fn words(&self) -> String {
        format!(
            "Peak of this machine with numpy's BLAS: {} GFLOP/s in f64, {} in f32; copying memory: {} GB/s read and written.",
            self.gflops_float64, self.gflops_float32, self.copy_gb_per_s
        )
    }
}

/// Time that the work cannot go below on this machine, and where the figure comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Floor {
    /// In milliseconds.
    pub ms: f64,
    /// The arithmetic behind it.
    pub reason: String,
}

/// What a pass through a network forward and backward needs, for each row but for its weights.
struct Layers {
    /// Multiply-adds of the forward pass.
    products: f64,
    /// Those of the gradients of what goes in, where nobody asks for them.
    unasked: f64,
    /// Numbers read of what goes in, and written of their gradients where these are asked for.
    inputs: f64,
    /// Numbers that the layers with weights give.
    outputs: f64,
    /// Weights and biases.
    parameters: f64,
}

impl Layers {
    /// Operations for so many rows: the gradients of weights and of inputs are a product each, as large as the forward one.
    fn flops(&self, rows: f64) -> f64 {
        2.0 * rows * (3.0 * self.products - self.unasked)
    }

    /// Bytes that must move at least for so many rows, four a number: each output written once and read once, the gradient of each as well,
    /// weights read once and their gradients written once. What follows a layer without weights of its own counts as done while its numbers are
    /// at hand, and what is used again backward as kept.
    fn bytes(&self, rows: f64) -> f64 {
        4.0 * (rows * (self.inputs + 4.0 * self.outputs) + 2.0 * self.parameters)
    }

    /// The least time: arithmetic and memory may overlap, so the longer of the two.
    fn floor(&self, rows: f64, peak: &Peak) -> Floor {
        let (flops, bytes) = (self.flops(rows), self.bytes(rows));
        Floor {
            ms: (1e-6 * flops / peak.gflops_float32).max(1e-6 * bytes / peak.copy_gb_per_s),
            reason: format!("{:.2} Gflop or {:.1} MB", 1e-9 * flops, 1e-6 * bytes),
        }
    }
}

/// The floor of a work, given our own row (for the number of evaluations of a fit) and the start of an empty process in ms.
pub fn floor(ours: &Row, peak: &Peak, empty_process_ms: f64) -> Floor {
    let n = ours.size as f64;
    let f64_ms = |flops: f64| 1e-6 * flops / peak.gflops_float64;
    // Adam begins when there are gradients; it reads four numbers and writes three for each parameter, of four bytes.
    let step = |layers: Layers| {
        let (passes, bytes) = (layers.floor(n, peak), 28.0 * layers.parameters);
        Floor {
            ms: passes.ms + 1e-6 * bytes / peak.copy_gb_per_s,
            reason: format!("{}, then Adam moves {:.1} MB", passes.reason, 1e-6 * bytes),
        }
    };
    match ours.work.as_str() {
        "gp-nll" => {
            Floor { ms: f64_ms(n.powi(3)), reason: "n³ operations: n³/3 to factor, 2n³/3 for the inverse".into() }
        }
        "gp-fit" => {
            let evaluations = ours.evaluations.unwrap_or(1);
            let reason = format!("n³ operations in each of our {evaluations} evaluations");
            Floor { ms: evaluations as f64 * f64_ms(n.powi(3)), reason }
        }
        "svgp-step" => {
            let m = 500.0_f64;
            // Forward: factor M³/3, its inverse, L⁻¹K_uf and RᵀA. Backward: (S-I)A, L⁻ᵀdA, the Cholesky's own backward pass, and
            // the gradients of R and L: a product over the batch each, or one of A and what is left over M columns. Triangular
            // products count half of full ones.
            let (direct, gram) = (6.0 * n + 5.0 / 3.0 * m, 5.0 * n + 10.0 / 3.0 * m);
            let reason = if direct < gram { "6M²B + 5M³/3 operations" } else { "5M²B + 10M³/3 operations" };
            Floor { ms: f64_ms(m * m * direct.min(gram)), reason: reason.into() }
        }
        "tiny-ops" => {
            let flops = n * 3.0 * 2.0 * 16.0_f64.powi(3);
            Floor {
                ms: 1e-6 * flops / peak.gflops_float32,
                reason: "three 16x16 products a round; no memory traffic".into(),
            }
        }
        // Layer by layer, in the order of the network; noise is an input beside the picture.
        "vae-step" => step(Layers {
            products: 2.0 * 784.0 * 400.0 + 3.0 * 400.0 * 20.0,
            unasked: 784.0 * 400.0,
            inputs: 784.0 + 20.0,
            outputs: 400.0 + 2.0 * 20.0 + 400.0 + 784.0,
            parameters: 652_824.0,
        }),
        "conv-vae-step" => {
            let convolutions = 196.0 * 32.0 * 9.0 + 49.0 * 64.0 * 288.0 + 49.0 * 64.0 * 512.0 + 196.0 * 32.0 * 16.0;
            step(Layers {
                products: convolutions + 3.0 * 3136.0 * 16.0,
                unasked: 196.0 * 32.0 * 9.0,
                inputs: 784.0 + 16.0,
                outputs: 196.0 * 32.0 + 49.0 * 64.0 + 2.0 * 16.0 + 3136.0 + 196.0 * 32.0 + 784.0,
                parameters: 205_825.0,
            })
        }
        "denoiser-step" => {
            let fine = 1024.0 * (32.0 * 27.0 + 32.0 * 576.0 + 3.0 * 288.0);
            step(Layers {
                products: fine + 256.0 * 64.0 * (288.0 + 2.0 * 576.0 + 512.0),
                unasked: 1024.0 * 32.0 * 27.0,
                inputs: 1024.0 * 3.0,
                outputs: 1024.0 * (3.0 * 32.0 + 3.0) + 3.0 * 256.0 * 64.0,
                parameters: 145_571.0,
            })
        }
        "conv-both" => {
            let image = 4096.0 * 64.0;
            let layers = Layers {
                products: image * 576.0,
                unasked: 0.0,
                inputs: 2.0 * image,
                outputs: image,
                parameters: 64.0 * 577.0,
            };
            layers.floor(n, peak)
        }
        _ => Floor { ms: empty_process_ms, reason: "starting a process that does nothing".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Option<f64>, gradient: &[f64]) -> Row {
        let line = r#"{"engine":"elbo","version":"0","work":"gp-nll","size":1000,"threads":2,"median_ms":1,"min_ms":1,"repeats":1}"#;
        Row { value, gradient: gradient.to_vec(), ..Row::parse(line, "x").unwrap() }
    }

    #[test]
    fn values_are_compared_as_the_work_asks() {
        let fault =
            |rule: Agreement, ours: f64, theirs: f64| rule.fault(&row(Some(ours), &[]), &row(Some(theirs), &[]));
        assert_eq!(fault(Agreement::Relative(1e-3), 1000.5, 1000.0), None);
        assert!(fault(Agreement::Relative(1e-3), 1002.0, 1000.0).unwrap().contains("1002"));
        assert_eq!(fault(Agreement::AtLeast(0.1), 50.0, 10.0), None);
        assert!(fault(Agreement::AtLeast(0.1), 9.0, 10.0).is_some());
        assert!(Agreement::Relative(1.0).fault(&row(None, &[]), &row(Some(1.0), &[])).is_some());
        assert_eq!(Agreement::None.fault(&row(None, &[]), &row(None, &[])), None);
    }

    #[test]
    fn gradients_are_compared_where_both_sides_give_one() {
        let fault = |ours: &[f64], theirs: &[f64]| {
            Agreement::Relative(1e-3).fault(&row(Some(1.0), ours), &row(Some(1.0), theirs))
        };
        assert_eq!(fault(&[], &[1.0]), None);
        assert_eq!(fault(&[100.0, 0.05], &[100.0, 0.0]), None);
        assert!(fault(&[100.0, 0.2], &[100.0, 0.0]).unwrap().contains("gradients differ"));
        assert!(fault(&[100.0], &[100.0, 0.0]).is_some());
        assert!(fault(&[100.0, f64::NAN], &[100.0, 0.0]).is_some());
    }

    #[test]
    fn the_floor_of_the_likelihood_is_n_cubed_at_peak() {
        let row = row(None, &[]);
        let peak = Peak { gflops_float64: 100.0, gflops_float32: 200.0, copy_gb_per_s: 10.0 };
        assert!((floor(&row, &peak, 1.0).ms - 10.0).abs() < 1e-12);
        let fit = Row { work: "gp-fit".into(), evaluations: Some(7), ..row.clone() };
        assert!((floor(&fit, &peak, 1.0).ms - 70.0).abs() < 1e-12);
        // Without rows there is no arithmetic: a weight is read and its gradient written, and Adam moves seven numbers, of four bytes each, at
        // ten gigabytes a second.
        let adam = Row { work: "vae-step".into(), size: 0, ..row };
        assert!((floor(&adam, &peak, 1.0).ms - 1e-7 * 36.0 * 652_824.0).abs() < 1e-12);
    }

    #[test]
    fn the_floor_of_a_convolution_is_the_longer_of_its_arithmetic_and_its_memory() {
        let row = Row { work: "conv-both".into(), size: 8, ..row(None, &[]) };
        let peak =
            |gflops_float32: f64, copy_gb_per_s: f64| Peak { gflops_float64: 1.0, gflops_float32, copy_gb_per_s };
        // Three products, and an image of 64 channels six times: read, its gradient written, and the result and its gradient written and read.
        let flops = 3.0 * 2.0 * 8.0 * 4096.0 * 64.0 * 64.0 * 9.0;
        let bytes = 4.0 * (6.0 * 8.0 * 64.0 * 4096.0 + 2.0 * (64.0 * 64.0 * 9.0 + 64.0));
        let slow_sums = floor(&row, &peak(1.0, 1e6), 1.0);
        assert!((slow_sums.ms / (1e-6 * flops) - 1.0).abs() < 1e-12, "{slow_sums:?}");
        assert_eq!(slow_sums.reason, "7.25 Gflop or 50.6 MB");
        let slow_memory = floor(&row, &peak(1e6, 1.0), 1.0);
        assert!((slow_memory.ms / (1e-6 * bytes) - 1.0).abs() < 1e-12, "{slow_memory:?}");
    }

    #[test]
    fn every_network_has_a_floor_that_says_what_it_counts() {
        let peak = Peak { gflops_float64: 1.0, gflops_float32: 1.0, copy_gb_per_s: 1.0 };
        for work in NN {
            let row = Row { work: work.id.into(), size: 2, ..row(None, &[]) };
            let floor = floor(&row, &peak, 0.0);
            assert!(floor.ms > 0.0 && floor.reason.contains(" Gflop or ") && floor.reason.contains(" MB"), "{floor:?}");
        }
    }
}
