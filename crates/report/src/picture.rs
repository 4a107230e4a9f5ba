//! Pixels as PNG, for files and for pages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A PNG file of bytes `[height, width, channels]`, one channel for grey or three for colour, the first row on top.
///
/// Sizes must be positive and agree with the bytes.
pub fn png(width: usize, height: usize, channels: usize, pixels: &[u8]) -> Vec<u8> {
    assert_eq!(pixels.len(), width * height * channels, "a picture of {width} x {height} x {channels} has other bytes");
    let mut out = vec![];
    let size = |n: usize| u32::try_from(n).expect("pictures in memory have fewer pixels a side");
    let mut encoder = png::Encoder::new(&mut out, size(width), size(height));
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("memory takes any header of a valid size");
    writer.write_image_data(pixels).expect("the bytes have the size of the header");
    writer.finish().expect("memory can be written");
    out
}

/// A PNG as a URI that stands for its contents.
pub(crate) fn data_uri(width: usize, height: usize, channels: usize, pixels: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png(width, height, channels, pixels)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_decodes_to_its_pixels() {
        for channels in [1, 3] {
            let pixels: Vec<u8> = (0..6 * channels as u8).map(|v| v * 13).collect();
            let file = png(3, 2, channels, &pixels);
            let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
            let mut back = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut back).unwrap();
            assert_eq!((info.width, info.height, back), (3, 2, pixels));
        }
    }
}
