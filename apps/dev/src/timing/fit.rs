//! Exact Gaussian process on standardised `concrete`: the product's own search from one start, to convergence.

use super::likelihood::exact;
use super::{Load, Outcome, Timing, array};
use crate::error::{DevError, Result};
use elbo::core::step::Snapshot;
use elbo::core::{ModelFile, Run};
use elbo::gp::exact::ExactGp;
use elbo::gp::fit::{Loss, Search, search};
use elbo::tensor::{Parameter, Parameters, Tensor};
use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

/// More iterations than any fit here needs: it ends by its tolerance.
const MOST_ITERATIONS: usize = 1000;

pub(super) fn time(folder: &Path, rows: usize) -> Result<Outcome> {
    let (x, y) = (array(folder, "concrete_x")?, array(folder, "concrete_y")?);
    if x.shape()[0] != rows {
        return Err(DevError::format("concrete_x.npy", format!("it has {} rows, not {rows}", x.shape()[0])));
    }
    let lengthscale = (x.shape()[1] as f64).sqrt();
    let mut model = Counted { gp: exact(x, y, lengthscale), evaluations: Cell::new(0) };
    model.loss()?; // The first call sets up threads and kernels; every engine is timed warm.
    model.evaluations.set(0);
    let (load, start) = (Load::now(), Instant::now());
    let found = search(&mut model, Search { starts: 1, iterations: MOST_ITERATIONS }, &mut Run::new(0))?;
    let ms = 1e3 * start.elapsed().as_secs_f64();
    let timing = Timing { median_ms: ms, min_ms: ms, repeats: 1, foreign_cores: Load::foreign_cores(load, start) };
    Ok(Outcome { timing, value: -found.loss, evaluations: Some(model.evaluations.get()), gradient: vec![] })
}

/// The model, counting how often its loss is asked for.
struct Counted {
    gp: ExactGp,
    evaluations: Cell<usize>,
}

impl Loss for Counted {
    fn loss(&self) -> elbo::core::Result<Tensor> {
        self.evaluations.set(self.evaluations.get() + 1);
        self.gp.loss()
    }
}

impl Parameters for Counted {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.gp.visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.gp.visit_mut(f);
    }
}

impl Snapshot for Counted {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.gp.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> elbo::core::Result<()> {
        self.gp.restore(file, prefix)
    }
}
