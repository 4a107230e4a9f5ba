//! Verbs of models of data points: sample, reconstruct, encode, and evaluate without a target.

use crate::folder::Folder;

/// A quick fit of small pictures: bright squares at two places, in a CSV of pixels with a label.
fn with_pictures() -> Folder {
    let folder = Folder::new();
    let mut table = (0..16).map(|i| format!("pixel{i},")).collect::<String>() + "label\n";
    for i in 0..80 {
        let at = if i % 2 == 0 { 0 } else { 10 };
        for p in 0..16 {
            let is_on = [at, at + 1, at + 4, at + 5].contains(&p);
            table += &format!("{},", if is_on { 200 + i % 50 } else { i % 7 });
        }
        table += if i % 2 == 0 { "left\n" } else { "right\n" };
    }
    folder.write("p.csv", table.as_bytes());
    folder
        .elbo(
            "fit aevb p.csv --target label --set epochs=3 --set latent=2 --set hidden=[8] --out m.elbo --report r.html",
        )
        .ok();
    folder
}

#[test]
fn a_model_of_pictures_draws_codes_and_reconstructs() {
    let folder = with_pictures();
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    let figures = ["Samples", "Reconstructions", "Codes", "data:image/png;base64,"];
    // Bounds are of the tenth of the pictures that is kept back.
    let numbers = ["ELBO", "IWAE bound", "bits per dimension", "active units"];
    for part in figures.into_iter().chain(numbers) {
        assert!(page.contains(part), "the report lacks {part}");
    }
    let sampled = folder.elbo("sample m.elbo --count 5 --out drawn --json").json();
    assert_eq!(sampled["count"], 5);
    for name in ["system", "count", "seed", "out", "files"] {
        assert!(sampled.get(name).is_some(), "no `{name}` in {sampled}");
    }
    for file in ["drawn/grid.png", "drawn/pictures/00005.png"] {
        assert_eq!(folder.read(file)[..4], *b"\x89PNG", "{file}");
    }
    // Pixels that were the columns of a table are one again.
    let drawn = String::from_utf8(folder.read("drawn/samples.csv")).unwrap();
    let names = (0..16).map(|i| format!("pixel{i}")).collect::<Vec<_>>().join(",");
    assert_eq!((drawn.lines().next(), drawn.lines().count()), (Some(names.as_str()), 6));
    assert!(sampled["files"].to_string().contains("samples.csv") && !folder.path("drawn/pixel0.npy").exists());
    let coded = folder.elbo("encode m.elbo p.csv").ok();
    assert_eq!(coded.lines().count(), 81);
    assert!(coded.lines().next().unwrap().split(',').count() >= 2, "{coded}");
    let rebuilt = folder.elbo("reconstruct m.elbo p.csv --out pairs.png --json").json();
    assert_eq!((rebuilt["rows"].as_u64(), rebuilt["shown"].as_u64()), (Some(80), Some(32)));
    assert_eq!(folder.read("pairs.png")[..4], *b"\x89PNG");
    folder.elbo("reconstruct m.elbo p.csv --out rows.csv").ok();
    assert_eq!(String::from_utf8(folder.read("rows.csv")).unwrap().lines().count(), 81);

    let bounds = folder.elbo("evaluate m.elbo p.csv --iwae 30 --json").json();
    assert_eq!(bounds["iwae"]["k"], 30);
    let (elbo, iwae) = (bounds["elbo"].as_f64().unwrap(), bounds["iwae"]["value"].as_f64().unwrap());
    assert!(elbo <= iwae + 3.0 * bounds["iwae"]["se"].as_f64().unwrap(), "{bounds}");
    assert!(bounds["elbo_se"].as_f64().is_some_and(|error| error > 0.0), "{bounds}");
    let bits = bounds["bits_per_dim"].as_f64().unwrap();
    assert!((bits + elbo / (16.0 * std::f64::consts::LN_2)).abs() < 1e-9, "{bounds}");
}

#[test]
fn the_same_pictures_as_a_folder_idx_npy_or_npz_give_the_same_codes() {
    let folder = Folder::new();
    // Sixty pictures of 6 x 6 pixels, the upper or the lower half bright.
    let pixel = |i: usize, p: usize| if (p < 18) == i.is_multiple_of(2) { 200 + (i % 50) as u8 } else { (i % 9) as u8 };
    let pixels: Vec<u8> = (0..60).flat_map(|i| (0..36).map(move |p| pixel(i, p))).collect();
    let header: [u8; 16] = [0, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 6, 0, 0, 0, 6];
    folder.write("p.idx", &[&header[..], &pixels[..]].concat());
    let array = elbo_core::Array { shape: vec![60, 6, 6], values: elbo_core::Values::U8(pixels) };
    elbo_data::write_npy(&folder.path("p.npy"), &array).unwrap();
    elbo_data::write_npz(&folder.path("p.npz"), &[("image".to_owned(), array)]).unwrap();
    let codes = |system: &str, source: &str| {
        let settings = "--seed 1 --set epochs=2 --set latent=2 --set hidden=[8]";
        folder.elbo(&format!("fit {system} {source} {settings} --out {system}.elbo")).ok();
        folder.elbo(&format!("reconstruct {system}.elbo {source} --out pairs.png")).ok();
        assert_eq!(folder.read("pairs.png")[..4], *b"\x89PNG", "{system} {source}");
        folder.elbo(&format!("encode {system}.elbo {source}")).ok()
    };
    let of_idx = codes("aevb", "p.idx");
    assert_eq!(of_idx.lines().count(), 61);
    for source in ["p.npy", "p.npz"] {
        assert_eq!(codes("aevb", source), of_idx, "{source}");
    }
    // Drawn pictures are written as a folder of PNG files, and once more as an array.
    folder.elbo("sample aevb.elbo --count 40 --out drawn").ok();
    for system in ["aevb", "iwae", "infovae"] {
        let of_folder = codes(system, "drawn/pictures");
        assert_eq!(of_folder.lines().count(), 41, "{system}");
        assert_eq!(codes(system, "drawn/image.npy"), of_folder, "{system}");
    }
}

#[test]
fn pictures_that_are_drawn_with_a_class_are_arrays() {
    let folder = Folder::new();
    // Forty pictures of 8 x 8 pixels, the upper or the lower half bright, and which.
    let pixels = (0..40 * 64).map(|i| if i / 64 % 2 == i / 32 % 2 { 200 } else { 5 }).collect();
    let image = elbo_core::Array { shape: vec![40, 8, 8], values: elbo_core::Values::U8(pixels) };
    let half = elbo_core::Array::new(&[40], (0..40).map(|i| f64::from(i % 2)).collect());
    elbo_data::write_npz(&folder.path("p.npz"), &[("image".to_owned(), image), ("half".to_owned(), half)]).unwrap();
    let settings = "--set widths=[4,8] --set batch=8 --set iterations=10 --set steps=5 --set measured=0";
    folder.elbo(&format!("fit ddpm p.npz --target half --set conditional=true {settings} --out m.elbo")).ok();
    folder.elbo("sample m.elbo --count 3 --out drawn").ok();
    for file in ["drawn/image.npy", "drawn/class.npy"] {
        assert_eq!(folder.read(file)[..6], *b"\x93NUMPY", "{file}");
    }
    assert_eq!(folder.read("drawn/pictures/00003.png")[..4], *b"\x89PNG");
}

#[test]
fn pictures_of_a_table_that_are_drawn_with_a_class_are_pictures_and_a_table() {
    let folder = Folder::new();
    let names = (0..64).map(|i| format!("pixel{i}")).collect::<Vec<_>>().join(",");
    let mut table = format!("{names},half\n");
    for i in 0..40 {
        let pixels = (0..64).map(|p| if (p < 32) == (i % 2 == 0) { 200 + i } else { 5 });
        let cells = pixels.map(|v| v.to_string()).collect::<Vec<_>>().join(",");
        table += &format!("{cells},{}\n", if i % 2 == 0 { "upper" } else { "lower" });
    }
    folder.write("p.csv", table.as_bytes());
    let settings = "--set widths=[4,8] --set batch=8 --set iterations=10 --set steps=5 --set measured=0";
    let command =
        format!("fit ddpm p.csv --target half --set conditional=true {settings} --out m.elbo --report r.html");
    folder.elbo(&command).ok();
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    assert!(page.contains("Drawn from the model.") && page.contains("Some of the data, for comparison."));
    let sampled = folder.elbo("sample m.elbo --count 3 --out drawn --json").json();
    for file in ["drawn/grid.png", "drawn/pictures/00003.png"] {
        assert_eq!(folder.read(file)[..4], *b"\x89PNG", "{file}");
    }
    assert!(sampled["files"].to_string().contains("grid.png"), "{sampled}");
    let drawn = String::from_utf8(folder.read("drawn/samples.csv")).unwrap();
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, format!("{names},class").as_str()));
    assert!(lines[1..].iter().all(|line| line.ends_with(",upper") || line.ends_with(",lower")), "{drawn}");
}

#[test]
fn the_same_seed_draws_the_same_pictures() {
    let folder = with_pictures();
    folder.elbo("sample m.elbo --count 3 --out a --seed 5").ok();
    folder.elbo("sample m.elbo --count 3 --out b --seed 5 --threads 2").ok();
    folder.elbo("sample m.elbo --count 3 --out c --seed 6").ok();
    assert_eq!(folder.read("a/grid.png"), folder.read("b/grid.png"));
    assert_ne!(folder.read("a/grid.png"), folder.read("c/grid.png"));
}

#[test]
fn empty_cells_are_filled_in_by_a_model_that_was_told_of_them() {
    let folder = Folder::new();
    let mut table = "a,b\n".to_owned();
    for i in 0..60 {
        let a = f64::from(i * 37 % 60) / 30.0 - 1.0;
        table += &if i % 4 == 0 { format!("{a},\n") } else { format!("{a},{}\n", 2.0 * a) };
    }
    folder.write("gaps.csv", table.as_bytes());
    let command = "fit aevb gaps.csv --set latent=1 --set hidden=[8] --set epochs=5 --out m.elbo --report r.html";
    refused(&folder, command, 1, "nan_is_missing=true");
    folder.elbo(&format!("{command} --set nan_is_missing=true")).ok();
    folder.elbo("reconstruct m.elbo gaps.csv --out full.csv").ok();
    let full = String::from_utf8(folder.read("full.csv")).unwrap();
    assert_eq!(full.lines().count(), 61);
    assert!(full.lines().skip(1).all(|line| line.split(',').all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite))));
    assert!(folder.elbo("evaluate m.elbo gaps.csv --json").json()["elbo"].is_number());
    refused(&folder, "evaluate m.elbo gaps.csv --missing error", 1, "missing cells");
}

fn refused(folder: &Folder, command: &str, code: i32, expected: &str) {
    let ran = folder.elbo(command);
    assert_eq!(ran.code, code, "{command}: {}", ran.err);
    assert!(ran.err.to_lowercase().contains(expected), "{command}: {}", ran.err);
}

#[test]
fn what_cannot_be_coded_or_written_is_refused_with_a_remedy() {
    let folder = with_pictures();
    folder.write("other.csv", b"a,b\n1,2\n3,4\n");
    folder.elbo("sample m.elbo --count 3 --out drawn").ok();
    for (command, expected) in [
        ("encode m.elbo other.csv", "pixel0"),
        ("reconstruct m.elbo other.csv --out r.png", "pixel0"),
        ("reconstruct m.elbo p.csv --out r.xyz", ".png for a grid of pictures"),
        ("reconstruct m.elbo p.csv --out rebuilt", ".csv"),
        ("reconstruct m.elbo absent.csv --out r.png", "no such file"),
        ("sample m.elbo --count 2 --out p.csv", "folder"),
        ("sample m.elbo --count 2 --out drawn", "new folder"),
        ("predict m.elbo p.csv", "offers"),
    ] {
        let code = if command.starts_with("sample") || command.starts_with("predict") { 2 } else { 1 };
        refused(&folder, command, code, expected);
    }
    refused(&folder, "sample m.elbo --count 0 --out z", 2, "0");
    refused(&folder, "sample m.elbo --count 2 --out p.csv/drawn", 1, "cannot write into this folder");
    assert!(!folder.names().iter().any(|n| n.starts_with('r') && n != "r.html"), "something was left behind");
}

#[test]
fn codes_have_bounds_and_are_decoded_and_moved_on_request() {
    let folder = with_pictures();
    let history = folder.elbo("info m.elbo --table history").ok();
    assert_eq!(history.lines().count(), 4, "three epochs: {history}");
    assert!(history.starts_with("epoch,loss,elbo of held-out rows"), "{history}");

    let bare = folder.elbo("encode m.elbo p.csv").ok();
    let coded = folder.elbo("encode m.elbo p.csv --bounds --iwae 50").ok();
    for (bare, coded) in bare.lines().zip(coded.lines()) {
        assert!(coded.starts_with(&format!("{bare},")), "codes are the same: {bare} and {coded}");
    }
    assert!(coded.starts_with("z1,z2,z1_sd,z2_sd,elbo,iwae,effective_draws,pareto_k\n"), "{coded}");
    let column = |at: usize| {
        let cells = coded.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().parse::<f64>().unwrap());
        cells.sum::<f64>() / 80.0
    };
    let bounds = folder.elbo("evaluate m.elbo p.csv --iwae 50 --json").json();
    for (at, whole) in [(4, &bounds["elbo"]), (5, &bounds["iwae"]["value"])] {
        let (mean, whole) = (column(at), whole.as_f64().unwrap());
        assert!((mean - whole).abs() < 1e-9 * whole.abs(), "{mean} beside {whole}");
    }
    let few = folder.elbo("encode m.elbo p.csv --bounds --iwae 5 --json").json();
    let names: Vec<&str> = few["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, ["z1", "z2", "z1_sd", "z2_sd", "elbo", "iwae", "effective_draws"], "five draws tell no Pareto k");

    folder.elbo("encode m.elbo p.csv --bounds --out codes.csv").ok();
    let decoded = folder.elbo("sample m.elbo --codes codes.csv --out decoded --json").json();
    assert_eq!(decoded["count"], 80);
    assert_eq!(folder.read("decoded/pictures/00080.png")[..4], *b"\x89PNG");
    let moved = folder.elbo("sample m.elbo --traverse 5 --out moved --json").json();
    assert_eq!(moved["count"], 10);
    assert_eq!(folder.read("moved/grid.png")[..4], *b"\x89PNG");
    assert_eq!(String::from_utf8(folder.read("moved/codes.csv")).unwrap().lines().nth(1), Some("-3,0"));
    // What was moved is decoded from its codes as it was.
    folder.elbo("sample m.elbo --codes moved/codes.csv --out again").ok();
    assert_eq!(folder.read("moved/pictures/00003.png"), folder.read("again/pictures/00003.png"));

    folder.write("gap.csv", b"z1,z2\n1,2\n3,\n");
    std::fs::create_dir(folder.path("kept")).unwrap();
    folder.elbo("encode m.elbo p.csv --out kept/samples.csv").ok();
    for (command, code, expected) in [
        ("sample m.elbo --codes p.csv --out x", 1, "no column of numbers `z1`"),
        ("sample m.elbo --codes gap.csv --out x", 1, "is nan in row 2"),
        ("sample m.elbo --codes absent.csv --out x", 1, "no such file"),
        ("sample m.elbo --codes kept/samples.csv --out kept", 2, "would be overwritten"),
        ("sample m.elbo --traverse 1 --out x", 2, "1"),
        ("sample m.elbo --traverse 5001 --out x", 2, "5001"),
        ("sample m.elbo --traverse 5 --codes codes.csv --out x", 2, "--traverse"),
        ("sample m.elbo --traverse 5 --count 3 --out x", 2, "--count"),
        ("encode m.elbo p.csv --iwae 5", 2, "--bounds"),
        ("encode m.elbo p.csv --bounds --iwae 0", 2, "0"),
    ] {
        refused(&folder, command, code, expected);
    }
    assert!(!folder.names().contains("x"), "nothing is left behind");
}
