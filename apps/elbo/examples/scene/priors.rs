//! Stand-ins for what other models estimate, in the files that such models write.

use elbo::core::file::write_atomically;
use elbo::data::{write_flow, write_grey16, write_npy};
use elbo::prelude::*;
use elbo::splat::make::Made;
use elbo::splat::make::standin::{DepthFaults, FlowFaults, PointFaults};
use serde_json::json;
use std::path::Path;

/// Writes them to a folder, with `priors.json`, which lists them with the scales of the depths and what is wrong with each.
pub fn write(folder: &Path, made: &Made, seed: u64) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::file("cannot make the folder", folder, &cause))?;
    let (rng, count) = (Rng::new(seed), made.scene.len());
    let (mut depths, mut flows, mut points) = (vec![], vec![], vec![]);
    for picture in 0..count {
        let found = DepthFaults::default().of(made, picture, &rng)?;
        let (grey, step) = found.depth.to_grey16();
        let file = format!("depth-{:05}.png", picture + 1);
        write_grey16(&folder.join(&file), &grey)?;
        // A number of the file times `step` is `factor` times the true depth, and `shift`.
        depths.push(json!({"file": file, "step": step, "factor": found.scale, "shift": found.shift}));
    }
    for from in 0..count.saturating_sub(1) {
        let to = from + 1;
        let pair = format!("{:05}-{:05}", from + 1, to + 1);
        let [flow, mask] = FlowFaults::default().of(made, from, to, &rng)?.flow.to_arrays();
        let [file, beside] = [format!("flow-{pair}.flo"), format!("flow-{pair}-mask.npy")];
        write_flow(&folder.join(&file), &flow)?;
        write_npy(&folder.join(&beside), &mask)?;
        flows.push(json!({"file": file, "mask": beside, "from": from + 1, "to": to + 1}));
        let found = PointFaults::default().of(made, from, to, &rng)?;
        for (picture, map) in [from, to].into_iter().zip(&found.maps) {
            let [file, beside] = ["", "-confidence"].map(|end| format!("points-{pair}-{:05}{end}.npy", picture + 1));
            let [places, confidence] = map.to_arrays();
            write_npy(&folder.join(&file), &places)?;
            write_npy(&folder.join(&beside), &confidence)?;
            let seen = json!({"picture": picture + 1, "camera": from + 1, "factor": found.scale});
            points.push(json!({"file": file, "confidence": beside, "of": seen}));
        }
    }
    let list = json!({"depth": depths, "flow": flows, "points": points});
    write_atomically(&folder.join("priors.json"), format!("{list:#}\n").as_bytes())
}
