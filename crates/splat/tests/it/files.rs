//! Files that other programs read.

use crate::gradients::cloud;
use elbo_splat::ply;

#[test]
fn the_layout_of_a_ply_file_is_that_of_the_reference() {
    let g = cloud(2, 3, 1).cast::<f32>();
    let bytes = ply::write(&g);
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
        let g = cloud(5, degree, 2).cast::<f32>();
        assert_eq!(ply::read(&ply::write(&g)).unwrap(), g);
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
    assert_eq!(ply::read(&bytes).unwrap(), g);
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let good = ply::write(&cloud(4, 1, 2).cast());
    for cut in [0, 3, 40, 200, good.len() - 1] {
        assert!(ply::read(&good[..cut]).is_err(), "cut at {cut}");
    }
    let text = String::from_utf8_lossy(&good).into_owned();
    let changed = |from: &str, to: &str| ply::read(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
    assert!(changed("binary_little_endian", "ascii").contains("little-endian"));
    assert!(changed("element vertex 4", "element vertex 99999999999999999999").contains("vertices"));
    assert!(changed("element vertex 4", "element vertex 4000000000").contains("cut short"));
    assert!(changed("property float opacity", "property float nothing").contains("no property `opacity`"));
    assert!(changed("property float f_rest_8", "property float other").contains("8 properties `f_rest`"));
    let mut zero = cloud(4, 1, 2).cast::<f32>();
    zero.rotation[..4].fill(0.0);
    assert!(ply::read(&ply::write(&zero)).unwrap_err().to_string().contains("rotation"));
    let mut nothing = cloud(4, 1, 2).cast::<f32>();
    nothing.mean[5] = f32::NAN;
    assert!(ply::read(&ply::write(&nothing)).unwrap_err().to_string().contains("not numbers"));
}

#[test]
fn a_splat_file_has_32_bytes_a_gaussian() {
    let mut g = cloud(2, 2, 3).cast::<f32>();
    g.log_scale = vec![-3.0, -3.0, -3.0, -1.0, -1.0, -1.0];
    g.rotation[4..].copy_from_slice(&[2.0, 0.0, 0.0, 0.0]);
    let bytes = ply::write_splat(&g);
    assert_eq!(bytes.len(), 64);
    let float = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((float(0), float(12)), (g.mean[3], (-1f32).exp()), "the large one comes first");
    assert_eq!(bytes[28..32], [255, 128, 128, 128]);
    assert_eq!(bytes[27], (255.0 * g.opacity_of(1)).round() as u8);
}
