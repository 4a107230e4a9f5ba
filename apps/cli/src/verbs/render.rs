//! `elbo render`: pictures of a fitted scene from new places, and its Gaussians as a file.

use super::fit::{check_folder, check_writable};
use crate::args::Render;
use crate::failure::Failure;
use crate::output::{number, print, print_json, say};
use elbo::core::file::write_atomically;
use elbo::core::read::read_file;
use elbo::core::{Data, Error, FromData, Model, ModelFile, Run, Values, Views};
use elbo::nn::perceptual::Lpips;
use elbo::refused;
use elbo::splat::file::{self, Format, Stored};
use elbo::splat::model::SplatModel;
use elbo::splat::quality::{Judge, Quality};
use elbo::splat::scene::Scene;
use elbo_data::{ReadOptions, write_npy};
use elbo_report::picture::png;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A scene that can be drawn.
struct Source {
    system: &'static str,
    model: Box<dyn Model>,
    /// Its Gaussians, where it is made of them.
    gaussians: Option<Stored>,
}

/// Runs the verb.
pub fn run(args: &Render, json: bool) -> Result<ExitCode, Failure> {
    if args.orbit.is_none() && args.views.is_none() && args.ply.is_none() {
        return Err(Failure::usage(
            "there is nothing to do",
            "ask for pictures with --orbit COUNT or --views SCENE, or for a file with --ply FILE",
        ));
    }
    let source = open(&args.model)?;
    // Read first, so that no work is lost.
    let lpips = args.lpips.as_deref().map(Lpips::read).transpose()?;
    let mut told = json!({"system": source.system});
    let mut text = String::new();
    if let Some(path) = &args.ply {
        check_writable(path, &[&args.model])?;
        let Some(stored) = &source.gaussians else {
            return Err(Failure::usage(format!("`{}` is not made of Gaussians", source.system), "leave --ply out"));
        };
        let Some(format) = Format::of(path) else {
            let known = "end its name in .ply, .compressed.ply, .spz or .splat";
            return Err(Failure::usage(format!("{} names no format of Gaussians", path.display()), known));
        };
        write_atomically(path, &file::write(format, stored)?)?;
        told["ply"] = path.display().to_string().into();
        text.push_str(&format!("{} Gaussians written to {}\n", stored.gaussians.len(), path.display()));
    }
    if args.orbit.is_some() || args.views.is_some() {
        let Some(renderer) = source.model.as_render() else {
            return Err(refused(elbo::find(source.system)?.card(), "render").into());
        };
        let truth = args.views.as_deref().map(|path| elbo_data::read(Path::new(path), &ReadOptions::default()));
        let truth = truth.transpose()?;
        let views = match (&truth, args.orbit) {
            (Some(data), _) => Views::Data(data.clone()),
            (None, count) => Views::Orbit { count: count.expect("one of the two was given") as usize, size: args.size },
        };
        if let Some(data) = &truth {
            data.notes.iter().for_each(|note| say(json, note));
        }
        let mut run = Run::new(0).with_cancel(crate::progress::cancel_flag(json));
        make_folder(&args.out)?;
        let made = renderer.render(&views, &mut run)?;
        let files = write_pictures(&made, &args.out, args.depth)?;
        told["count"] = made.rows().into();
        told["out"] = args.out.display().to_string().into();
        told["files"] = files.iter().map(|f| Value::from(f.display().to_string())).collect();
        text.push_str(&format!("{} pictures written to {}\n", made.rows(), args.out.display()));
        if let Some(quality) = truth.as_ref().map(|data| quality(&made, data, lpips.as_ref())).transpose()? {
            told["psnr"] = quality.psnr.into();
            told["ssim"] = quality.ssim.into();
            told["percep"] = quality.percep.into();
            text.push_str(&format!(
                "against the scene's own pictures: {} dB, similarity {}, percep {}",
                number(quality.psnr),
                number(quality.ssim),
                number(quality.percep)
            ));
            if let Some((network, distance)) = quality.lpips {
                told["lpips"] = distance.into();
                told["lpips_network"] = network.into();
                text.push_str(&format!(", LPIPS ({network}) {}", number(distance)));
            }
            text.push('\n');
        }
    }
    if json {
        print_json(&told)?;
    } else {
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A model file, or another program's file of Gaussians.
fn open(path: &Path) -> Result<Source, Failure> {
    if let Some(format) = Format::of(path) {
        let stored = file::read(format, &read_file("cannot read the Gaussians", path)?)?;
        let model = Box::new(SplatModel::of(stored.clone()));
        let system = match format {
            Format::Ply | Format::CompressedPly => "ply",
            Format::Spz => "spz",
            Format::Splat => "splat",
        };
        return Ok(Source { system, model, gaussians: Some(stored) });
    }
    let file = ModelFile::read(path)?;
    match elbo::find(file.system()) {
        Ok(system) if system.card().family == "splat" && !file.has("checkpoint.stage") => {
            let model = SplatModel::load(&file)?;
            let gaussians = Some(model.stored());
            Ok(Source { system: system.card().id, model: Box::new(model), gaussians })
        }
        // Why it is none is said there.
        _ => {
            let (card, model) = elbo::rebuild(&file)?;
            Ok(Source { system: card.id, model, gaussians: None })
        }
    }
}

/// The folder that pictures go to: made before they are drawn, so that no work is lost.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    if folder.is_file() {
        return Err(Failure::usage(format!("{} is a file", folder.display()), "give the name of a folder"));
    }
    check_folder(folder)?;
    std::fs::create_dir_all(folder).map_err(|cause| Error::file("cannot make the folder", folder, &cause))?;
    Ok(())
}

/// One PNG a picture, and where asked for the depths as an array.
fn write_pictures(made: &Data, folder: &Path, with_depth: bool) -> Result<Vec<PathBuf>, Failure> {
    let image = made.get("image")?;
    let (Values::U8(bytes), [_, height, width, 3]) = (&image.values, image.shape.as_slice()) else {
        unreachable!("a rendered picture is bytes of three colours")
    };
    let mut files = vec![];
    for (i, picture) in bytes.chunks_exact(3 * width * height).enumerate() {
        let file = folder.join(format!("{:05}.png", i + 1));
        write_atomically(&file, &png(*width, *height, 3, picture))?;
        files.push(file);
    }
    if with_depth {
        let file = folder.join("depth.npy");
        write_npy(&file, made.get("depth")?)?;
        files.push(file);
    }
    Ok(files)
}

/// How near the pictures come to those of the scene.
fn quality(made: &Data, scene: &Data, lpips: Option<&Lpips>) -> Result<Quality, Error> {
    let scene = Scene::from_data(scene)?;
    let Values::U8(bytes) = &made.get("image")?.values else { unreachable!("a rendered picture is bytes") };
    let area = scene.width * scene.height;
    let mut judge = Judge::new(lpips);
    for (i, picture) in bytes.chunks_exact(3 * area).enumerate() {
        let planes: Vec<f32> = (0..3 * area).map(|k| f32::from(picture[3 * (k % area) + k / area]) / 255.0).collect();
        judge.see(&planes, &scene.picture(i), [scene.width, scene.height])?;
    }
    Ok(judge.quality())
}
