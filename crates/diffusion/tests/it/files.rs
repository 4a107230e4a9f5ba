//! Safetensors files under other names, and with more in them.

use elbo_core::Rng;
use elbo_tensor::{Parameter, Parameters};
use serde_json::{Map, Value};

/// A file with the arrays under other names, their entries changed; the numbers stay where they are, the metadata go.
pub fn renamed(file: &[u8], change: impl Fn(&str, &mut Value) -> String) -> Vec<u8> {
    let end = 8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&file[8..end]).unwrap();
    let arrays = header.into_iter().filter(|(name, _)| name != "__metadata__");
    let header: Map<String, Value> = arrays.map(|(name, mut entry)| (change(&name, &mut entry), entry)).collect();
    let text = serde_json::to_vec(&header).unwrap();
    [&(text.len() as u64).to_le_bytes()[..], &text, &file[end..]].concat()
}

/// Moves every parameter at random, frozen ones too; variances stay above zero.
pub fn moved(network: &mut dyn Parameters, seed: u64) {
    let mut rng = Rng::new(seed);
    network.visit_mut(&mut |name, p| {
        let shift = |v: &f64, rng: &mut Rng| v + 0.2 * rng.normal();
        let positive = name.ends_with("running_var");
        let values: Vec<f64> = p.value().iter().map(|v| shift(v, &mut rng)).collect();
        let values: Vec<f64> = values.iter().map(|v| if positive { v.abs() + 0.3 } else { *v }).collect();
        p.set(&values).unwrap();
    });
}

/// A network and arrays that it has not.
pub struct Beside<N> {
    pub network: N,
    pub beside: Vec<(String, Parameter)>,
}

impl<N: Parameters> Parameters for Beside<N> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.network.visit(f);
        self.beside.iter().for_each(|(name, p)| f(name, p));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.network.visit_mut(f);
        self.beside.iter_mut().for_each(|(name, p)| f(name, p));
    }
}
