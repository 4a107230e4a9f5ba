//! Files that other programs read.

use crate::gradients::cloud;
use elbo_splat::file::{Format, Stored, ply, read, splat, write};
use elbo_splat::gaussians::{Gaussians, normalised};
use std::path::Path;

/// A file without antialiasing.
fn plain(gaussians: Gaussians<f32>) -> Stored {
    Stored { gaussians, antialias: false }
}

#[test]
fn the_layout_of_a_ply_file_is_that_of_the_reference() {
    let g = cloud(2, 3, 1).cast::<f32>();
    let bytes = ply::write(&plain(g.clone()));
    let end = bytes.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    let header = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let names: Vec<&str> = header.lines().filter_map(|l| l.strip_prefix("property float ")).collect();
    let mut expected: Vec<String> = ["x", "y", "z", "nx", "ny", "nz"].map(String::from).to_vec();
    expected.extend((0..3).map(|k| format!("f_dc_{k}")));
    expected.extend((0..45).map(|k| format!("f_rest_{k}")));
    expected.extend(["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"].map(String::from));
    assert_eq!(names, expected);
    assert!(header.starts_with("ply\nformat binary_little_endian 1.0\nelement vertex 2\n"), "{header}");
    assert_eq!(bytes.len(), end + 2 * 62 * 4);
    let value = |row: usize, name: &str| {
        let at = end + 4 * (62 * row + names.iter().position(|n| *n == name).unwrap());
        f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    };
    assert_eq!(value(1, "y"), g.mean[4]);
    assert_eq!(value(1, "nx"), 0.0);
    assert_eq!(value(1, "f_dc_2"), g.sh[48 + 2]);
    // Fifteen of red, then green, then blue.
    assert_eq!(value(0, "f_rest_0"), g.sh[3]);
    assert_eq!(value(0, "f_rest_14"), g.sh[45]);
    assert_eq!(value(0, "f_rest_15"), g.sh[4]);
    assert_eq!(value(1, "f_rest_44"), g.sh[48 + 47]);
    assert_eq!(value(1, "opacity"), g.opacity[1]);
    assert_eq!(value(1, "scale_2"), g.log_scale[5]);
    assert_eq!(value(1, "rot_0"), g.rotation[4]);
}

#[test]
fn what_is_written_is_read_for_every_degree() {
    for degree in 0..4 {
        for antialias in [false, true] {
            let stored = Stored { gaussians: cloud(5, degree, 2).cast(), antialias };
            assert_eq!(ply::read(&ply::write(&stored)).unwrap(), stored);
        }
    }
}

#[test]
fn properties_are_found_by_name_and_others_passed_over() {
    let g = cloud(3, 0, 2).cast::<f32>();
    let order = [
        "opacity", "x", "rot_3", "y", "z", "rot_2", "rot_1", "rot_0", "scale_0", "scale_1", "scale_2", "f_dc_2",
        "f_dc_1", "f_dc_0",
    ];
    let mut bytes =
        b"ply\nformat binary_little_endian 1.0\ncomment made by hand\nelement vertex 3\nproperty uchar flag\n".to_vec();
    order.iter().for_each(|n| bytes.extend(format!("property float {n}\n").bytes()));
    bytes.extend(b"property double weight\nelement face 0\nproperty list uchar int vertex_indices\nend_header\n");
    for i in 0..3 {
        bytes.push(7);
        let (m, r, s, c) = (&g.mean[3 * i..], &g.rotation[4 * i..], &g.log_scale[3 * i..], &g.sh[3 * i..]);
        for v in [g.opacity[i], m[0], r[3], m[1], m[2], r[2], r[1], r[0], s[0], s[1], s[2], c[2], c[1], c[0]] {
            bytes.extend(v.to_le_bytes());
        }
        bytes.extend(1f64.to_le_bytes());
    }
    assert_eq!(ply::read(&bytes).unwrap(), plain(g));
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let good = ply::write(&plain(cloud(4, 1, 2).cast()));
    for cut in [0, 3, 40, 200, good.len() - 1] {
        assert!(ply::read(&good[..cut]).is_err(), "cut at {cut}");
    }
    let text = String::from_utf8_lossy(&good).into_owned();
    let changed = |from: &str, to: &str| ply::read(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
    assert!(changed("binary_little_endian", "ascii").contains("little-endian"));
    assert!(changed("element vertex 4", "element vertex 99999999999999999999").contains("rows of `vertex`"));
    assert!(changed("element vertex 4", "element vertex 4000000000").contains("cut short"));
    assert!(changed("element vertex 4", "element vertex 0").contains("0 vertices"));
    assert!(changed("element vertex 4", "element face 4").contains("no vertices"));
    assert!(changed("property float x", "property list uchar int x").contains("no vertices"));
    assert!(changed("property float opacity", "property float nothing").contains("no property `opacity`"));
    assert!(changed("property float f_rest_8", "property float other").contains("8 properties `f_rest`"));
    let mut zero = cloud(4, 1, 2).cast::<f32>();
    zero.rotation[..4].fill(0.0);
    assert!(ply::read(&ply::write(&plain(zero))).unwrap_err().to_string().contains("rotation"));
    let mut nothing = cloud(4, 1, 2).cast::<f32>();
    nothing.mean[5] = f32::NAN;
    assert!(ply::read(&ply::write(&plain(nothing))).unwrap_err().to_string().contains("not numbers"));
}

#[test]
fn a_splat_file_has_32_bytes_a_gaussian() {
    let mut g = cloud(2, 2, 3).cast::<f32>();
    g.log_scale = vec![-3.0, -3.0, -3.0, -1.0, -1.0, -1.0];
    g.rotation[4..].copy_from_slice(&[2.0, 0.0, 0.0, 0.0]);
    let bytes = splat::write(&g);
    assert_eq!(bytes.len(), 64);
    let float = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((float(0), float(12)), (g.mean[3], (-1f32).exp()), "the large one comes first");
    assert_eq!(bytes[28..32], [255, 128, 128, 128]);
    assert_eq!(bytes[27], (255.0 * g.opacity_of(1)).round() as u8);
    let back = splat::read(&bytes).unwrap().gaussians;
    assert_eq!(back.degree, 0);
    assert_near(&back, &g.take(&[1, 0]), [1e-6, 1e-6, 0.02, 0.05, 0.03]);
    assert!(splat::read(&bytes[..63]).unwrap_err().to_string().contains("63 bytes"));
    assert!(splat::read(&[]).unwrap_err().to_string().contains("no Gaussians"));
}

/// Places, logarithms of scales, rotations up to a sign, logits of opacities between -3 and 3, and as many coefficients as both have agree within
/// these.
fn assert_near(found: &Gaussians<f32>, expected: &Gaussians<f32>, tolerances: [f32; 5]) {
    assert_eq!(found.len(), expected.len());
    let [place, scale, turn, opacity, colour] = tolerances;
    let near = |what: &str, a: f32, b: f32, tolerance: f32| assert!((a - b).abs() <= tolerance, "{what}: {a} for {b}");
    for i in 0..found.len() {
        for k in 3 * i..3 * i + 3 {
            near("place", found.mean[k], expected.mean[k], place);
            near("scale", found.log_scale[k], expected.log_scale[k], scale);
        }
        let [a, b] = [found, expected].map(|g| normalised::<f32>(std::array::from_fn(|k| g.rotation[4 * i + k])));
        let sign = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>().signum();
        (0..4).for_each(|k| near("rotation", sign * a[k], b[k], turn));
        near("opacity", found.opacity[i].clamp(-3.0, 3.0), expected.opacity[i].clamp(-3.0, 3.0), opacity);
        let [a, b] = [found, expected].map(|g| &g.sh[g.widths()[4] * i..][..g.widths()[4]]);
        a.iter().zip(b).for_each(|(a, b)| near("colour", *a, *b, colour));
    }
}

#[test]
fn packed_formats_keep_what_their_steps_allow() {
    for (format, degree, antialias) in [
        (Format::Spz, 0, false),
        (Format::Spz, 2, true),
        (Format::Spz, 3, false),
        (Format::CompressedPly, 0, true),
        (Format::CompressedPly, 1, false),
        (Format::CompressedPly, 3, false),
    ] {
        let stored = Stored { gaussians: cloud(300, degree, 4).cast(), antialias };
        let bytes = write(format, &stored).unwrap();
        let back = read(format, &bytes).unwrap();
        assert_eq!((back.antialias, back.gaussians.degree), (antialias, degree), "{format:?}");
        let g = &stored.gaussians;
        if format == Format::Spz {
            assert_near(&back.gaussians, g, [1e-6, 0.032, 2e-3, 0.05, 0.014]);
        } else {
            // They come in another order: the nearest place is the same Gaussian.
            let away = |i: usize, j: usize| -> f32 {
                (0..3).map(|k| (back.gaussians.mean[3 * i + k] - g.mean[3 * j + k]).powi(2)).sum()
            };
            let nearest = |i: usize| (0..300).min_by(|a, b| away(i, *a).total_cmp(&away(i, *b))).unwrap();
            let rows: Vec<usize> = (0..300).map(nearest).collect();
            assert_near(&back.gaussians, &g.take(&rows), [4e-3, 2e-3, 1.5e-3, 0.05, 0.017]);
        }
        let full = ply::write(&stored).len();
        assert!(2 * bytes.len() < full, "{format:?}: {} of {full}", bytes.len());
    }
}

#[test]
fn files_of_another_program_hold_what_was_given_to_it() {
    let all = read(Format::Ply, include_bytes!("../golden/twelve.ply")).unwrap();
    assert_eq!((all.gaussians.len(), all.gaussians.degree), (12, 2));
    let spz = read(Format::Spz, include_bytes!("../golden/twelve.spz")).unwrap();
    // Its harmonics are rounded to five and four bits.
    assert_near(&spz.gaussians, &all.gaussians, [1.3e-4, 0.032, 2e-3, 0.05, 0.067]);
    let small = read(Format::CompressedPly, include_bytes!("../golden/twelve.compressed.ply")).unwrap();
    let away = |i: usize, j: usize| -> f32 {
        (0..3).map(|k| (small.gaussians.mean[3 * i + k] - all.gaussians.mean[3 * j + k]).powi(2)).sum()
    };
    let nearest = |i: usize| (0..12).min_by(|a, b| away(i, *a).total_cmp(&away(i, *b))).unwrap();
    let rows: Vec<usize> = (0..12).map(nearest).collect();
    assert_near(&small.gaussians, &all.gaussians.take(&rows), [4e-3, 2e-3, 1.5e-3, 0.05, 0.017]);
}

#[test]
fn a_files_name_tells_its_format() {
    for (name, format) in [
        ("a.ply", Some(Format::Ply)),
        ("b/c.Compressed.PLY", Some(Format::CompressedPly)),
        ("x.spz", Some(Format::Spz)),
        ("x.SPLAT", Some(Format::Splat)),
        ("x.elbo", None),
        ("ply", None),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
}

#[test]
fn damaged_packed_files_are_refused() {
    let stored = plain(cloud(40, 1, 2).cast());
    let spz = write(Format::Spz, &stored).unwrap();
    for cut in [0, 5, 20, spz.len() / 2] {
        assert!(read(Format::Spz, &spz[..cut]).is_err(), "cut at {cut}");
    }
    let mut changed = spz.clone();
    // The checksum stands before the length, four bytes each.
    changed[spz.len() - 5] ^= 1;
    assert!(read(Format::Spz, &changed).unwrap_err().to_string().contains("damaged"));
    assert!(read(Format::Spz, b"NGSP and more").unwrap_err().to_string().contains("version 4"));
    let gzip = |raw: &[u8]| {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        packer.write_all(raw).unwrap();
        packer.finish().unwrap()
    };
    let header = |version: u32, count: u32, degree: u8| {
        [&0x5053_474eu32.to_le_bytes()[..], &version.to_le_bytes(), &count.to_le_bytes(), &[degree, 12, 0, 0]].concat()
    };
    let refused = |raw: &[u8], what: &str| {
        let error = read(Format::Spz, &gzip(raw)).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(&header(3, u32::MAX, 3), "cut short");
    refused(&header(9, 1, 0), "version 9");
    refused(&header(3, 1, 7), "degree 7");
    refused(&[0; 40], "sign");
    refused(&header(3, 0, 0), "no Gaussians");
    let mut far = stored.clone();
    far.gaussians.mean[7] = 1e9;
    assert!(write(Format::Spz, &far).unwrap_err().remedy().contains(".ply"));

    let small = write(Format::CompressedPly, &stored).unwrap();
    for cut in [10, 400, small.len() - 1] {
        assert!(read(Format::CompressedPly, &small[..cut]).is_err(), "cut at {cut}");
    }
    let text: String = small.iter().map(|b| char::from(*b)).collect();
    let changed = |from: &str, to: &str| {
        let bytes: Vec<u8> = text.replacen(from, to, 1).chars().map(|c| c as u8).collect();
        read(Format::CompressedPly, &bytes).unwrap_err().to_string()
    };
    assert!(changed("min_x", "low_x").contains("`min_x`"));
    assert!(changed("packed_scale", "scale").contains("`packed_scale`"));
    assert!(changed("element sh 40", "element sh 39").contains("belong together"));
}
