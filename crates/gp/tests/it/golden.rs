//! Kernels against scikit-learn, GPyTorch and quadrature; `golden/make_kernels.py` made the numbers and names the versions.

use elbo_gp::kernel::*;
use elbo_tensor::{Parameters, Tensor, no_grad};
use serde_json::Value;

struct Golden(Value);

impl Golden {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("../golden/kernels.json")).expect("the golden file is JSON"))
    }

    fn numbers(&self, path: &str) -> Vec<f64> {
        let value = self.0.pointer(path).unwrap_or_else(|| panic!("no {path}"));
        value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
    }

    fn x(&self) -> Tensor {
        Tensor::from_vec(self.numbers("/x"), &[4, 2])
    }

    fn z(&self) -> Tensor {
        Tensor::from_vec(self.numbers("/z"), &[3, 2])
    }

    fn check(&self, name: &str, found: &Tensor, tolerance: f64) {
        let expected = self.numbers(&format!("/cases/{name}"));
        let found = found.to_vec();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
            assert!((f - e).abs() <= tolerance * e.abs().max(1.0), "{name}[{i}]: {f}, expected {e}");
        }
    }
}

#[test]
fn kernels_agree_with_scikit_learn() {
    let golden = Golden::read();
    let (x, z) = (golden.x(), golden.z());
    let scales = [0.7, 1.9];
    let profiles = [
        ("rbf", Profile::Rbf),
        ("matern12", Profile::Matern12),
        ("matern32", Profile::Matern32),
        ("matern52", Profile::Matern52),
    ];
    for (name, profile) in profiles {
        golden.check(name, &Stationary::new(profile, &scales).gram(&x, &z), 1e-13);
    }
    let rq = Stationary::new(Profile::RationalQuadratic, &[0.8]).with_alpha(1.7);
    golden.check("rational_quadratic", &rq.gram(&x, &z), 1e-13);
    let periodic = Active::new(vec![0], Box::new(Periodic::new(&[1.3]).with(0.8, 1.0)));
    golden.check("periodic", &periodic.gram(&x, &z), 1e-13);
    golden.check("linear", &Linear::new(&[2.0], 0.25).gram(&x, &z), 1e-13);
    golden.check("linear_sklearn", &Linear::new(&[1.0], 0.25).gram(&x, &z), 1e-13);
    golden.check("polynomial", &Polynomial::new(3, 0.6, 1.5).gram(&x, &z), 1e-13);
}

#[test]
fn kernels_agree_with_gpytorch() {
    let golden = Golden::read();
    let (x, z) = (golden.x(), golden.z());
    // With several dimensions GPyTorch multiplies one mixture a dimension; ours mixes products.
    let mixture = |d: usize, frequencies: &[f64], bandwidths: &[f64]| -> Box<dyn Kernel> {
        let mixture = SpectralMixture::new(Spectrum::Gaussian, 1, &[0.7, 1.1], frequencies, bandwidths);
        Box::new(Active::new(vec![d], Box::new(mixture)))
    };
    let product = Product::new(vec![mixture(0, &[0.1, 0.9], &[0.3, 0.15]), mixture(1, &[0.4, 0.2], &[0.2, 0.6])]);
    golden.check("spectral_mixture", &product.gram(&x, &z), 1e-12);
    let mut index = Index::new(3, 2);
    index.assign("weights", &[0.3, -0.5, 1.2, 0.4, -0.7, 0.9]).unwrap();
    index.assign("variance", &[0.2, 0.5, 0.9]).unwrap();
    golden.check("index", &index.covariance(), 1e-12);
    for (name, profile) in [("rbf_gradient", Profile::Rbf), ("matern52_gradient", Profile::Matern52)] {
        let kernel = Stationary::new(profile, &[0.7, 1.9]);
        // GPyTorch's distances lose some digits.
        golden.check(name, &derivative_gram(&kernel, &x, &z).unwrap(), 1e-7);
    }
}

#[test]
fn kernels_of_networks_agree_with_quadrature_of_their_definition() {
    let golden = Golden::read();
    let (x, z) = (golden.x().narrow(0, 0, 2), golden.z().narrow(0, 1, 2));
    let found = |kernel: &dyn Kernel| no_grad(|| kernel.gram(&x, &z));
    golden.check("nngp_relu", &found(&Nngp::new(Activation::Relu, 2, 1.6, 0.3)), 1e-6);
    golden.check("nngp_erf", &found(&Nngp::new(Activation::Erf, 2, 1.6, 0.3)), 1e-6);
    for order in 0..=2 {
        let kernel = ArcCosine::new(order, &[0.5, 1.5], 0.4);
        golden.check(&format!("arc_cosine{order}"), &found(&kernel), 1e-8);
    }
}
