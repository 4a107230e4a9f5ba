//! Pictures as they come in.

use elbo_core::{Array, Data, DataKind, Error, FromData, Result, Rng, Values};

/// One picture of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Rows, columns, channels: one for grey, three for colour.
    pub shape: [usize; 3],
    /// `[H, W, C]`.
    pub bytes: Vec<u8>,
}

/// Pictures of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photographs {
    /// The pictures.
    pub photos: Vec<Photo>,
}

impl FromData for Photographs {
    const NEEDS: &'static str = "photographs of any size";
    const KIND: DataKind = DataKind::Photographs;

    fn from_data(data: &Data) -> Result<Self> {
        let mut photos = vec![];
        for (name, array) in &data.arrays {
            // Labels and other columns stand beside pictures.
            if array.shape.len() > 2 {
                photos.extend(Photo::all(name, array)?);
            }
        }
        if photos.is_empty() {
            return Err(Error::data(
                format!("{} holds no pictures", if data.source.is_empty() { "the data set" } else { &data.source }),
                "give a folder of PNG or JPEG pictures, or one picture",
            ));
        }
        Ok(Self { photos })
    }
}

impl Photo {
    /// The pictures of an array `[N, H, W]` or `[N, H, W, C]` of bytes; of four channels the last, transparency, is left out.
    fn all(name: &str, array: &Array) -> Result<Vec<Self>> {
        let (n, [h, w, c]) = match *array.shape {
            [n, h, w] => (n, [h, w, 1]),
            [n, h, w, c @ (1 | 3 | 4)] => (n, [h, w, c]),
            _ => {
                return Err(Error::data(
                    format!("array `{name}` has the shape {:?}", array.shape),
                    "pictures are [N, H, W] or [N, H, W, C] with 1, 3 or 4 channels",
                ));
            }
        };
        let Values::U8(bytes) = &array.values else {
            return Err(Error::data(
                format!("array `{name}` does not hold bytes"),
                "give pictures as whole numbers from 0 to 255, of type uint8",
            ));
        };
        if h == 0 || w == 0 {
            return Err(Error::data(format!("the pictures of `{name}` have no pixels"), "leave them out"));
        }
        let kept = if c == 4 { 3 } else { c };
        let one = |i: usize| {
            let bytes = &bytes[i * h * w * c..(i + 1) * h * w * c];
            let bytes = bytes.chunks_exact(c).flat_map(|p| p[..kept].iter().copied()).collect();
            Self { shape: [h, w, kept], bytes }
        };
        Ok((0..n).map(one).collect())
    }

    /// The only picture of a data set.
    ///
    /// # Errors
    /// [`Error::Data`] when there are none or several, or they are not of bytes.
    pub fn only(data: &Data) -> Result<Self> {
        let mut all = Photographs::from_data(data)?.photos;
        match all.len() {
            1 => Ok(all.remove(0)),
            count => Err(Error::data(format!("{count} pictures were given"), "compress one picture at a time")),
        }
    }

    /// As an array `[1, H, W, C]`.
    pub fn into_data(self, source: &str) -> Data {
        let [h, w, c] = self.shape;
        let array = Array { shape: vec![1, h, w, c], values: Values::U8(self.bytes) };
        Data { source: source.into(), arrays: vec![("image".into(), array)], ..Data::default() }
    }

    /// The part that begins at the first row and column and has at most this height and width.
    pub fn part(&self, [height, width]: [usize; 2]) -> Self {
        let [h, w, c] = self.shape;
        let (height, width) = (height.clamp(1, h), width.clamp(1, w));
        let rows = self.bytes.chunks_exact(w * c).take(height);
        Self { shape: [height, width, c], bytes: rows.flat_map(|row| &row[..width * c]).copied().collect() }
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// The planes of red, green and blue, `[3, height, width]`, of the part that begins at this row and column. Beyond the edges the
    /// last row and column go on; grey has three equal planes.
    pub(crate) fn planes(&self, [y0, x0]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f32> {
        let [h, w, c] = self.shape;
        let mut out = Vec::with_capacity(3 * height * width);
        for k in 0..3 {
            let channel = k.min(c - 1);
            for y in 0..height {
                let row = &self.bytes[(y0 + y).min(h - 1) * w * c..][..w * c];
                out.extend((0..width).map(|x| f32::from(row[(x0 + x).min(w - 1) * c + channel])));
            }
        }
        out
    }

    /// A square part at a random place, mirrored at random.
    pub(crate) fn crop(&self, side: usize, rng: &mut Rng) -> Vec<f32> {
        let [h, w, _] = self.shape;
        let place = |n: usize, rng: &mut Rng| if n > side { rng.below(n - side + 1) } else { 0 };
        let at = [place(h, rng), place(w, rng)];
        let mut planes = self.planes(at, [side; 2]);
        if rng.below(2) == 1 {
            planes.chunks_exact_mut(side).for_each(<[f32]>::reverse);
        }
        planes
    }

    /// The picture of planes `[3, height, width]` in steps of 255, cut to this shape.
    pub(crate) fn from_planes(planes: &[f32], [height, width]: [usize; 2], shape: [usize; 3]) -> Self {
        let [h, w, c] = shape;
        let mut bytes = Vec::with_capacity(h * w * c);
        let area = height * width;
        for y in 0..h {
            for x in 0..w {
                let at = |k: usize| planes[k * area + y * width + x];
                if c == 1 {
                    bytes.push(byte((at(0) + at(1) + at(2)) / 3.0));
                } else {
                    bytes.extend([byte(at(0)), byte(at(1)), byte(at(2))]);
                }
            }
        }
        Self { shape, bytes }
    }
}

fn byte(v: f32) -> u8 {
    // A cast saturates.
    (v + 0.5).floor() as u8
}
