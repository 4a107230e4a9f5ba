//! Inducing variables: the `M` numbers through which a sparse process sees its data.
//!
//! | I want | use |
//! |---|---|
//! | function values at points, optimised or held | [`InducingPoints`] |
//! | starting points spread like the data | [`InducingPoints::kmeans`] |
//! | starting points where the kernel is least explained | [`InducingPoints::pivoted`] |
//! | other linear functionals of the function | [`InterDomain`], or implement [`Inducing`] |
//! | many more variables for the mean at a lower cost | [`orthogonal`] |

pub mod orthogonal;
mod start;

use std::sync::Arc;

use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, nested, nested_mut};

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
/// Parameters: `points` `[M, D]`. Codes of categorical dimensions get no gradient, so they stay what they are.
#[derive(Debug, Clone)]
pub struct InducingPoints {
    /// The points, `[M, D]`.
    pub points: Parameter,
}

impl InducingPoints {
    /// Variables at these points, `[M, D]`.
    pub fn new(points: &Tensor) -> Self {
        assert_eq!(points.rank(), 2, "inducing points are [M, D], not {:?}", points.shape());
        Self { points: Parameter::new(&points.to_vec(), points.shape(), Constraint::Real) }
    }

    /// The points, `[M, D]`, tracked unless frozen.
    pub fn get(&self) -> Tensor {
        self.points.get()
    }
}

impl Parameters for InducingPoints {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("points", &self.points, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("points", &mut self.points, f);
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

    fn clone_box(&self) -> Box<dyn Inducing> {
        Box::new(self.clone())
    }
}

type Kuu = Arc<dyn Fn(&dyn Kernel) -> Tensor + Send + Sync>;
type Kuf = Arc<dyn Fn(&dyn Kernel, &Tensor) -> Tensor + Send + Sync>;

/// Variables given by their covariances: integrals of the function, Fourier or spherical features. Nothing else about a sparse
/// process changes.
#[derive(Clone)]
pub struct InterDomain {
    count: usize,
    kuu: Kuu,
    kuf: Kuf,
}

impl InterDomain {
    /// `count` variables; `kuu` gives `[M, M]`, `kuf` gives `[M, N]`.
    pub fn new(
        count: usize,
        kuu: impl Fn(&dyn Kernel) -> Tensor + Send + Sync + 'static,
        kuf: impl Fn(&dyn Kernel, &Tensor) -> Tensor + Send + Sync + 'static,
    ) -> Self {
        Self { count, kuu: Arc::new(kuu), kuf: Arc::new(kuf) }
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

    fn clone_box(&self) -> Box<dyn Inducing> {
        Box::new(self.clone())
    }
}
