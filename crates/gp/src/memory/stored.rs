//! Parameters by name, and the process in a model file.

use super::MemoryGp;
use elbo_core::{Error, ModelFile, Result, Snapshot};
use elbo_tensor::{Parameter, Parameters, nested, nested_mut, no_grad, stored};

impl Parameters for MemoryGp {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, f);
        nested("likelihood", &self.likelihood, f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, f);
        nested_mut("likelihood", &mut self.likelihood, f);
    }
}

impl Snapshot for MemoryGp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
        let kept = &self.kept;
        for (name, t) in [("z", &self.z), ("memory_x", &kept.x)] {
            file.put(&format!("{prefix}.{name}"), t.shape(), &t.to_vec());
        }
        for (name, values) in [("y", &kept.y), ("weights", &kept.weights)] {
            values.save(file, &format!("{prefix}.memory_{name}"));
        }
        for (p, (sums, sites)) in self.gone.iter().zip(&kept.sites.0).enumerate() {
            sums.save(file, &format!("{prefix}.gone.{p}"));
            sites.shift.save(file, &format!("{prefix}.memory.{p}.shift"));
            sites.precision.save(file, &format!("{prefix}.memory.{p}.precision"));
        }
        file.set(&format!("{prefix}.seen"), &self.seen);
        if self.is_held {
            file.set(&format!("{prefix}.held"), &true);
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        let name = |part: &str| format!("{prefix}.{part}");
        let dims = self.z.size(1);
        let rows = |part: &str| file.rows(&name(part), &[dims]);
        let (m, kept) = (rows("z")?, rows("memory_x")?);
        self.z = stored(file, &name("z"), &[m, dims])?;
        self.kept.x = stored(file, &name("memory_x"), &[kept, dims])?;
        self.kept.y = file.get_as(&name("memory_y"), &[kept])?;
        self.kept.weights = file.get_as(&name("memory_weights"), &[kept])?;
        if self.kept.weights.iter().any(|weight| *weight < 1.0) {
            return Err(Error::misfit("a row in memory stands for less than itself"));
        }
        for (p, (sums, sites)) in self.gone.iter_mut().zip(&mut self.kept.sites.0).enumerate() {
            sums.restore(file, &name(&format!("gone.{p}")))?;
            if sums.shift_bar.len() != m {
                return Err(Error::misfit("the sums of the rows that are gone are not those of the inducing points"));
            }
            sites.shift = file.get_as(&name(&format!("memory.{p}.shift")), &[kept])?;
            sites.precision = file.get_as(&name(&format!("memory.{p}.precision")), &[kept])?;
        }
        self.seen = file.fact(&format!("{prefix}.seen"))?;
        self.is_held = file.has(&name("held"));
        self.sums = no_grad(|| self.total(&self.gone, None));
        Ok(())
    }
}
