//! Names of the arrays of U-shaped networks: those of other programs as today's diffusers has them. Only the header of a safetensors file is written anew.

use elbo_core::{Error, Result};
use serde_json::{Map, Value, json};

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

/// A safetensors file with today's names of diffusers; files that have them are left as they are.
///
/// # Errors
/// [`Error::ModelFile`] for a file without a header, and for two arrays that get one name.
pub(super) fn renamed(file: &[u8]) -> Result<Vec<u8>> {
    let damaged = || Error::model_file("the weights have no header", "give a complete safetensors file");
    let length = file.first_chunk().map(|b| u64::from_le_bytes(*b)).ok_or_else(damaged)?;
    let end = usize::try_from(length).ok().and_then(|n| n.checked_add(8)).ok_or_else(damaged)?;
    let header: Map<String, Value> =
        serde_json::from_slice(file.get(8..end).ok_or_else(damaged)?).map_err(|_| damaged())?;
    let count = header.len();
    let header = if header.contains_key("temb.dense.0.weight") { of_ddpm(header) } else { of_diffusers(header) };
    if header.len() < count {
        return Err(Error::model_file("the weights have arrays under old and new names", "leave one of each out"));
    }
    let mut text = serde_json::to_vec(&header).expect("a header is plain data");
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok([&(text.len() as u64).to_le_bytes()[..], &text, &file[end..]].concat())
}

fn replaced(name: String, names: Names) -> String {
    names.iter().fold(name, |name, (old, new)| name.replace(old, new))
}

fn of_diffusers(header: Map<String, Value>) -> Map<String, Value> {
    let today = |name: String| if name.contains("attentions.") { replaced(name, OLD_ATTENTION) } else { name };
    header.into_iter().map(|(name, entry)| (today(name), entry)).collect()
}

/// There, blocks on the way up are numbered by their level, here in their order; and attention's products are convolutions of single pixels.
fn of_ddpm(header: Map<String, Value>) -> Map<String, Value> {
    let level = |name: &str| -> Option<usize> { name.strip_prefix("up.")?.split('.').next()?.parse().ok() };
    let last = header.keys().filter_map(|name| level(name)).max().unwrap_or(0);
    let today = |(name, mut entry): (String, Value)| {
        let place = match (level(&name), name.strip_prefix("down.")) {
            (Some(k), _) => name.replacen(&format!("up.{k}."), &format!("up_blocks.{}.", last - k), 1),
            (None, Some(rest)) => format!("down_blocks.{rest}"),
            (None, None) => name,
        };
        let name = replaced(place, DDPM);
        if !name.contains("attentions.") {
            return (name, entry);
        }
        if let Some([rows, columns, height, width]) = entry["shape"].as_array().map(Vec::as_slice)
            && (height, width) == (&json!(1), &json!(1))
        {
            entry["shape"] = json!([rows, columns]);
        }
        (replaced(name, DDPM_ATTENTION), entry)
    };
    header.into_iter().map(today).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_under_old_and_new_names_are_refused() {
        let of = |names: [&str; 2]| {
            let header = json!({ names[0]: {}, names[1]: {} }).to_string();
            renamed(&[&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat())
        };
        assert!(of(["x.attentions.0.query.weight", "x.attentions.0.to_k.weight"]).is_ok());
        let error = of(["x.attentions.0.query.weight", "x.attentions.0.to_q.weight"]).unwrap_err();
        assert!(error.to_string().contains("old and new names"), "{error}");
    }
}
