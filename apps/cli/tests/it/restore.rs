//! Degraded pictures and clean ones again.

use crate::folder::Folder;
use std::sync::OnceLock;

/// A folder with a prior `m.elbo` of pictures of 4 x 4 pixels, bright squares at two places, and one of them as `drawn/pictures/00001.png`.
fn with_prior() -> &'static Folder {
    static FOLDER: OnceLock<Folder> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Folder::new();
        let mut table = (0..15).map(|i| format!("pixel{i},")).collect::<String>() + "pixel15\n";
        for i in 0..60 {
            let at = if i % 2 == 0 { 0 } else { 10 };
            let pixel = |p: usize| if [at, at + 1, at + 4, at + 5].contains(&p) { 200 + i % 50 } else { i % 7 };
            table += &((0..16).map(|p| pixel(p).to_string()).collect::<Vec<_>>().join(",") + "\n");
        }
        folder.write("p.csv", table.as_bytes());
        folder.elbo("fit red-diff p.csv --out m.elbo --report r.html --set measured=20").ok();
        folder.elbo("sample m.elbo --count 2 --out drawn").ok();
        folder
    })
}

const PICTURE: &str = "drawn/pictures/00001.png";

#[test]
fn a_picture_is_restored_from_what_is_seen_of_it() {
    let folder = with_prior();
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    assert!(page.contains("Fréchet distance"), "the report lacks the distance of samples");
    let hole = r#"--set mask={type="box",left=0,top=0,width=2,height=2}"#;
    let found = folder.elbo(&format!("restore m.elbo {PICTURE} --out a.png {hole} --json")).json();
    assert_eq!((found["width"].as_u64(), found["height"].as_u64()), (Some(4), Some(4)));
    assert_eq!(folder.read("a.png")[..4], *b"\x89PNG");
    folder.elbo(&format!("restore m.elbo {PICTURE} --out b.png {hole}")).ok();
    assert_eq!(folder.read("a.png"), folder.read("b.png"), "the same seed restores otherwise");
    // The sample itself as a mask: its dark pixels are missing where they are zero.
    folder.elbo(&format!("restore m.elbo {PICTURE} --mask drawn/pictures/00002.png --out c.png")).ok();
    let ran = folder
        .elbo(&format!("restore m.elbo {PICTURE} --mask drawn/pictures/00002.png --out e.png --set operator=denoise"));
    assert!(ran.code == 0 && ran.err.contains("the mask is not used"), "{}", ran.err);
    for method in ["red-diff", "dps", "pi_gdm", "diff_pir", "tikhonov"] {
        let ran = folder.elbo(&format!(
            "restore m.elbo {PICTURE} --out d.png --set simulate=true --set mask=random --set method={method} --set steps=40"
        ));
        assert_eq!(ran.code, 0, "{method}: {}", ran.err);
        assert!(ran.err.contains("signal-to-noise"), "{method}: {}", ran.err);
    }
}

#[test]
fn a_sinogram_is_written_with_its_geometry_and_restored_from_there() {
    let folder = with_prior();
    let how = "--set operator=radon --set views=12 --set simulate=true --set steps=20 --set dispersion=0.1";
    let found = folder.elbo(&format!("restore m.elbo {PICTURE} --out ct.png --npz all.npz {how} --json")).json();
    let calls = found["evaluations"].as_u64().unwrap();
    assert!(calls > 0 && found["misfit"].as_array().unwrap().len() as u64 == calls, "{found}");
    assert!(found["notes"].to_string().contains("signal-to-noise"), "{found}");
    let all = elbo_data::read(&folder.path("all.npz"), &elbo_data::ReadOptions::default()).unwrap();
    let names: Vec<&str> = all.arrays.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        ["sd", "misfit", "range", "measured", "angles", "spacing"].iter().all(|name| names.contains(name)),
        "{names:?}"
    );
    let beside = ["measured", "angles", "detectors", "spacing"];
    let kept: Vec<_> = all.arrays.into_iter().filter(|(name, _)| beside.contains(&name.as_str())).collect();
    elbo_data::write_npz(&folder.path("sinogram.npz"), &kept).unwrap();
    folder.elbo("restore m.elbo sinogram.npz --out back.png --set operator=radon --set steps=20").ok();
    assert_eq!(folder.read("back.png")[..4], *b"\x89PNG");
    let ran = folder.elbo(&format!("restore m.elbo {PICTURE} --out x.png --npz x.csv --set operator=denoise"));
    assert!(ran.code == 2 && ran.err.contains("does not end in .npz"), "{}", ran.err);
}

#[test]
fn a_dark_picture_of_real_numbers_stays_dark() {
    let folder = with_prior();
    // In the unit of bytes, behind haze that lets half through: from 0 to 10 without it.
    let hazy: Vec<f64> = (0..16).map(|i| 127.5 + 0.5 * f64::from(i % 11)).collect();
    let arrays = [("image".to_owned(), elbo_core::Array::new(&[1, 4, 4], hazy))];
    elbo_data::write_npz(&folder.path("hazy.npz"), &arrays).unwrap();
    let how = "--set operator=haze --set transmission=0.5 --set method=pseudo_inverse";
    folder.elbo(&format!("restore m.elbo hazy.npz --out dark.png {how}")).ok();
    let dark = elbo_data::read_picture(&folder.path("dark.png")).unwrap().arrays[0].1.to_f64().unwrap();
    assert!(dark.iter().enumerate().all(|(i, v)| (v - (i % 11) as f64).abs() <= 1.0), "{dark:?}");
}

#[test]
fn bytes_come_back_as_they_went_in_from_black_to_white() {
    let folder = with_prior();
    let how = "--set operator=denoise --set method=pseudo_inverse";
    let bytes: Vec<f64> = (0..16).map(|i| f64::from(17 * i)).collect();
    let shown = |name: &str| elbo_data::read_picture(&folder.path(name)).unwrap().arrays[0].1.to_f64().unwrap();
    for (name, white) in [("shares", 1.0), ("numbers", 255.0)] {
        let values = bytes.iter().map(|v| v / 255.0 * white).collect();
        let arrays = [("image".to_owned(), elbo_core::Array::new(&[1, 4, 4], values))];
        elbo_data::write_npz(&folder.path(&format!("{name}.npz")), &arrays).unwrap();
        folder.elbo(&format!("restore m.elbo {name}.npz --out {name}.png {how}")).ok();
        assert_eq!(shown(&format!("{name}.png")), bytes, "{name}");
    }
    // A picture of bytes has the range of bytes, and is scaled by it once each way.
    folder.elbo(&format!("restore m.elbo shares.png --out again.png --npz again.npz {how}")).ok();
    assert_eq!(shown("again.png"), bytes);
    let again = elbo_data::read(&folder.path("again.npz"), &elbo_data::ReadOptions::default()).unwrap();
    assert_eq!(again.get("range").unwrap().to_f64().unwrap(), [0.0, 255.0]);
    assert_eq!(again.get("image").unwrap().to_f64().unwrap(), bytes);
}

#[test]
fn of_many_pictures_all_are_written_as_arrays_and_the_first_as_a_picture() {
    let folder = with_prior();
    let given: Vec<f64> = (0..32).map(|i| f64::from(i) / 32.0).collect();
    let write = |name: &str, count: usize| {
        let array = elbo_core::Array::new(&[count, 4, 4], given[..16 * count].to_vec());
        elbo_data::write_npz(&folder.path(name), &[("image".to_owned(), array)]).unwrap();
    };
    write("two.npz", 2);
    write("first.npz", 1);
    let how = "--set operator=denoise --set method=pseudo_inverse";
    let ran = folder.elbo(&format!("restore m.elbo two.npz --out two.png {how}"));
    assert!(ran.code == 1 && ran.err.contains("two.npz holds 2 pictures") && ran.err.contains("--npz"), "{}", ran.err);
    folder.elbo(&format!("restore m.elbo two.npz --out two.png --npz back.npz {how}")).ok();
    folder.elbo(&format!("restore m.elbo first.npz --out first.png {how}")).ok();
    assert_eq!(folder.read("two.png"), folder.read("first.png"));
    let back = elbo_data::read(&folder.path("back.npz"), &elbo_data::ReadOptions::default()).unwrap();
    assert_eq!(back.get("image").unwrap().shape, [2, 4, 4]);
}

#[test]
fn what_cannot_be_restored_is_said() {
    let folder = with_prior();
    folder.write("photo.png", &std::fs::read("../../examples/data/photos/rocket.png").unwrap());
    for (command, code, expected) in [
        (format!("restore m.elbo {PICTURE} --out x.png"), 1, "--mask"),
        (format!("restore m.elbo {PICTURE} --out x.png --salvage"), 2, "--salvage"),
        (format!("restore m.elbo {PICTURE} --out x.png --set operator=magic"), 2, "operator"),
        (format!("restore m.elbo {PICTURE} --out x.png --set metod=dps"), 2, "method"),
        (format!("restore m.elbo {PICTURE} --out x.jpg --set operator=denoise"), 2, "does not end in .png"),
        (format!("restore m.elbo {PICTURE} --out x.png --mask photo.png"), 1, "a mask of the same height and width"),
        ("restore m.elbo photo.png --out x.png --set operator=denoise".into(), 1, "resize them"),
        ("restore m.elbo none.png --out x.png --set operator=denoise".into(), 1, "none.png"),
    ] {
        let ran = folder.elbo(&command);
        assert_eq!(ran.code, code, "{command}: {}", ran.err);
        assert!(ran.err.contains(expected), "{command}: {}", ran.err);
    }
}

#[cfg(unix)]
#[test]
fn a_picture_comes_through_a_pipe_as_from_its_file() {
    let folder = with_prior();
    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let bytes = folder.read(PICTURE);
    let writer = std::thread::spawn(move || std::fs::write(pipe, bytes));
    folder.elbo("restore m.elbo pipe --out piped.png --set operator=denoise").ok();
    writer.join().unwrap().unwrap();
    folder.elbo(&format!("restore m.elbo {PICTURE} --out filed.png --set operator=denoise")).ok();
    assert_eq!(folder.read("piped.png"), folder.read("filed.png"));
}
