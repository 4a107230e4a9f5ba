//! Kernels made of kernels: a sum, a product, a scaled, a restricted and a warped kernel are kernels.

use std::sync::Arc;

use elbo_core::{Result, Rng};
use elbo_tensor::{Parameter, Parameters, Tensor};

use super::Kernel;
use super::parameter::{positive, show};
use super::spectral::Spectral;

/// `k = k_1 + k_2 + ...`: the sum of independent functions.
#[derive(Clone)]
pub struct Sum {
    /// The terms, at least one.
    pub terms: Vec<Box<dyn Kernel>>,
}
elbo_tensor::parameters!(Sum { terms });

impl Sum {
    /// The sum of these kernels.
    pub fn new(terms: Vec<Box<dyn Kernel>>) -> Self {
        assert!(!terms.is_empty(), "a sum of kernels needs a term");
        Self { terms }
    }
}

fn fold(
    terms: &[Box<dyn Kernel>],
    f: impl Fn(&dyn Kernel) -> Tensor,
    join: impl Fn(Tensor, Tensor) -> Tensor,
) -> Tensor {
    terms.iter().map(|k| f(k.as_ref())).reduce(join).expect("a composition has a term")
}

/// Combines the terms' relevances; a term that has none leaves the whole without.
fn relevances(terms: &[Box<dyn Kernel>], dims: usize, join: fn(f64, f64) -> f64) -> Option<Vec<f64>> {
    let all: Option<Vec<Vec<f64>>> = terms.iter().map(|k| k.relevance(dims)).collect();
    all?.into_iter().reduce(|a, b| a.iter().zip(&b).map(|(a, b)| join(*a, *b)).collect())
}

impl Kernel for Sum {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        fold(&self.terms, |k| k.gram(x, z), |a, b| a + b)
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        fold(&self.terms, |k| k.gram_symmetric(x), |a, b| a + b)
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        fold(&self.terms, |k| k.diag(x), |a, b| a + b)
    }

    fn summary(&self) -> String {
        self.terms.iter().map(|k| k.summary()).collect::<Vec<_>>().join(" + ")
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        self.terms.iter().all(|k| k.is_stationary())
    }

    /// The largest of the terms'.
    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        relevances(&self.terms, dims, f64::max)
    }

    /// Every term gets an equal share of the frequencies; there must be at least one each.
    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let terms = self.terms.len();
        if count < terms {
            return None;
        }
        let share = |i: usize| count / terms + usize::from(i < count % terms);
        let parts: Option<Vec<Spectral>> =
            self.terms.iter().enumerate().map(|(i, k)| k.spectral_sample(dims, share(i), rng)).collect();
        Some(Spectral::concat(&parts?))
    }

    fn check_inputs(&self, x: &Tensor) -> Result<()> {
        self.terms.iter().try_for_each(|k| k.check_inputs(x))
    }
}

/// `k = k_1 k_2 ...`.
#[derive(Clone)]
pub struct Product {
    /// The factors, at least one.
    pub factors: Vec<Box<dyn Kernel>>,
}
elbo_tensor::parameters!(Product { factors });

impl Product {
    /// The product of these kernels.
    pub fn new(factors: Vec<Box<dyn Kernel>>) -> Self {
        assert!(!factors.is_empty(), "a product of kernels needs a factor");
        Self { factors }
    }
}

impl Kernel for Product {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        fold(&self.factors, |k| k.gram(x, z), |a, b| a * b)
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        fold(&self.factors, |k| k.gram_symmetric(x), |a, b| a * b)
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        fold(&self.factors, |k| k.diag(x), |a, b| a * b)
    }

    fn summary(&self) -> String {
        let one = |k: &dyn Kernel| {
            let text = k.summary();
            if text.contains(" + ") { format!("({text})") } else { text }
        };
        self.factors.iter().map(|k| one(k.as_ref())).collect::<Vec<_>>().join(" * ")
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        self.factors.iter().all(|k| k.is_stationary())
    }

    /// Squared relevances add, as the inverse squared lengthscales of RBF kernels do.
    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        relevances(&self.factors, dims, f64::hypot)
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        let mut product = self.factors[0].spectral_sample(dims, count, rng)?;
        for factor in &self.factors[1..] {
            let other = factor.spectral_sample(dims, count, rng)?;
            product = product.times(&other, rng);
        }
        Some(product)
    }

    fn check_inputs(&self, x: &Tensor) -> Result<()> {
        self.factors.iter().try_for_each(|k| k.check_inputs(x))
    }
}

/// `v k`.
#[derive(Clone)]
pub struct Scaled {
    /// `v`, positive.
    pub variance: Parameter,
    /// The kernel scaled.
    pub kernel: Box<dyn Kernel>,
}
elbo_tensor::parameters!(Scaled { variance, kernel });

impl Scaled {
    /// `kernel` times a variance.
    pub fn new(variance: f64, kernel: Box<dyn Kernel>) -> Self {
        Self { variance: positive(&[variance], &[]), kernel }
    }
}

impl Kernel for Scaled {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        self.kernel.gram(x, z) * self.variance.get()
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        self.kernel.gram_symmetric(x) * self.variance.get()
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.kernel.diag(x) * self.variance.get()
    }

    fn summary(&self) -> String {
        let inner = self.kernel.summary();
        let inner = if inner.contains(" + ") { format!("({inner})") } else { inner };
        format!("{} * {inner}", show(&self.variance))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        self.kernel.is_stationary()
    }

    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        self.kernel.relevance(dims)
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        Some(self.kernel.spectral_sample(dims, count, rng)?.scaled(self.variance.value()[0]))
    }

    fn check_inputs(&self, x: &Tensor) -> Result<()> {
        self.kernel.check_inputs(x)
    }
}

/// A kernel over some of the columns, in the order given.
#[derive(Clone)]
pub struct Active {
    columns: Vec<usize>,
    /// The kernel over the selected columns.
    pub kernel: Box<dyn Kernel>,
}

// The selection adds nothing to the parameters' names.
impl Parameters for Active {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.kernel.visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.kernel.visit_mut(f);
    }
}

impl Active {
    /// `kernel` over these columns.
    pub fn new(columns: Vec<usize>, kernel: Box<dyn Kernel>) -> Self {
        assert!(!columns.is_empty(), "a kernel needs at least one column");
        Self { columns, kernel }
    }

    /// The columns the kernel sees.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn select(&self, x: &Tensor) -> Tensor {
        let first = self.columns[0];
        if self.columns.iter().enumerate().all(|(i, c)| *c == first + i) {
            return x.narrow(1, first, self.columns.len());
        }
        x.index_select(1, &Tensor::indices(&self.columns))
    }
}

impl Kernel for Active {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        self.kernel.gram(&self.select(x), &self.select(z))
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        self.kernel.gram_symmetric(&self.select(x))
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.kernel.diag(&self.select(x))
    }

    fn summary(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(usize::to_string).collect();
        format!("{} of columns {}", self.kernel.summary(), columns.join(", "))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        self.kernel.is_stationary()
    }

    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        let mut all = vec![0.0; dims];
        let inner = self.kernel.relevance(self.columns.len())?;
        self.columns.iter().zip(inner).for_each(|(c, r)| all[*c] = r);
        Some(all)
    }

    fn spectral_sample(&self, dims: usize, count: usize, rng: &mut Rng) -> Option<Spectral> {
        Some(self.kernel.spectral_sample(self.columns.len(), count, rng)?.embedded(&self.columns, dims))
    }

    fn check_inputs(&self, x: &Tensor) -> Result<()> {
        self.kernel.check_inputs(&self.select(x))
    }
}

/// A map of inputs with parameters of its own: a scaling, a flow, a network.
///
/// To use your own, implement `map` and [`Parameters`]; a closure without parameters goes through [`Warped::by`].
pub trait Warp: Parameters + Send + Sync {
    /// Maps points, `[N, D] -> [N, E]`, differentiable in the points and the parameters. Row by row.
    fn map(&self, x: &Tensor) -> Tensor;

    /// A copy.
    fn clone_box(&self) -> Box<dyn Warp>;
}

type Map = Arc<dyn Fn(&Tensor) -> Tensor + Send + Sync>;

/// A map without parameters.
#[derive(Clone)]
struct Fixed(Map);
elbo_tensor::parameters!(Fixed {});

impl Warp for Fixed {
    fn map(&self, x: &Tensor) -> Tensor {
        (self.0)(x)
    }

    fn clone_box(&self) -> Box<dyn Warp> {
        Box::new(self.clone())
    }
}

/// `k(w(x), w(x'))`: a kernel on mapped inputs. With a network as the map, a deep kernel.
pub struct Warped {
    /// The map.
    pub warp: Box<dyn Warp>,
    /// The kernel over the map's outputs.
    pub kernel: Box<dyn Kernel>,
}
elbo_tensor::parameters!(Warped { warp, kernel });

impl Warped {
    /// `kernel` over what `warp` gives.
    pub fn new(warp: Box<dyn Warp>, kernel: Box<dyn Kernel>) -> Self {
        Self { warp, kernel }
    }

    /// `kernel` over what a function without parameters gives, `[N, D] -> [N, E]`.
    pub fn by(map: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static, kernel: Box<dyn Kernel>) -> Self {
        Self { warp: Box::new(Fixed(Arc::new(map))), kernel }
    }
}

impl Clone for Warped {
    fn clone(&self) -> Self {
        Self { warp: self.warp.clone_box(), kernel: self.kernel.clone() }
    }
}

impl Kernel for Warped {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        self.kernel.gram(&self.warp.map(x), &self.warp.map(z))
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        self.kernel.gram_symmetric(&self.warp.map(x))
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.kernel.diag(&self.warp.map(x))
    }

    fn summary(&self) -> String {
        format!("{} of mapped inputs", self.kernel.summary())
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn check_inputs(&self, x: &Tensor) -> Result<()> {
        self.kernel.check_inputs(&self.warp.map(x))
    }
}
