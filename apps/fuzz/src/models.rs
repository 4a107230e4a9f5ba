//! Model files, weights, and kernel expressions.

use crate::fitting::{numbers, quick};
use elbo::core::{Data, ModelFile, Rng, Run};
use elbo::gp::kernel::KernelConfig;
use elbo::nn::layer::LinearConfig;
use elbo::nn::{Build, Layer, weights as files};
use serde_json::json;

/// The file of a quick model of these data.
pub(crate) fn fitted(id: &str, data: &Data) -> ModelFile {
    let system = elbo::find(id).expect("the system is registered");
    let model = system.fit(&quick(system), data, &mut Run::new(7)).expect("the example can be fitted");
    let mut file = ModelFile::new(id);
    model.save(&mut file).expect("a fitted model can be saved");
    file
}

/// Models of a kernel method, a sparse one, and a linear one.
pub(crate) fn model_seeds() -> Vec<Vec<u8>> {
    let data = numbers(30);
    ["gpr", "svgp", "fb-gvi"].iter().map(|id| fitted(id, &data).to_bytes()).collect()
}

/// Loads a model and predicts with it.
pub(crate) fn model(bytes: &[u8]) -> bool {
    let Ok((_, model)) = ModelFile::from_bytes(bytes).and_then(|file| elbo::rebuild(&file)) else { return false };
    if let Some(predictor) = model.as_predict() {
        let _ = predictor.predict(&numbers(5), &mut Run::new(7));
    }
    true
}

fn layer() -> Box<dyn Layer> {
    let built = LinearConfig::new(2).build(&[3], &mut Build::new(&mut Rng::new(1)));
    built.expect("three inputs and two outputs make a layer").layer
}

pub(crate) fn weight_seeds() -> Vec<Vec<u8>> {
    vec![files::to_safetensors(&layer())]
}

/// Reads weights into a small layer.
pub(crate) fn weights(bytes: &[u8]) -> bool {
    files::from_safetensors(&mut layer(), bytes).is_ok()
}

pub(crate) fn kernel_seeds() -> Vec<Vec<u8>> {
    let table = json!({"type": "sum", "terms": ["rbf(age)", {"type": "periodic", "period": 12.0}]}).to_string();
    [
        "rbf + periodic(period = 12)",
        "2 * (matern52(\"a b\", 0, lengthscale = 0.5) + linear) * rq(alpha = 1e-3)",
        "nngp(depth = 3) + spectral_mixture(components = 4) * index(c, rank = 2)",
        "((white(variance = 1e-6)))",
        table.as_str(),
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// Reads an expression, or a table; writes what was read.
pub(crate) fn kernel(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let found = text.parse::<KernelConfig>().ok().or_else(|| serde_json::from_str(text).ok());
    found.is_some_and(|kernel| !kernel.to_string().is_empty())
}
