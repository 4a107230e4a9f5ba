//! Files of networks that were trained elsewhere.
//!
//! | names of arrays | which networks | what to give |
//! |---|---|---|
//! | diffusers, also with attention as before 2023 (`query`, `proj_attn`) | `UNet2DModel`, as [`diffusers`](super::diffusers) has it | a folder with `config.json` and `diffusion_pytorch_model.safetensors`, themselves or under `unet/` |
//! | the DDPM paper's network in PyTorch (`temb.dense.0`, `down.0.block.0`) | 32 groups, attention of one head | the file, or a folder with it; with a `config.json` of diffusers also other groups |
//! | EDM in PyTorch (`enc.32x32_block0`, `model.enc.32x32_block0`) | DDPM++ without class labels in EDM's preconditioning, data of standard deviation 0.5 ([`edm`](super::edm)) | the file, or a folder with it |
//!
//! Where there is a scheduler's `scheduler_config.json`, in the folder or under `scheduler/`, it says the noise levels of the first two. A part
//! `module.` in front of all names is passed over. Other networks are refused: those with the names of guided-diffusion (`input_blocks`),
//! NCSN++, ADM, class labels, learned variances, a scale beside the shift of the level.

use super::Network;
use super::diffusers::{DiffusersUNet, NoiseConfig, UNetConfig, unsupported};
use super::edm::{EdmConfig, EdmUNet, is_beside};
use super::header::Header;
use super::names::renamed;
use crate::parameterisation::Preconditioning;
use elbo_core::read::read_file;
use elbo_core::{Error, Result, Rng};
use elbo_nn::weights::{Reading, from_safetensors_as};
use elbo_nn::{Build, Init};
use elbo_tensor::Parameters;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What the files of a network say of it: enough to build it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Foreign {
    /// A network of diffusers, or of the DDPM paper, and its noise.
    Diffusers(Box<UNetConfig>, NoiseConfig),
    /// A network of EDM.
    Edm(EdmConfig),
}

impl Foreign {
    /// The network for pictures `[C, H, W]`, with weights to be read.
    ///
    /// # Errors
    /// [`Error::Setting`] for parts that are not supported, or pictures that do not fit.
    pub fn build(&self, shape: [usize; 3]) -> Result<Box<dyn Network>> {
        let mut rng = Rng::new(0);
        let mut build = Build { init: Init::Zeros, ..Build::new(&mut rng) };
        Ok(match self {
            Self::Diffusers(config, noise) => Box::new(DiffusersUNet::new(config, noise, shape, &mut build)?),
            Self::Edm(config) => Box::new(EdmUNet::new(config, shape, &mut build)?),
        })
    }

    /// How the network is wrapped.
    ///
    /// # Errors
    /// [`Error::Setting`] for an output that is not known.
    pub fn preconditioning(&self) -> Result<Preconditioning> {
        match self {
            Self::Diffusers(_, noise) => noise.preconditioning(),
            Self::Edm(config) => Ok(config.preconditioning()),
        }
    }
}

/// Reads a network for pictures of this shape, with its weights, from a folder or a file, whichever of the namings it has.
///
/// # Errors
/// [`Error::File`] for files that cannot be read, [`Error::Data`] for a folder without weights or with several, [`Error::ModelFile`] for
/// damaged files and weights that do not fit, with the names and shapes of the first, [`Error::Setting`] for networks that are not supported.
pub fn read(place: &Path, shape: [usize; 3]) -> Result<(Box<dyn Network>, Foreign)> {
    if file_in(place, "unet", "config.json").is_file() {
        let (network, config, noise) = read_folder(place, shape)?;
        return Ok((Box::new(network), Foreign::Diffusers(Box::new(config), noise)));
    }
    let file = bytes(&weights_in(place)?)?;
    let (header, numbers) = Header::read(&file)?;
    let header = header.without("module.")?;
    let is_wrapped = header.has("model.map_layer0.weight");
    if is_wrapped || EdmConfig::is_named(&header) {
        // The wrappers of EDM call the network inside so.
        let front = if is_wrapped { "model." } else { "" };
        return read_edm(header.without(front)?, numbers, shape, front);
    }
    if !header.has("temb.dense.0.weight") {
        return Err(unknown(&header));
    }
    let foreign = Foreign::Diffusers(Box::new(UNetConfig::of_ddpm(&header)?), scheduler(place)?);
    let mut network = foreign.build(shape)?;
    fill(&mut network, header, numbers)?;
    Ok((network, foreign))
}

/// Reads a folder with a `config.json` of diffusers for pictures of this shape: the network with its weights, and what its two files say.
///
/// # Errors
/// [`Error::File`] for files that cannot be read, [`Error::ModelFile`] for damaged ones or weights that do not fit, [`Error::Setting`] for
/// parts that are not supported.
pub fn read_folder(folder: &Path, shape: [usize; 3]) -> Result<(DiffusersUNet, UNetConfig, NoiseConfig)> {
    let config: UNetConfig = json(&file_in(folder, "unet", "config.json"))?;
    let noise = scheduler(folder)?;
    let mut network = DiffusersUNet::new(&config, &noise, shape, &mut Build::new(&mut Rng::new(0)))?;
    let file = bytes(&file_in(folder, "unet", "diffusion_pytorch_model.safetensors"))?;
    let (header, numbers) = Header::read(&file)?;
    fill(&mut network, header.without("module.")?, numbers)?;
    Ok((network, config, noise))
}

/// Weights under the names of diffusers or of the DDPM paper's network.
fn fill(network: &mut impl Parameters, header: Header, numbers: &[u8]) -> Result<()> {
    let (header, naming) = renamed(header)?;
    let told = |name: &str| naming.told(name);
    from_safetensors_as(network, &header.with(numbers), &Reading { told: &told, is_beside: &|_| false })
}

fn read_edm(header: Header, numbers: &[u8], shape: [usize; 3], front: &str) -> Result<(Box<dyn Network>, Foreign)> {
    let foreign = Foreign::Edm(EdmConfig::of(&header)?);
    let mut network = foreign.build(shape)?;
    let told = |name: &str| format!("{front}{name}");
    from_safetensors_as(&mut network, &header.with(numbers), &Reading { told: &told, is_beside: &is_beside })?;
    Ok((network, foreign))
}

/// Why a file is of no naming.
fn unknown(header: &Header) -> Error {
    if header.has("time_embedding.linear_1.weight") {
        return Error::data(
            "the weights are those of a U-Net of diffusers, whose `config.json` is not there",
            "give the folder with `config.json` and the weights",
        );
    }
    let expected = "those of diffusers, of the DDPM paper's network or of EDM's DDPM++";
    if header.names().any(|name| name.ends_with("time_embed.0.weight")) {
        return unsupported("the names of", "guided-diffusion", expected);
    }
    unsupported("arrays called", header.first_names(), expected)
}

/// The file of weights: the one given, or the only one in a folder.
fn weights_in(place: &Path) -> Result<PathBuf> {
    if !place.is_dir() {
        return Ok(place.to_owned());
    }
    let failed = |cause: std::io::Error| Error::file("the folder of the network cannot be read", place, &cause);
    let mut found = vec![];
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end == "safetensors") {
            found.push(path);
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        several => Err(Error::data(
            format!("there are {} safetensors files in {}", several.len(), place.display()),
            "give the file itself, or a folder with one",
        )),
    }
}

/// What the scheduler's file says; without one, the noise of the DDPM paper.
fn scheduler(place: &Path) -> Result<NoiseConfig> {
    let file = file_in(place, "scheduler", "scheduler_config.json");
    if file.is_file() { json(&file) } else { Ok(NoiseConfig::default()) }
}

/// A file of the folder, or of the folder in it.
fn file_in(folder: &Path, part: &str, name: &str) -> PathBuf {
    let deep = folder.join(part).join(name);
    if deep.is_file() { deep } else { folder.join(name) }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    read_file("a file of the network cannot be read", path)
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&bytes(path)?).map_err(|cause| {
        Error::model_file(
            format!("{} is not understood ({cause})", path.display()),
            "give the file as diffusers wrote it",
        )
    })
}
