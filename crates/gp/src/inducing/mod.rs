//! Inducing variables: the `M` numbers through which a sparse process sees its data.
//!
//! | I want | use |
//! |---|---|
//! | function values at points, optimised or held | [`InducingPoints`] |
//! | starting points spread like the data | [`InducingPoints::kmeans`] |
//! | starting points where the kernel is least explained | [`InducingPoints::pivoted`] |
//! | other linear functionals of the function | [`InterDomain`], or implement [`Inducing`] |
//! | many more variables for the mean at a lower cost | [`orthogonal`] |
//!
//! [`Sgpr`](crate::sgpr::Sgpr), [`Svgp`](crate::svgp::Svgp), [`SparsePrior`](crate::prior::SparsePrior) and
//! [`DualGp`](crate::dual::DualGp) take any of them: `new` makes points of a tensor, `through` takes a `Box<dyn Inducing>`. To add a kind,
//! implement [`Inducing::kuu`] and [`Inducing::kuf`], [`Inducing::of_function`] for paths that are functions, and [`Inducing::points`] where
//! it is values at points.

pub mod orthogonal;
mod start;

use std::sync::Arc;

use elbo_tensor::{Parameter, Parameters, Tensor};

use crate::kernel::Kernel;
pub use start::InducingStart;

/// Linear functionals of the process with known covariances.
pub trait Inducing: Parameters + Send + Sync {
    /// Number of variables, `M`.
    fn count(&self) -> usize;

    /// Covariances of the variables with themselves, `[M, M]`, differentiable in the kernel's and their own parameters.
    fn kuu(&self, kernel: &dyn Kernel) -> Tensor;

    /// Covariances of the variables with the function at `x: [N, D]`, `[M, N]`, differentiable as `kuu` and in `x`.
    fn kuf(&self, kernel: &dyn Kernel, x: &Tensor) -> Tensor;

    /// What the variables are, `[M]`, where the function is `f`, which gives `[N]` at `[N, D]`; `None` where only covariances are known.
    fn of_function(&self, _f: &dyn Fn(&Tensor) -> Tensor) -> Option<Tensor> {
        None
    }

    /// Where the variables are values of the function, `[M, D]`; `None` where they are something else of it.
    fn points(&self) -> Option<Tensor> {
        None
    }

    /// A copy with parameters of its own.
    fn clone_box(&self) -> Box<dyn Inducing>;
}

impl Clone for Box<dyn Inducing> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// Function values at `M` points.
///
/// Parameters: the points, `[M, D]`, without a name of their own: in a process they have that of the variables. Codes of categorical
/// dimensions get no gradient, so they stay what they are.
#[derive(Debug, Clone)]
pub struct InducingPoints {
    /// The points, `[M, D]`.
    pub points: Parameter,
}

impl InducingPoints {
    /// Variables at these points, `[M, D]`.
    pub fn new(points: &Tensor) -> Self {
        assert_eq!(points.rank(), 2, "inducing points are [M, D], not {:?}", points.shape());
        Self { points: Parameter::real(points) }
    }

    /// The points, `[M, D]`, tracked unless frozen.
    pub fn get(&self) -> Tensor {
        self.points.get()
    }
}

impl Parameters for InducingPoints {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("", &self.points);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("", &mut self.points);
    }
}

impl Inducing for InducingPoints {
    fn count(&self) -> usize {
        self.points.shape()[0]
    }

    fn kuu(&self, kernel: &dyn Kernel) -> Tensor {
        kernel.gram_symmetric(&self.points.get())
    }

    fn kuf(&self, kernel: &dyn Kernel, x: &Tensor) -> Tensor {
        kernel.gram(&self.points.get(), x)
    }

    fn of_function(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Option<Tensor> {
        Some(f(&self.points.get()))
    }

    fn points(&self) -> Option<Tensor> {
        Some(self.points.get())
    }

    fn clone_box(&self) -> Box<dyn Inducing> {
        Box::new(self.clone())
    }
}

type Kuu = Arc<dyn Fn(&dyn Kernel) -> Tensor + Send + Sync>;
type Kuf = Arc<dyn Fn(&dyn Kernel, &Tensor) -> Tensor + Send + Sync>;
type OfFunction = Arc<dyn Fn(&dyn Fn(&Tensor) -> Tensor) -> Tensor + Send + Sync>;

/// Variables given by their covariances: integrals of the function, Fourier or spherical features. Nothing else about a sparse
/// process changes.
#[derive(Clone)]
pub struct InterDomain {
    count: usize,
    kuu: Kuu,
    kuf: Kuf,
    of_function: Option<OfFunction>,
}

impl InterDomain {
    /// `count` variables; `kuu` gives `[M, M]`, `kuf` gives `[M, N]`.
    pub fn new(
        count: usize,
        kuu: impl Fn(&dyn Kernel) -> Tensor + Send + Sync + 'static,
        kuf: impl Fn(&dyn Kernel, &Tensor) -> Tensor + Send + Sync + 'static,
    ) -> Self {
        Self { count, kuu: Arc::new(kuu), kuf: Arc::new(kuf), of_function: None }
    }

    /// The same variables with what they are of a given function, as [`Inducing::of_function`].
    pub fn with_of_function(
        mut self,
        of_function: impl Fn(&dyn Fn(&Tensor) -> Tensor) -> Tensor + Send + Sync + 'static,
    ) -> Self {
        self.of_function = Some(Arc::new(of_function));
        self
    }
}

impl Parameters for InterDomain {
    fn visit(&self, _: &mut dyn FnMut(&str, &Parameter)) {}
    fn visit_mut(&mut self, _: &mut dyn FnMut(&str, &mut Parameter)) {}
}

impl Inducing for InterDomain {
    fn count(&self) -> usize {
        self.count
    }

    fn kuu(&self, kernel: &dyn Kernel) -> Tensor {
        (self.kuu)(kernel)
    }

    fn kuf(&self, kernel: &dyn Kernel, x: &Tensor) -> Tensor {
        (self.kuf)(kernel, x)
    }

    fn of_function(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Option<Tensor> {
        self.of_function.as_ref().map(|variables| variables(f))
    }

    fn clone_box(&self) -> Box<dyn Inducing> {
        Box::new(self.clone())
    }
}
