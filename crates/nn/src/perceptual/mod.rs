//! How far apart pictures are in the answers of a network that was trained to recognise things.
//!
//! | distance | its network | its weights |
//! |---|---|---|
//! | [`Lpips`] | AlexNet or VGG-16, trained on photographs, with heads fitted to what people call alike | in a file of the user's |
//! | [`Percep`] | three convolutions, trained on made-up scenes, without heads | small enough to travel along |
//!
//! Values of the two, and of LPIPS by different networks, are not comparable: whoever prints one says which it is.

mod lpips;
mod percep;

pub use lpips::Lpips;
pub use percep::Percep;

use elbo_core::{Error, Result};
use elbo_tensor::Tensor;

/// Answers `[B, C, H, W]` brought to length one at every pixel; they stay zero where there are none.
fn unit(answers: &Tensor) -> Tensor {
    // The first small number keeps the slope finite where there is no answer at all.
    let length = (answers.square().sum_axis(1, true) + 1e-20).sqrt() + 1e-10;
    answers / length
}

/// Refuses what is not two times the same number of pictures of three colours and one size, of at least `least` pixels a side.
fn check_pictures(x: &Tensor, y: &Tensor, name: &str, least: usize) -> Result<()> {
    let fits = matches!(x.shape(), [_, 3, h, w] if *h.min(w) >= least) && x.shape() == y.shape();
    if fits {
        return Ok(());
    }
    Err(Error::data(
        format!("pictures of the shapes {:?} and {:?} cannot be compared by {name}", x.shape(), y.shape()),
        format!("give pictures of three colours and one size, {least} pixels a side or more"),
    ))
}
