use crate::transform::{Bijector, Householder};
use elbo_core::Rng;
use elbo_tensor::{Parameter, Tensor};

/// $z' = z + Q R \tanh(\tilde R Q^\top z + b)$ with $Q$ a product of reflections and upper triangular $R$, $\tilde R$: a planar flow with `D` units.
///
/// $$ \log|\det| = \sum_i \log(1 + (1 - \tanh^2)_i R_{ii} \tilde R_{ii}) $$
///
/// The diagonals are in (-1, 1) through tanh, so that their products exceed -1.
///
/// # Source
/// van den Berg, Hasenclever, Tomczak and Welling (2018).
#[derive(Debug, Clone)]
pub struct Sylvester {
    mirrors: Vec<Householder>,
    r: Parameter,
    r_tilde: Parameter,
    b: Parameter,
}

impl Sylvester {
    /// Near the identity, with this many reflections.
    pub fn random(dimension: usize, reflections: usize, rng: &mut Rng) -> Self {
        let mut normals = |shape: &[usize], sd: f64| {
            let n = shape.iter().product();
            Tensor::from_vec((0..n).map(|_| sd * rng.normal()).collect(), shape)
        };
        let mirrors = (0..reflections).map(|_| Householder::new(&normals(&[dimension], 1.0))).collect();
        let square = [dimension, dimension];
        let (r, r_tilde) = (Parameter::real(&normals(&square, 0.1)), Parameter::real(&normals(&square, 0.1)));
        Self { mirrors, r, r_tilde, b: Parameter::real(&Tensor::from_vec(vec![0.0; dimension], &[dimension])) }
    }
}

elbo_tensor::parameters!(Sylvester { mirrors, r, r_tilde, b });

/// The strictly upper part and the diagonal in (-1, 1).
fn triangle(raw: &Tensor) -> (Tensor, Tensor) {
    let diagonal = raw.diagonal().tanh();
    (raw.triu(1) + diagonal.diag(), diagonal)
}

impl Bijector for Sylvester {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (r, r_diagonal) = triangle(&self.r.get());
        let (r_tilde, r_tilde_diagonal) = triangle(&self.r_tilde.get());
        // Q' x: the reflections in reverse order, each its own transpose.
        let turned = self.mirrors.iter().rev().fold(x.clone(), |x, mirror| mirror.reflect(&x));
        let h = (turned.matmul(&r_tilde.t()) + self.b.get()).tanh();
        let step = self.mirrors.iter().fold(h.matmul(&r.t()), |x, mirror| mirror.reflect(&x));
        let log_det = ((1.0 - h.square()) * (r_diagonal * r_tilde_diagonal)).log1p().sum_axis(-1, false);
        (x + step, log_det)
    }
    fn inverse(&self, _: &Tensor) -> Option<(Tensor, Tensor)> {
        None
    }
}
