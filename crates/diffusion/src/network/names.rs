//! Names of the arrays of U-shaped networks: those of other programs as today's diffusers has them.

use super::header::Header;
use elbo_core::Result;
use serde_json::{Value, json};

/// Parts of names, old and new, in the order in which they are replaced.
type Names = &'static [(&'static str, &'static str)];

/// Attention of diffusers before 2023.
const OLD_ATTENTION: Names =
    &[(".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0.")];

/// The network of *Denoising Diffusion Probabilistic Models* in PyTorch, but for the numbers of its levels.
const DDPM: Names = &[
    ("temb.dense.0.", "time_embedding.linear_1."),
    ("temb.dense.1.", "time_embedding.linear_2."),
    ("norm_out.", "conv_norm_out."),
    ("mid.block_1.", "mid_block.resnets.0."),
    ("mid.block_2.", "mid_block.resnets.1."),
    ("mid.attn_1.", "mid_block.attentions.0."),
    (".block.", ".resnets."),
    (".attn.", ".attentions."),
    (".downsample.", ".downsamplers.0."),
    (".upsample.", ".upsamplers.0."),
    (".temb_proj.", ".time_emb_proj."),
    (".nin_shortcut.", ".conv_shortcut."),
];

/// The same for the arrays of attention alone.
const DDPM_ATTENTION: Names = &[
    (".norm.", ".group_norm."),
    (".q.", ".to_q."),
    (".k.", ".to_k."),
    (".v.", ".to_v."),
    (".proj_out.", ".to_out.0."),
];

/// No network has as many levels.
const MOST_LEVELS: usize = 64;

/// What a file's arrays were called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// As today in diffusers, or with attention as it was called there before 2023.
    Diffusers,
    /// As in the DDPM paper's network, whose levels are numbered up to this one.
    Ddpm {
        /// The level of the smallest pictures.
        last: usize,
    },
}

impl Naming {
    /// What the author of the file calls an array that is called so today.
    pub(super) fn told(self, name: &str) -> String {
        let Self::Ddpm { last } = self else { return name.to_owned() };
        let mut name = name.to_owned();
        if name.contains("attentions.") {
            name = swapped(name, DDPM_ATTENTION);
        }
        name = swapped(name, DDPM);
        for k in 0..=last {
            let front = format!("up_blocks.{k}.");
            if let Some(rest) = name.strip_prefix(&front) {
                return format!("up.{}.{rest}", last - k);
            }
        }
        name.strip_prefix("down_blocks.").map_or(name.clone(), |rest| format!("down.{rest}"))
    }
}

/// A header with today's names of diffusers, and which ones it had; headers that have them are left as they are.
///
/// # Errors
/// [`elbo_core::Error::ModelFile`] for two arrays that get one name.
pub(super) fn renamed(header: Header) -> Result<(Header, Naming)> {
    if header.has("temb.dense.0.weight") {
        return of_ddpm(header);
    }
    let today = |name: String| if name.contains("attentions.") { replaced(name, OLD_ATTENTION) } else { name };
    Ok((header.renamed(|name, _| today(name))?, Naming::Diffusers))
}

fn replaced(name: String, names: Names) -> String {
    names.iter().fold(name, |name, (old, new)| name.replace(old, new))
}

/// The way back.
fn swapped(name: String, names: Names) -> String {
    names.iter().fold(name, |name, (old, new)| name.replace(new, old))
}

/// There, blocks on the way up are numbered by their level, here in their order; and attention's products are convolutions of single pixels.
fn of_ddpm(header: Header) -> Result<(Header, Naming)> {
    let level = |name: &str| -> Option<usize> {
        let level = name.strip_prefix("up.")?.split('.').next()?.parse().ok()?;
        (level < MOST_LEVELS).then_some(level)
    };
    let last = header.names().filter_map(level).max().unwrap_or(0);
    let today = |name: String, entry: &mut Value| {
        let place = match (level(&name), name.strip_prefix("down.")) {
            (Some(k), _) => name.replacen(&format!("up.{k}."), &format!("up_blocks.{}.", last - k), 1),
            (None, Some(rest)) => format!("down_blocks.{rest}"),
            (None, None) => name,
        };
        let name = replaced(place, DDPM);
        if !name.contains("attentions.") {
            return name;
        }
        if let Some([rows, columns, height, width]) = entry["shape"].as_array().map(Vec::as_slice)
            && (height, width) == (&json!(1), &json!(1))
        {
            entry["shape"] = json!([rows, columns]);
        }
        replaced(name, DDPM_ATTENTION)
    };
    Ok((header.renamed(today)?, Naming::Ddpm { last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Header {
        let entries = names.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let text = Value::Object(entries).to_string();
        Header::read(&[&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()).unwrap().0
    }

    #[test]
    fn arrays_under_old_and_new_names_are_refused() {
        let of = |names: [&str; 2]| renamed(header(&names));
        assert!(of(["x.attentions.0.query.weight", "x.attentions.0.to_k.weight"]).is_ok());
        let error = of(["x.attentions.0.query.weight", "x.attentions.0.to_q.weight"]).err().unwrap();
        assert!(error.to_string().contains("old and new names"), "{error}");
    }

    #[test]
    fn names_of_the_paper_come_back_in_messages() {
        let names = [
            "temb.dense.0.weight",
            "conv_in.weight",
            "down.0.block.1.conv1.weight",
            "down.1.attn.0.q.weight",
            "down.0.downsample.conv.bias",
            "mid.block_2.temb_proj.bias",
            "mid.attn_1.proj_out.weight",
            "mid.attn_1.norm.weight",
            "up.2.block.0.nin_shortcut.weight",
            "up.1.upsample.conv.weight",
            "up.0.attn.1.v.bias",
            "norm_out.weight",
        ];
        let (today, naming) = renamed(header(&names)).unwrap();
        assert_eq!(naming, Naming::Ddpm { last: 2 });
        let mut back: Vec<String> = today.names().map(|name| naming.told(name)).collect();
        let mut expected = names.map(str::to_owned);
        back.sort();
        expected.sort();
        assert_eq!(back, expected);
        assert!(today.has("up_blocks.0.resnets.0.conv_shortcut.weight"));
        assert!(today.has("mid_block.attentions.0.to_out.0.weight"));
    }
}
