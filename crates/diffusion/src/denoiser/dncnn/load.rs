//! Files of DnCNN: safetensors under the names of its public checkpoints.
//!
//! | names | where | what they hold |
//! |---|---|---|
//! | `model.0.weight`, `model.0.bias`, `model.2.weight`, ... | KAIR (Zhang et al.), and files from here | noise; with or without batch norm |
//! | `dncnn.0.weight`, ... | the authors' training code in PyTorch, and DnCNN-PyTorch | noise; batch norm, some or all convolutions without biases |
//! | `in_conv.weight`, `conv_list.0.weight`, ..., `out_conv.weight` | DeepInverse | noise with the other sign; no batch norm |
//!
//! A part `module.` in front of all names is passed over. Depth, width, channels and batch norm follow from the shapes; the levels are in no
//! file but those from here. Batch norm adds 1e-4 to the variance, and 1e-5 where no convolution has a bias, as the code that made such files.
//!
//! Refused are networks that take a map of the level (FDnCNN, FFDNet), filters of other sizes than 3, and seven convolutions under `model.`
//! without batch norm, which are IRCNN's: its filters are spread, and no array tells.

use super::{DnCnn, DnCnnConfig, KERNEL, MOST_DEPTH, check_levels};
use crate::network::header::Header;
use elbo_core::read::read_file;
use elbo_core::{Error, Result, Rng};
use elbo_nn::Build;
use elbo_nn::weights::{Reading, from_safetensors_as, to_safetensors_with};
use elbo_tensor::Parameters;
use std::path::Path;

/// The key of the settings among a file's metadata.
const KEY: &str = "elbo.dncnn";

/// What a file's arrays are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    Model,
    Dncnn,
    /// With the place of the last convolution.
    DeepInverse(usize),
}

impl Naming {
    fn of(header: &Header) -> Result<Self> {
        let starts = |front: &str| header.names().any(|name| name.starts_with(front));
        if starts("model.0.") {
            return Ok(Self::Model);
        }
        if starts("dncnn.0.") {
            return Ok(Self::Dncnn);
        }
        if starts("in_conv.") {
            let between = |i: &usize| header.has(&format!("conv_list.{i}.weight"));
            return Ok(Self::DeepInverse(2 * ((0..MOST_DEPTH).take_while(between).count() + 1)));
        }
        Err(wrong(
            format!("the weights have arrays called {}", header.first_names()),
            "give a DnCNN with the names `model.0.weight`, `dncnn.0.weight` or `in_conv.weight`, ...",
        ))
    }

    /// The name here.
    fn today(self, name: &str) -> String {
        match self {
            Self::Model => name.to_owned(),
            Self::Dncnn => name.strip_prefix("dncnn.").map_or(name.to_owned(), |rest| format!("model.{rest}")),
            Self::DeepInverse(last) => {
                let between = || -> Option<String> {
                    let (i, rest) = name.strip_prefix("conv_list.")?.split_once('.')?;
                    let i = i.parse::<usize>().ok().filter(|i| *i < MOST_DEPTH)?;
                    Some(format!("model.{}.{rest}", 2 * (i + 1)))
                };
                let first = || name.strip_prefix("in_conv.").map(|rest| format!("model.0.{rest}"));
                let end = || name.strip_prefix("out_conv.").map(|rest| format!("model.{last}.{rest}"));
                first().or_else(between).or_else(end).unwrap_or_else(|| name.to_owned())
            }
        }
    }

    /// The name in the file.
    fn told(self, name: &str) -> String {
        let place = || -> Option<(usize, &str)> {
            let (place, rest) = name.strip_prefix("model.")?.split_once('.')?;
            Some((place.parse().ok()?, rest))
        };
        match (self, place()) {
            (Self::Dncnn, Some((place, rest))) => format!("dncnn.{place}.{rest}"),
            (Self::DeepInverse(_), Some((0, rest))) => format!("in_conv.{rest}"),
            (Self::DeepInverse(last), Some((place, rest))) if place == last => format!("out_conv.{rest}"),
            (Self::DeepInverse(_), Some((place, rest))) if place % 2 == 0 => {
                format!("conv_list.{}.{rest}", place / 2 - 1)
            }
            _ => name.to_owned(),
        }
    }
}

fn wrong(message: impl Into<String>, remedy: &str) -> Error {
    Error::model_file(message, remedy)
}

/// Settings from the shapes of arrays called as here, and which convolutions have biases. The levels are still to be told.
fn shapes(header: &Header, naming: Naming) -> Result<(DnCnnConfig, Vec<bool>)> {
    let shape = |place: usize| header.shape(&format!("model.{place}.weight"));
    let places = || 0..3 * MOST_DEPTH;
    let filters: Vec<(usize, Vec<usize>)> =
        places().filter_map(|p| Some((p, shape(p).filter(|shape| shape.len() == 4)?))).collect();
    let has_batch_norm = places().any(|p| shape(p).is_some_and(|shape| shape.len() == 1));
    let [(_, first), .., (_, last)] = filters.as_slice() else {
        return Err(wrong("the weights have fewer than two convolutions", "give a DnCNN"));
    };
    if let Some((place, shape)) = filters.iter().find(|(_, shape)| shape[2..] != [KERNEL, KERNEL]) {
        let name = naming.told(&format!("model.{place}.weight"));
        return Err(wrong(format!("`{name}` has the shape {shape:?}"), "give a DnCNN, whose filters are 3 x 3"));
    }
    if first[1] != last[0] {
        return Err(wrong(
            format!("the network takes {} channels and returns {}", first[1], last[0]),
            "give a DnCNN, which takes the picture alone; FDnCNN and FFDNet, with a map of the level, are not read",
        ));
    }
    let biases: Vec<bool> = filters.iter().map(|(p, _)| header.has(&format!("model.{p}.bias"))).collect();
    let epsilon = if biases.contains(&true) { 1e-4 } else { 1e-5 };
    let (depth, width, channels) = (filters.len(), first[0], first[1]);
    Ok((DnCnnConfig { channels, depth, width, has_batch_norm, epsilon, levels: [0.0, 0.0] }, biases))
}

impl DnCnn {
    /// Reads a file by [`DnCnn::from_safetensors`].
    ///
    /// # Errors
    /// [`Error::File`], and those of [`DnCnn::from_safetensors`].
    pub fn read(path: &Path, levels: Option<[f64; 2]>) -> Result<Self> {
        Self::from_safetensors(&read_file("the weights of the denoiser cannot be read", path)?, levels)
    }

    /// A network from the bytes of a safetensors file with the names of a public checkpoint, or of [`DnCnn::to_safetensors`]. `levels` are
    /// the lowest and the highest noise level that it was trained at, as shares of the range from black to white; files from here have theirs.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for damaged files and networks that are no DnCNN, with the names and shapes of the first arrays that do not fit;
    /// [`Error::Setting`] where nothing says the levels.
    pub fn from_safetensors(bytes: &[u8], levels: Option<[f64; 2]>) -> Result<Self> {
        let (header, numbers) = Header::read(bytes)?;
        let header = header.without("module.")?;
        let own = header.text(KEY).map(serde_json::from_str::<DnCnnConfig>).transpose();
        let own = own.map_err(|cause| {
            wrong(format!("the settings in the file are not understood ({cause})"), "save the network again")
        })?;
        let naming = Naming::of(&header)?;
        let header = header.renamed(|name, _| naming.today(&name))?;
        let (found, biases) = shapes(&header, naming)?;
        let is_spread = naming == Naming::Model && found.depth == 7 && !found.has_batch_norm;
        if own.is_none() && is_spread {
            return Err(wrong(
                "the weights are seven convolutions without batch norm, as those of IRCNN",
                "give a DnCNN; the filters of IRCNN are spread and are not read",
            ));
        }
        let own_levels = own.as_ref().map(|config| config.levels);
        let levels = levels.or(own_levels).ok_or_else(|| Error::Setting {
            setting: "levels".into(),
            found: "not given, and the file of the denoiser does not say them".into(),
            expected: "the lowest and the highest noise level it was trained at, such as [0.1, 0.1]".into(),
        })?;
        check_levels("levels", levels)?;
        let epsilon = own.map_or(found.epsilon, |config| config.epsilon);
        let config = DnCnnConfig { levels, epsilon, ..found };
        let mut network = config.build_with(&biases, &mut Build::new(&mut Rng::new(0)))?;
        let told = |name: &str| naming.told(name);
        let reading = Reading { told: &told, is_beside: &|_| false };
        from_safetensors_as(&mut network, &header.with(numbers), &reading)?;
        if matches!(naming, Naming::DeepInverse(_)) {
            network.turn_sign();
        }
        Ok(network)
    }

    /// The network as a safetensors file, with its settings in the metadata: [`DnCnn::from_safetensors`] takes it back, and PyTorch's
    /// `load_state_dict` for a network with KAIR's names.
    pub fn to_safetensors(&self) -> Vec<u8> {
        let settings = serde_json::to_string(&self.config).expect("settings are plain data");
        to_safetensors_with(self, Some((KEY, settings)))
    }

    /// Says the noise with the other sign.
    fn turn_sign(&mut self) {
        let last = self.layers.layers.last_mut().expect("there are two convolutions at least");
        last.visit_mut(&mut |_, p| {
            let turned: Vec<f64> = p.leaf().as_f64().iter().map(|v| -v).collect();
            p.set_free(&turned);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_messages() {
        let deep = Naming::DeepInverse(6);
        for (naming, names) in [
            (Naming::Model, &["model.0.weight", "model.3.running_var"][..]),
            (Naming::Dncnn, &["dncnn.0.weight", "dncnn.3.running_mean"][..]),
            (deep, &["in_conv.weight", "conv_list.0.weight", "conv_list.1.bias", "out_conv.bias"][..]),
        ] {
            for name in names {
                let today = naming.today(name);
                assert!(today.starts_with("model."), "{today}");
                assert_eq!(naming.told(&today), *name);
            }
        }
        assert_eq!(deep.today("conv_list.1.bias"), "model.4.bias");
        assert_eq!(deep.today("nl_list.0.weight"), "nl_list.0.weight");
    }
}
