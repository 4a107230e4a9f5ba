//! The network of *Denoising Diffusion Probabilistic Models* in PyTorch, as far as the arrays of its file tell what it is.

use super::diffusers::{UNetConfig, unsupported};
use super::header::Header;
use elbo_core::Result;

impl UNetConfig {
    /// The network whose arrays are called `temb.dense.0`, `down.0.block.0` and so on. What no array tells is as published: 32 groups, one
    /// head of attention, halving by convolutions with zeros to the right and below.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a file without the arrays that say it.
    pub(super) fn of_ddpm(header: &Header) -> Result<Self> {
        let axis = |name: &str, axis: usize| -> Result<usize> {
            let size = header.shape(name).and_then(|shape| shape.get(axis).copied());
            size.ok_or_else(|| unsupported("the names of the DDPM paper but without", format!("`{name}`"), "it"))
        };
        let mut widths = vec![];
        while header.has(&format!("down.{}.block.0.conv1.weight", widths.len())) {
            widths.push(axis(&format!("down.{}.block.0.conv1.weight", widths.len()), 0)?);
        }
        let layers = (0..).take_while(|l| header.has(&format!("down.0.block.{l}.conv1.weight"))).count();
        let name = |way: &str, plain: &str, level: usize| {
            let attends = header.has(&format!("{way}.{level}.attn.0.q.weight"));
            if attends { format!("Attn{plain}") } else { plain.to_owned() }
        };
        let levels = 0..widths.len();
        Ok(Self {
            in_channels: axis("conv_in.weight", 1)?,
            out_channels: axis("conv_out.weight", 0)?,
            freq_shift: 1.0,
            flip_sin_to_cos: false,
            down_block_types: levels.clone().map(|k| name("down", "DownBlock2D", k)).collect(),
            up_block_types: levels.rev().map(|k| name("up", "UpBlock2D", k)).collect(),
            block_out_channels: widths,
            layers_per_block: layers,
            downsample_padding: 0,
            attention_head_dim: None,
            norm_num_groups: 32,
            norm_eps: 1e-6,
            add_attention: header.has("mid.attn_1.q.weight"),
            ..Self::default()
        })
    }
}
