//! Photographs into files and back.

use crate::folder::Folder;
use std::sync::OnceLock;

const QUICK: &str =
    "--set latents=12 --set second=4 --set width=6 --set hyper=6 --set steps=4 --set crop=32 --set batch=2";

/// A folder with a photograph `p.png` and a codec `m.elbo` that was trained on it for a moment, shared by these tests.
pub fn with_codec() -> &'static Folder {
    static FOLDER: OnceLock<Folder> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Folder::new();
        let photo = "../../examples/data/photos/rocket.png";
        folder.write("p.png", &std::fs::read(photo).unwrap());
        folder.elbo(&format!("fit hyperprior p.png --out m.elbo --report r.html {QUICK}")).ok();
        folder
    })
}

#[test]
fn a_photograph_becomes_a_small_file_and_a_photograph_again() {
    let folder = with_codec();
    let found = folder.elbo("compress m.elbo p.png --out a.elbc --set quality=3 --json").json();
    assert_eq!((found["width"].as_u64(), found["height"].as_u64()), (Some(320), Some(213)));
    let bytes = folder.read("a.elbc");
    assert_eq!(found["bytes"].as_u64(), Some(bytes.len() as u64));
    assert!(bytes.starts_with(b"ELBC") && bytes.len() * 4 < folder.read("p.png").len(), "{} bytes", bytes.len());
    folder.elbo("compress p.png --model m.elbo --out b.elbc --set quality=3 --threads 2").ok();
    assert_eq!(folder.read("b.elbc"), bytes);
    let back = folder.elbo("restore m.elbo a.elbc --out back.png --json").json();
    assert_eq!((back["width"].as_u64(), back["height"].as_u64()), (Some(320), Some(213)));
    assert_eq!(folder.read("back.png")[..4], *b"\x89PNG");
    folder.elbo("compress m.elbo back.png").ok();
    assert!(folder.read("back.elbc").starts_with(b"ELBC"));
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    assert!(page.contains("bits per pixel"), "the report shows no rates");
}

#[test]
fn a_photograph_is_restored_alike_whatever_coder_wrote_it() {
    let folder = with_codec();
    folder.elbo("compress m.elbo p.png --out plain.elbc --set quality=1").ok();
    folder.elbo("compress m.elbo p.png --out named.elbc --set quality=1 --set coder=rans --set skip_zeros=false").ok();
    assert_eq!(folder.read("named.elbc"), folder.read("plain.elbc"));
    folder.elbo("restore m.elbo plain.elbc --out plain.png").ok();
    for (name, settings) in [
        ("range", "--set coder=range"),
        ("short", "--set skip_zeros=true"),
        ("both", "--set coder=range --set skip_zeros=true"),
    ] {
        folder.elbo(&format!("compress m.elbo p.png --out {name}.elbc --set quality=1 {settings}")).ok();
        folder.elbo(&format!("restore m.elbo {name}.elbc --out {name}.png")).ok();
        assert_eq!(folder.read(&format!("{name}.png")), folder.read("plain.png"), "{name}");
    }
    assert_ne!(folder.read("range.elbc"), folder.read("plain.elbc"));
}

/// The bytes of a picture's colours.
fn pixels(folder: &Folder, name: &str) -> Vec<u8> {
    let data = elbo_data::read_picture(&folder.path(name)).unwrap();
    let elbo_core::Values::U8(bytes) = &data.arrays[0].1.values else { panic!("{name} holds no bytes") };
    bytes.clone()
}

#[test]
fn a_photograph_needs_no_model_file() {
    let folder = with_codec();
    let found = folder.elbo("compress p.png --out shipped.elbc --json").json();
    assert_eq!(found["system"].as_str(), Some("hyperprior"));
    let ran = folder.elbo("restore shipped.elbc --out shipped.png");
    assert!(ran.code == 0 && ran.out.contains("320 x 213 pixels"), "{ran:?}");
    // A fit of a sixtieth of its length has 36 dB at this quality.
    let error = elbo::picture::psnr(&pixels(folder, "p.png"), &pixels(folder, "shipped.png"), 255.0);
    assert!(error > 30.0, "{error} dB");
    // A model that is given wins, in both directions.
    folder.elbo("compress m.elbo p.png --out own.elbc").ok();
    let digest = |name: &str| elbo::codec::container::model_digest(&folder.read(name)).unwrap();
    assert_ne!(digest("shipped.elbc"), digest("own.elbc"));
    let ran = folder.elbo("restore m.elbo shipped.elbc --out x.png");
    assert!(ran.code == 1 && ran.err.contains("written with another model"), "{}", ran.err);
    folder.elbo("compress p.png").ok();
    assert_eq!(folder.read("p.elbc"), folder.read("shipped.elbc"));
}

#[test]
fn what_is_whole_of_a_damaged_file_is_restored_and_the_rest_named() {
    let folder = with_codec();
    folder.elbo("compress m.elbo p.png --out whole.elbc").ok();
    folder.elbo("restore m.elbo whole.elbc --out whole.png").ok();
    let found = folder.elbo("restore m.elbo whole.elbc --out same.png --salvage --json").json();
    assert_eq!(found["warnings"].as_array().map(Vec::len), Some(0));
    assert_eq!(folder.read("same.png"), folder.read("whole.png"));
    // The last chunk ends where the digest begins.
    let mut bytes = folder.read("whole.elbc");
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    folder.write("hurt.elbc", &bytes);
    let found = folder.elbo("restore m.elbo hurt.elbc --out hurt.png --salvage --json").json();
    assert!(found["warnings"][0].as_str().unwrap().contains("chunk 2 of 2 is damaged"), "{found}");
    assert_eq!((found["width"].as_u64(), found["height"].as_u64()), (Some(320), Some(213)));
    let ran = folder.elbo("restore m.elbo hurt.elbc --out hurt.png --salvage");
    assert!(ran.code == 0 && ran.err.contains("warning: chunk 2 of 2"), "{}", ran.err);
    assert_ne!(folder.read("hurt.png"), folder.read("whole.png"));
    folder.write("half.elbc", &bytes[..60]);
    let ran = folder.elbo("restore m.elbo half.elbc --out half.png --salvage");
    assert!(ran.code == 1 && ran.err.contains("cut short"), "{}", ran.err);
}

#[test]
fn what_cannot_be_is_said() {
    let folder = with_codec();
    folder.elbo("compress m.elbo p.png --out c.elbc").ok();
    let mut bytes = folder.read("c.elbc");
    folder.write("cut.elbc", &bytes[..bytes.len() / 2]);
    folder.write("head.elbc", &bytes[..39]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.write("bent.elbc", &bytes);
    folder.write("foreign.elbc", b"RIFF1234WEBP");
    for (command, code, expected) in [
        ("restore m.elbo cut.elbc --out x.png", 1, "cut short"),
        ("restore m.elbo bent.elbc --out x.png", 1, "is damaged"),
        ("restore m.elbo foreign.elbc --out x.png", 1, "begins with RIFF"),
        ("restore m.elbo p.png --out x.png", 1, "not a file of `elbo compress`"),
        ("restore m.elbo none.elbc --out x.png", 1, "cannot read the file"),
        ("restore m.elbo c.elbc --out x.jpg", 2, "does not end in .png"),
        ("restore m.elbo c.elbc --out x.png --set quality=3", 2, "without settings"),
        ("restore p.png --out x.png", 2, "no model was given"),
        ("restore head.elbc --out x.png", 2, "no model was given"),
        ("restore c.elbc --out x.png", 1, "another model than the one that ships"),
        ("compress m.elbo p.png --model m.elbo", 2, "given twice"),
        ("compress m.elbo p.png --out c2.elbc --set quality=9", 2, "quality"),
        ("compress m.elbo p.png --out c2.elbc --set coder=rang", 2, "coder"),
        ("compress m.elbo p.png --out c2.elbc --set skip_zeros=maybe", 2, "skip_zeros"),
        ("compress m.elbo foreign.elbc --out c2.elbc", 1, "damaged or of a kind that is not read"),
        ("compress m.elbo p.png --out p.png", 2, "would be overwritten"),
        ("fit hyperprior p.png --set latents=0", 2, "latents"),
    ] {
        let ran = folder.elbo(command);
        assert_eq!(ran.code, code, "{command}: {}", ran.err);
        assert!(ran.err.contains(expected), "{command}: {}", ran.err);
    }
}
