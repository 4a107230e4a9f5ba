//! Maps over pictures: what models of depth, of motion and of shape write.

use elbo::core::{Array, Values};
use elbo::data::{flow_bytes, grey16_bytes, read_map_bytes};
use elbo::splat::prior::{Depth, Flow, Pointmap};

/// Two flows, one with a pixel of which nothing is known.
pub(crate) fn flow_seeds() -> Vec<Vec<u8>> {
    let flow = |last: f64| Array::new(&[2, 3, 2], (0..11).map(|k| f64::from(k) - 4.5).chain([last]).collect());
    [0.25, 1e10].map(|last| flow_bytes(&flow(last)).expect("it has the shape of a flow")).into()
}

/// Depths as a picture of 16 bits, depths as an array, and points.
pub(crate) fn map_seeds() -> Vec<Vec<u8>> {
    let depth = Array::new(&[4, 5], (0..20).map(|k| f64::from(k * 3000)).collect());
    let npy = |shape: &str, values: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(format!("{header:<117}\n").into_bytes());
        bytes.extend(values);
        bytes
    };
    let grey = grey16_bytes(&depth).expect("it has whole numbers of 16 bits");
    vec![grey, npy("(2, 3)", &[1, 2, 3, 0, 5, 6]), npy("(2, 2, 3)", &[7; 12])]
}

/// Reads a map; what it is of must be one of the priors, and survive its arrays.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(map) = read_map_bytes("input", bytes) else { return false };
    assert_eq!(map.shape.iter().product::<usize>(), map.values.len(), "a map has another size than its shape");
    let size = [map.shape[1], map.shape[0]];
    let depth = Depth::new(&map, 0.5, size);
    if let Ok(depth) = &depth {
        let (grey, scale) = depth.to_grey16();
        let file = grey16_bytes(&grey).expect("it has whole numbers of 16 bits");
        let again = Depth::new(&read_map_bytes("again", &file).expect("it was just written"), scale, size);
        assert!(again.is_ok_and(|again| again.is_known() == depth.is_known()), "a depth is lost in 16 bits");
    }
    let flow = Flow::new(&map, None, size);
    if let Ok(flow) = &flow {
        let [pairs, mask] = flow.to_arrays();
        let file = flow_bytes(&pairs).expect("it has the shape of a flow");
        let again = read_map_bytes("again", &file).expect("it was just written");
        assert!(Flow::new(&again, Some(&mask), size).is_ok_and(|again| again == *flow), "a flow is lost in its file");
    }
    let sure = Array { shape: vec![size[1], size[0]], values: Values::U8(vec![1; size[0] * size[1]]) };
    let points = Pointmap::new(&map, &sure, size);
    depth.is_ok() || flow.is_ok() || points.is_ok()
}
