//! The codec that travels with the program, for pictures without a model file.
//!
//! `elbo fit hyperprior examples/data/photos --seed 1 --set density=laplace --set latents=64 --set second=16 --set width=24
//! --set hyper=24 --set steps=12000 --out apps/cli/assets/photos.elbo` made it. A new one reads no file of the old one.

use crate::failure::Failure;
use elbo::codec::container::{hex, model_digest};
use elbo::core::{Card, Error, Model, ModelFile, Result};
use std::path::Path;

const PHOTOS: &[u8] = include_bytes!("../assets/photos.elbo");

/// What a model file gives: the system's card, the model, and the file with its facts.
pub type Opened = (&'static Card, Box<dyn Model>, ModelFile);

/// The codec of photographs.
///
/// # Errors
/// [`Error::ModelFile`] when the program was built with a file that it cannot read.
pub fn photos() -> Result<Opened> {
    let file = ModelFile::from_bytes(PHOTOS)?;
    let (card, model) = elbo::rebuild(&file)?;
    Ok((card, model, file))
}

/// The codec of photographs for a file `bytes` of the name `path`, which must have been written with it.
///
/// # Errors
/// [`Failure`] when the file is no compressed one, or was written with another model.
pub fn photos_for(path: &Path, bytes: &[u8]) -> Result<Opened, Failure> {
    let shown = path.display();
    let Some(found) = model_digest(bytes) else {
        return Err(Failure::usage(
            format!("no model was given, and {shown} is no whole file of `elbo compress`"),
            format!("write elbo restore MODEL {shown}, with a model of such pictures"),
        ));
    };
    let opened = photos()?;
    let own: String = opened.2.fact("frozen.digest")?;
    if hex(&found) == own {
        return Ok(opened);
    }
    Err(Error::data(
        format!(
            "{shown} was written with another model than the one that ships with the program: its entropy part is {}, \
             the shipped one's is {own}",
            hex(&found)
        ),
        format!("give the model file that it was compressed with: elbo restore MODEL {shown}"),
    )
    .into())
}
