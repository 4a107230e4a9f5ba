//! U-shaped networks that were trained elsewhere: `UNet2DModel` of the library diffusers, by its `config.json` and its names of arrays.
//!
//! The DDPM paper's network is one of them. Files are read by [`super::foreign`].

use super::Network;
use crate::parameterisation::Preconditioning;
use crate::schedule::ddpm_levels;
use elbo_core::{Error, Result};
use elbo_nn::layer::{Conv2dConfig, GroupNorm, GroupNormConfig, Linear};
use elbo_nn::{Build, Layer, Pass};
use elbo_tensor::{Attention as How, Tensor};
use serde::{Deserialize, Serialize};

/// Most channels of a block: layers are made before the weights are read.
pub(super) const MOST_WIDTH: usize = 8192;

/// What `config.json` says of the network. Entries that change nothing here are not read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UNetConfig {
    pub(super) in_channels: usize,
    pub(super) out_channels: usize,
    pub(super) center_input_sample: bool,
    pub(super) time_embedding_type: String,
    pub(super) freq_shift: f64,
    pub(super) flip_sin_to_cos: bool,
    pub(super) down_block_types: Vec<String>,
    pub(super) up_block_types: Vec<String>,
    pub(super) block_out_channels: Vec<usize>,
    pub(super) layers_per_block: usize,
    pub(super) downsample_padding: usize,
    pub(super) act_fn: String,
    pub(super) attention_head_dim: Option<usize>,
    pub(super) norm_num_groups: usize,
    pub(super) attn_norm_num_groups: Option<usize>,
    pub(super) norm_eps: f64,
    pub(super) resnet_time_scale_shift: String,
    pub(super) add_attention: bool,
    pub(super) mid_block_scale_factor: f64,
    pub(super) class_embed_type: Option<String>,
    pub(super) num_class_embeds: Option<usize>,
}

impl Default for UNetConfig {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect();
        Self {
            in_channels: 3,
            out_channels: 3,
            center_input_sample: false,
            time_embedding_type: "positional".into(),
            freq_shift: 0.0,
            flip_sin_to_cos: true,
            down_block_types: names(&["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]),
            up_block_types: names(&["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
            block_out_channels: vec![224, 448, 672, 896],
            layers_per_block: 2,
            downsample_padding: 1,
            act_fn: "silu".into(),
            attention_head_dim: Some(8),
            norm_num_groups: 32,
            attn_norm_num_groups: None,
            norm_eps: 1e-5,
            resnet_time_scale_shift: "default".into(),
            add_attention: true,
            mid_block_scale_factor: 1.0,
            class_embed_type: None,
            num_class_embeds: None,
        }
    }
}

/// What the scheduler's file says of the noise and of the network's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NoiseConfig {
    num_train_timesteps: usize,
    beta_start: f64,
    beta_end: f64,
    beta_schedule: String,
    trained_betas: Option<Vec<f64>>,
    rescale_betas_zero_snr: bool,
    prediction_type: String,
}

impl Default for NoiseConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            beta_schedule: "linear".into(),
            trained_betas: None,
            rescale_betas_zero_snr: false,
            prediction_type: "epsilon".into(),
        }
    }
}

/// A part of a network that has no counterpart here.
pub(super) fn unsupported(what: &str, found: impl std::fmt::Display, expected: &str) -> Error {
    Error::Setting {
        setting: "weights".into(),
        found: format!("a network with {what} {found}"),
        expected: expected.into(),
    }
}

impl NoiseConfig {
    /// How the network is wrapped.
    ///
    /// # Errors
    /// [`Error::Setting`] for an output that is not known.
    pub fn preconditioning(&self) -> Result<Preconditioning> {
        Ok(match self.prediction_type.as_str() {
            "epsilon" => Preconditioning::Noise,
            "v_prediction" => Preconditioning::V,
            "sample" => Preconditioning::Data,
            other => return Err(unsupported("prediction_type", other, "epsilon, v_prediction or sample")),
        })
    }

    /// Levels σ of the chain's times, rising.
    fn levels(&self) -> Result<Vec<f64>> {
        let holds = self.num_train_timesteps >= 2 && 0.0 < self.beta_start && self.beta_start < self.beta_end;
        if !holds || self.beta_end >= 1.0 || self.num_train_timesteps > 1_000_000 {
            return Err(unsupported(
                "times",
                self.num_train_timesteps,
                "at least 2, with 0 < beta_start < beta_end < 1",
            ));
        }
        if self.trained_betas.is_some() || self.rescale_betas_zero_snr {
            return Err(unsupported("rates", "that are listed or rescaled", "those of `beta_schedule`"));
        }
        match self.beta_schedule.as_str() {
            "linear" => Ok(ddpm_levels(self.num_train_timesteps, self.beta_start, self.beta_end)),
            other => Err(unsupported("beta_schedule", other, "linear")),
        }
    }
}

/// A U-shaped network with the layers and the names of diffusers.
pub struct DiffusersUNet {
    shape: [usize; 3],
    config: UNetConfig,
    /// ln σ of the chain's times, rising.
    times: Vec<f64>,
    conv_in: Box<dyn Layer>,
    time: TimeEmbedding,
    down: Vec<Stage>,
    middle: Stage,
    up: Vec<Stage>,
    norm: GroupNorm,
    conv_out: Box<dyn Layer>,
}

elbo_tensor::parameters!(DiffusersUNet {
    "conv_in": conv_in,
    "time_embedding": time,
    "down_blocks": down,
    "mid_block": middle,
    "up_blocks": up,
    "conv_norm_out": norm,
    "conv_out": conv_out,
});

struct TimeEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

elbo_tensor::parameters!(TimeEmbedding { linear_1, linear_2 });

/// Blocks at one size of the picture, and the way to the next.
struct Stage {
    resnets: Vec<Block>,
    attentions: Vec<Attend>,
    downsamplers: Vec<Resample>,
    upsamplers: Vec<Resample>,
}

elbo_tensor::parameters!(Stage { resnets, attentions, downsamplers, upsamplers });

struct Resample {
    conv: Box<dyn Layer>,
}

elbo_tensor::parameters!(Resample { conv });

struct Block {
    norm1: GroupNorm,
    conv1: Box<dyn Layer>,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Box<dyn Layer>,
    conv_shortcut: Option<Box<dyn Layer>>,
}

elbo_tensor::parameters!(Block { norm1, conv1, time_emb_proj, norm2, conv2, conv_shortcut });

struct Attend {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Vec<Linear>,
    heads: usize,
}

elbo_tensor::parameters!(Attend { group_norm, to_q, to_k, to_v, to_out });

/// What the parts of a network are made with.
struct Maker<'a, 'b> {
    config: &'a UNetConfig,
    build: &'a mut Build<'b>,
    /// Height and width where the work has come to.
    size: [usize; 2],
}

impl Maker<'_, '_> {
    fn convolution(&mut self, from: usize, out: usize, how: Conv2dConfig) -> Result<Box<dyn Layer>> {
        Ok(Conv2dConfig { out, ..how }.build(&[from, self.size[0], self.size[1]], self.build)?.layer)
    }

    fn norm(&self, channels: usize) -> Result<GroupNorm> {
        let groups = self.config.norm_num_groups;
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(unsupported("norm_num_groups", groups, "a divisor of every number of channels"));
        }
        Ok(GroupNorm::new(channels, &GroupNormConfig { groups, epsilon: self.config.norm_eps }, self.build))
    }

    fn block(&mut self, from: usize, out: usize) -> Result<Block> {
        let width = 4 * self.config.block_out_channels[0];
        let narrow = Conv2dConfig { kernel: 1, padding: 0, ..Conv2dConfig::default() };
        Ok(Block {
            norm1: self.norm(from)?,
            conv1: self.convolution(from, out, Conv2dConfig::default())?,
            time_emb_proj: Linear::new(width, out, true, self.build),
            norm2: self.norm(out)?,
            conv2: self.convolution(out, out, Conv2dConfig::default())?,
            conv_shortcut: if from == out { None } else { Some(self.convolution(from, out, narrow)?) },
        })
    }

    fn attend(&mut self, channels: usize) -> Result<Attend> {
        let depth = self.config.attention_head_dim.unwrap_or(channels);
        if depth == 0 || !channels.is_multiple_of(depth) {
            return Err(unsupported("attention_head_dim", depth, "a divisor of every number of channels"));
        }
        let group_norm = self.norm(channels)?;
        let mut linear = || Linear::new(channels, channels, true, self.build);
        let (to_q, to_k, to_v, to_out) = (linear(), linear(), linear(), vec![linear()]);
        Ok(Attend { group_norm, to_q, to_k, to_v, to_out, heads: channels / depth })
    }

    /// Blocks with these channels before and after, with attention after each where the stage's type says so.
    fn stage(&mut self, name: &str, plain: &str, attentive: &str, channels: &[(usize, usize)]) -> Result<Stage> {
        let mut stage = Stage { resnets: vec![], attentions: vec![], downsamplers: vec![], upsamplers: vec![] };
        if name != plain && name != attentive {
            return Err(unsupported("a block of type", name, &format!("{plain} or {attentive}")));
        }
        for (from, out) in channels {
            stage.resnets.push(self.block(*from, *out)?);
            if name == attentive {
                stage.attentions.push(self.attend(*out)?);
            }
        }
        Ok(stage)
    }
}

impl DiffusersUNet {
    /// The network for pictures `[C, H, W]`, with weights to be read.
    ///
    /// # Errors
    /// [`Error::Setting`] for parts that are not supported, or pictures that do not fit.
    pub fn new(config: &UNetConfig, noise: &NoiseConfig, shape: [usize; 3], build: &mut Build<'_>) -> Result<Self> {
        let [channels, h, w] = shape;
        let widths = &config.block_out_channels;
        let stages = widths.len();
        let counts = [config.down_block_types.len(), config.up_block_types.len()];
        let is_width = |c: &usize| (2..=MOST_WIDTH).contains(c) && c.is_multiple_of(2);
        if stages == 0 || stages > 16 || counts != [stages; 2] || !widths.iter().all(is_width) {
            let expected = format!("one even number up to {MOST_WIDTH} for each block");
            return Err(unsupported("block_out_channels", format!("{widths:?}"), &expected));
        }
        if config.layers_per_block == 0 || config.layers_per_block > 64 {
            return Err(unsupported("layers_per_block", config.layers_per_block, "from 1 to 64"));
        }
        if [config.in_channels, config.out_channels] != [channels; 2] {
            let found = format!("{} and {} for pictures of {channels}", config.in_channels, config.out_channels);
            return Err(unsupported("in_channels and out_channels", found, "the pictures' number of channels"));
        }
        let parts = [
            ("time_embedding_type", config.time_embedding_type.as_str(), "positional"),
            ("act_fn", config.act_fn.as_str(), "silu"),
            ("resnet_time_scale_shift", config.resnet_time_scale_shift.as_str(), "default"),
        ];
        if let Some((name, found, known)) = parts.iter().find(|(_, found, known)| found != known) {
            return Err(unsupported(name, found, known));
        }
        if config.class_embed_type.is_some() || config.num_class_embeds.is_some() {
            return Err(unsupported("classes", "", "a network without class embeddings"));
        }
        if config.mid_block_scale_factor != 1.0 {
            return Err(unsupported("mid_block_scale_factor", config.mid_block_scale_factor, "1"));
        }
        if config.downsample_padding > 1 {
            return Err(unsupported("downsample_padding", config.downsample_padding, "0 or 1"));
        }
        if let Some(groups) = config.attn_norm_num_groups.filter(|g| *g != config.norm_num_groups) {
            return Err(unsupported("attn_norm_num_groups", groups, "that of `norm_num_groups`"));
        }
        let halvings = 1 << (stages - 1);
        if h % halvings + w % halvings > 0 {
            let found = format!("{} for pictures of {h} x {w} pixels", stages - 1);
            return Err(unsupported("halvings", found, "sides that can be halved so often"));
        }
        let times = noise.levels()?.iter().map(|s| s.ln()).collect();
        let wide = 4 * widths[0];
        let time = TimeEmbedding {
            linear_1: Linear::new(widths[0], wide, true, build),
            linear_2: Linear::new(wide, wide, true, build),
        };
        let mut maker = Maker { config, build, size: [h, w] };
        let conv_in = maker.convolution(channels, widths[0], Conv2dConfig::default())?;
        let mut down = vec![];
        for (i, out) in widths.iter().enumerate() {
            let first = widths[i.saturating_sub(1)];
            let channels: Vec<_> =
                (0..config.layers_per_block).map(|l| (if l == 0 { first } else { *out }, *out)).collect();
            let mut stage = maker.stage(&config.down_block_types[i], "DownBlock2D", "AttnDownBlock2D", &channels)?;
            if i + 1 < stages {
                // Without padding there is a row and a column of zeros at the end, which are added by hand.
                let how = Conv2dConfig { stride: 2, padding: 1, ..Conv2dConfig::default() };
                let mut conv = maker.convolution(*out, *out, how.clone())?;
                if config.downsample_padding == 0 {
                    let size = maker.size;
                    maker.size = size.map(|n| n + 1);
                    conv = maker.convolution(*out, *out, Conv2dConfig { padding: 0, ..how })?;
                    maker.size = size;
                }
                stage.downsamplers.push(Resample { conv });
                maker.size = maker.size.map(|n| n / 2);
            }
            down.push(stage);
        }
        let deep = widths[stages - 1];
        let mut middle = maker.stage("plain", "plain", "attentive", &[(deep, deep); 2])?;
        if config.add_attention {
            middle.attentions.push(maker.attend(deep)?);
        }
        let mut up = vec![];
        for (i, name) in config.up_block_types.iter().enumerate() {
            let out = widths[stages - 1 - i];
            let before = widths[(stages - i).min(stages - 1)];
            let after = widths[(stages - 1 - i).saturating_sub(1)];
            let layers = config.layers_per_block;
            let channels: Vec<_> = (0..=layers)
                .map(|l| (if l == 0 { before } else { out } + if l == layers { after } else { out }, out))
                .collect();
            let mut stage = maker.stage(name, "UpBlock2D", "AttnUpBlock2D", &channels)?;
            if i + 1 < stages {
                maker.size = maker.size.map(|n| 2 * n);
                stage.upsamplers.push(Resample { conv: maker.convolution(out, out, Conv2dConfig::default())? });
            }
            up.push(stage);
        }
        let norm = maker.norm(widths[0])?;
        let conv_out = maker.convolution(widths[0], channels, Conv2dConfig::default())?;
        Ok(Self { shape, config: config.clone(), times, conv_in, time, down, middle, up, norm, conv_out })
    }

    /// The chain's time of a level, between whole ones; its ends beyond them.
    fn time_of(&self, log_sigma: f64) -> f64 {
        let at = self.times.partition_point(|s| *s < log_sigma).clamp(1, self.times.len() - 1);
        let (a, b) = (self.times[at - 1], self.times[at]);
        (at as f64 - 1.0 + (log_sigma - a) / (b - a)).clamp(0.0, self.times.len() as f64 - 1.0)
    }

    fn embed(&self, level: &[f64]) -> Tensor {
        let width = self.config.block_out_channels[0];
        let half = width / 2;
        let row = |level: &f64| {
            let time = self.time_of(4.0 * level);
            (0..width).map(move |k| {
                let angle = time * (-(1e4f64.ln()) * (k % half) as f64 / (half as f64 - self.config.freq_shift)).exp();
                let is_sine = (k < half) != self.config.flip_sin_to_cos;
                (if is_sine { angle.sin() } else { angle.cos() }) as f32
            })
        };
        Tensor::from_f32(level.iter().flat_map(row).collect(), &[level.len(), width])
    }
}

impl Block {
    fn forward(&self, x: &Tensor, time: &Tensor) -> Tensor {
        let pass = &mut Pass::evaluation();
        let hidden = self.conv1.forward(&self.norm1.forward(x, pass).silu(), pass);
        let shift = self.time_emb_proj.forward(&time.silu(), pass);
        let hidden = &hidden + shift.reshape(&[x.size(0), hidden.size(1), 1, 1]);
        let hidden = self.conv2.forward(&self.norm2.forward(&hidden, pass).silu(), pass);
        match &self.conv_shortcut {
            Some(conv) => conv.forward(x, pass) + hidden,
            None => x + hidden,
        }
    }
}

impl Attend {
    fn forward(&self, x: &Tensor) -> Tensor {
        let pass = &mut Pass::evaluation();
        let [batch, channels, h, w] = [0, 1, 2, 3].map(|d| x.size(d));
        let (places, depth) = (h * w, channels / self.heads);
        let rows = self.group_norm.forward(x, pass).reshape(&[batch, channels, places]).t().contiguous();
        let mut part = |layer: &Linear| {
            let part = layer.forward(&rows, pass).reshape(&[batch, places, self.heads, depth]);
            part.transpose(1, 2).contiguous()
        };
        let (query, key, value) = (part(&self.to_q), part(&self.to_k), part(&self.to_v));
        let mixed = query.attention(&key, &value, &How::default()).transpose(1, 2).contiguous();
        let mixed = self.to_out[0].forward(&mixed.reshape(&[batch, places, channels]), pass);
        x + mixed.t().contiguous().reshape(&[batch, channels, h, w])
    }
}

impl Network for DiffusersUNet {
    fn forward(&self, x: &Tensor, level: &[f64], _: &[usize]) -> Tensor {
        let pass = &mut Pass::evaluation();
        let [c, h, w] = self.shape;
        let batch = x.size(0);
        let time = self.time.linear_1.forward(&self.embed(level), pass).silu();
        let time = self.time.linear_2.forward(&time, pass);
        let picture = x.reshape(&[batch, c, h, w]);
        let picture = if self.config.center_input_sample { picture * 2.0 - 1.0 } else { picture };
        let mut hidden = self.conv_in.forward(&picture, pass);
        let mut fine = vec![hidden.clone()];
        for stage in &self.down {
            for (i, block) in stage.resnets.iter().enumerate() {
                hidden = block.forward(&hidden, &time);
                if let Some(attend) = stage.attentions.get(i) {
                    hidden = attend.forward(&hidden);
                }
                fine.push(hidden.clone());
            }
            for resample in &stage.downsamplers {
                if self.config.downsample_padding == 0 {
                    hidden = hidden.pad(&[(0, 0), (0, 0), (0, 1), (0, 1)]);
                }
                hidden = resample.conv.forward(&hidden, pass);
                fine.push(hidden.clone());
            }
        }
        hidden = self.middle.resnets[0].forward(&hidden, &time);
        for attend in &self.middle.attentions {
            hidden = attend.forward(&hidden);
        }
        hidden = self.middle.resnets[1].forward(&hidden, &time);
        for stage in &self.up {
            for (i, block) in stage.resnets.iter().enumerate() {
                let fine = fine.pop().expect("as many blocks up as features down");
                hidden = block.forward(&Tensor::cat(&[hidden, fine], 1), &time);
                if let Some(attend) = stage.attentions.get(i) {
                    hidden = attend.forward(&hidden);
                }
            }
            for resample in &stage.upsamplers {
                let size = [2 * hidden.size(2), 2 * hidden.size(3)];
                hidden = resample.conv.forward(&hidden.resize_nearest(size), pass);
            }
        }
        self.conv_out.forward(&self.norm.forward(&hidden, pass).silu(), pass).reshape(&[batch, c * h * w])
    }
}
