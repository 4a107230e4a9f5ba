//! Factors of the posterior covariances of the inducing variables.

use elbo_tensor::{Constraint, Parameter, Tensor};

/// Factors `R` of the covariances `R Rᵀ`, one a latent function.
pub(super) enum Factors {
    /// Lower triangles, `[P, M, M]`.
    Full(Parameter),
    /// Diagonals, `[P, M]`, positive.
    Diagonal(Parameter),
}

impl Factors {
    /// Identities, of which all below the diagonal is free. `like` gives the precision.
    pub fn full(latents: usize, m: usize, like: &Tensor) -> Self {
        let eye = Tensor::eye(m, like.dtype()).unsqueeze(0).broadcast_to(&[latents, m, m]);
        Self::Full(Parameter::real(&eye.contiguous()))
    }

    /// Identities, of which the diagonal is free.
    pub fn diagonal(latents: usize, m: usize, like: &Tensor) -> Self {
        Self::Diagonal(Parameter::from_tensor(&Tensor::ones(&[latents, m], like.dtype()), Constraint::Positive))
    }

    /// Under which name the parameter is walked.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Full(_) => "q.chol",
            Self::Diagonal(_) => "q.scale",
        }
    }

    pub fn parameter(&self) -> &Parameter {
        let (Self::Full(parameter) | Self::Diagonal(parameter)) = self;
        parameter
    }

    pub fn parameter_mut(&mut self) -> &mut Parameter {
        let (Self::Full(parameter) | Self::Diagonal(parameter)) = self;
        parameter
    }

    /// The factors, `[P, M, M]`, differentiable; of those of the first kind only the lower triangles count.
    pub fn get(&self) -> Tensor {
        match self {
            Self::Full(chol) => chol.get(),
            Self::Diagonal(scale) => {
                let scale = scale.get();
                let eye = Tensor::eye(scale.size(-1), scale.dtype());
                scale.unsqueeze(-1) * eye.unsqueeze(0)
            }
        }
    }

    /// Sets them from `chol: [P, M, M]`, of which a diagonal kind takes the diagonals.
    ///
    /// # Panics
    /// For a diagonal kind and a factor with a zero on its diagonal.
    pub fn set(&mut self, chol: &Tensor) {
        match self {
            Self::Full(parameter) => parameter.set_free(&chol.to_vec()),
            Self::Diagonal(parameter) => {
                parameter.set(&chol.diagonal().abs().to_vec()).expect("a factor has no zero on its diagonal");
            }
        }
    }
}
