//! An optimiser's numbers beside each parameter, in the parameter's own type.

use elbo_core::{Error, ModelFile, Result};

use crate::dtype::{DType, Element, with_any};
use crate::storage::Storage;

/// One list of numbers for each parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Memory(Vec<Storage>);

impl Memory {
    /// Zeros for parameters of these lengths and types.
    pub fn zeros(parts: &[(usize, DType)]) -> Self {
        let zeros = |(n, dtype): &(usize, DType)| with_any!(*dtype, T => T::wrap(vec![T::default(); *n]));
        Self(parts.iter().map(zeros).collect())
    }

    /// Whether it is of no parameter: a memory that was never begun.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of one parameter; the type must be its own.
    pub fn part<T: Element>(&mut self, part: usize) -> &mut [T] {
        T::slice_mut(&mut self.0[part])
    }

    /// Stores all as one array; single precision is exact in double.
    pub fn save(&self, file: &mut ModelFile, name: &str) {
        let mut flat = vec![];
        for part in &self.0 {
            with_any!(part.dtype(), T => flat.extend(T::slice(part).iter().map(|v| v.to_f64())));
        }
        file.put(name, &[flat.len()], &flat);
    }

    /// Takes back what [`Memory::save`] stored, into parts of the same lengths.
    pub fn restore(&mut self, file: &ModelFile, name: &str) -> Result<()> {
        let flat = file.get(name)?;
        if flat.len() != self.0.iter().map(Storage::len).sum::<usize>() {
            let message = format!("array `{name}` of the model file has {} numbers, other than the model", flat.len());
            return Err(Error::model_file(message, "resume with the model's own checkpoint"));
        }
        let mut rest = &flat[..];
        for part in &mut self.0 {
            let (head, tail) = rest.split_at(part.len());
            with_any!(part.dtype(), T => {
                T::slice_mut(part).iter_mut().zip(head).for_each(|(to, from)| *to = T::from_f64(*from));
            });
            rest = tail;
        }
        Ok(())
    }
}

/// Where each parameter was before its first update.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Origin {
    at: Memory,
    known: Vec<bool>,
}

impl Origin {
    /// Of parameters of these lengths and types, none of which has been seen.
    pub fn unknown(parts: &[(usize, DType)]) -> Self {
        Self { at: Memory::zeros(parts), known: vec![false; parts.len()] }
    }

    /// The origin of one parameter, which is where it stands at the first call.
    pub fn of<T: Element>(&mut self, part: usize, x: &Storage) -> &mut [T] {
        if !self.known[part] {
            self.at.part::<T>(part).copy_from_slice(T::slice(x));
            self.known[part] = true;
        }
        self.at.part::<T>(part)
    }

    /// Stores both under names that start with `name`.
    pub fn save(&self, file: &mut ModelFile, name: &str) {
        self.at.save(file, name);
        file.set(&format!("{name}.known"), &self.known);
    }

    /// Takes back what [`Origin::save`] stored.
    pub fn restore(&mut self, file: &ModelFile, name: &str) -> Result<()> {
        self.at.restore(file, name)?;
        let known: Vec<bool> = file.fact(&format!("{name}.known"))?;
        if known.len() != self.known.len() {
            let count = known.len();
            let message = format!("entry `{name}.known` of the model file has {count} parameters, unlike the model");
            return Err(Error::model_file(message, "resume with the model's own checkpoint"));
        }
        self.known = known;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_of_other_parameters_is_refused() {
        let parts = |lengths: &[usize]| lengths.iter().map(|n| (*n, DType::F64)).collect::<Vec<_>>();
        let mut file = ModelFile::new("test");
        Origin::unknown(&parts(&[3])).save(&mut file, "origin");
        // As many numbers, but in two parameters.
        let error = Origin::unknown(&parts(&[1, 2])).restore(&file, "origin").unwrap_err();
        assert!(error.to_string().contains("`origin.known` of the model file has 1 parameters"), "{error}");
        assert!(Origin::unknown(&parts(&[3])).restore(&file, "origin").is_ok());
    }
}
