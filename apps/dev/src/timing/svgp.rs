//! One step of whitened SVGP with a Gaussian likelihood: bound, its gradient by everything, and Adam.

use super::{Outcome, START, array, measure};
use crate::error::Result;
use elbo::core::{Run, Step};
use elbo::gp::kernel::{Profile, Stationary};
use elbo::gp::likelihood::{Gaussian, Single};
use elbo::gp::mean::Zero;
use elbo::gp::svgp::Svgp;
use elbo::tensor::optim::{Adam, Rule};
use std::path::Path;

pub(super) fn time(folder: &Path, batch: usize, seconds: f64) -> Result<Outcome> {
    let (x, y, z) = (array(folder, "svgp_x")?, array(folder, "svgp_y")?, array(folder, "svgp_z")?);
    let kernel = Stationary::new(Profile::Rbf, &vec![START.1; x.shape()[1]]).with_variance(START.0);
    let likelihood = Single(Box::new(Gaussian::new(START.2)));
    let mut model = Svgp::new(Box::new(kernel), Box::new(Zero), Box::new(likelihood), &z, x, y.to_vec())?;
    model.set_posterior(&array(folder, "svgp_m")?, &array(folder, "svgp_r")?);

    let rows: Vec<usize> = (0..batch).collect();
    let adam = Adam::with_rate(0.01).on(|model: &Svgp, _: &mut Run| Ok(-model.bound(&rows)?));
    let mut run = Run::new(0);
    let mut memory = adam.init(&mut model, &mut run)?;
    let value = -adam.step(&mut model, &mut memory, &mut run)?.objective;
    let timing = measure(seconds, 5, || {
        adam.step(&mut model, &mut memory, &mut run)?;
        Ok(())
    })?;
    Ok(Outcome { timing, value, evaluations: None, gradient: vec![] })
}
