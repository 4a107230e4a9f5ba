//! The hook for fused operations: a value computed by hand with a hand-written first derivative.
//!
//! Use it where a chain of tensor operations is too slow. The backward pass may use plain loops, and values parked by the forward
//! pass. Because such a pass is invisible to the graph, a second derivative needs the *twin*: the same function composed of
//! tensor operations. Several outputs are packed into one tensor and taken apart with [`Tensor::narrow`].

use std::sync::Arc;

use crate::tape::{Grads, Kind, Node, is_recording};
use crate::tensor::Tensor;

type First = dyn Fn(&Tensor, &[bool]) -> Vec<Option<Tensor>> + Send + Sync;
type Twin = dyn Fn(&[Tensor]) -> Tensor + Send + Sync;

pub(crate) struct Custom {
    inputs: Vec<Tensor>,
    first: Box<First>,
    twin: Option<Box<Twin>>,
}

impl Custom {
    pub fn backward(&self, name: &str, grad: &Tensor, wanted: &[bool]) -> Grads {
        if !is_recording() {
            let grads = (self.first)(grad, wanted);
            assert_eq!(grads.len(), wanted.len(), "`{name}` must return one gradient an input");
            return grads.into_iter().collect();
        }
        let Some(twin) = &self.twin else {
            panic!("`{name}` is a fused operation with a first derivative only; a second one needs `with_twin`")
        };
        let output = twin(&self.inputs);
        assert_eq!(output.shape(), grad.shape(), "the twin of `{name}` must have its shape");
        crate::gradient::partials(&output, grad, &self.inputs, wanted)
    }
}

impl Tensor {
    /// Enters a fused operation into the graph. `backward(grad, wanted)` gets the gradient with respect to the output (in its
    /// shape, maybe a broadcast view) and returns one gradient an input, `None` where `wanted` is false or where it is zero.
    ///
    /// ```
    /// use elbo_tensor::{Tensor, grad};
    /// let x = Tensor::from_vec(vec![3.0], &[1]).variable();
    /// let (value, saved) = (x.detach().square(), x.detach());
    /// let y = Tensor::custom("my-square", vec![x.clone()], value, move |g, _| vec![Some(g * &saved * 2.0)])
    ///     .with_twin(|inputs| inputs[0].square());
    /// assert_eq!(grad(&y.sum(), &[&x])[0].item(), 6.0);
    /// ```
    pub fn custom<F>(name: &'static str, inputs: Vec<Tensor>, value: Tensor, backward: F) -> Self
    where
        F: Fn(&Tensor, &[bool]) -> Vec<Option<Tensor>> + Send + Sync + 'static,
    {
        let value = value.detach();
        if inputs.iter().all(|i| i.node.is_none()) || !is_recording() {
            return value;
        }
        let parents = inputs.iter().map(|i| i.node.clone()).collect();
        let custom = Custom { inputs, first: Box::new(backward), twin: None };
        Self { node: Some(Node::new(name, parents, Kind::Custom(Box::new(custom)))), ..value }
    }

    /// Gives a fused operation its composed twin, used when a derivative of its derivative is asked for. Call it at once on what
    /// [`Tensor::custom`] returns. The twin gets the inputs and returns the output in the same shape.
    pub fn with_twin(mut self, twin: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static) -> Self {
        let Some(node) = &mut self.node else { return self };
        let node = Arc::get_mut(node).expect("`with_twin` is called before the tensor is used");
        let Kind::Custom(custom) = &mut node.kind else { panic!("`with_twin` belongs to `Tensor::custom`") };
        custom.twin = Some(Box::new(twin));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{grad, grad_graph};

    fn cube(x: &Tensor, twin: bool) -> Tensor {
        let (value, saved) = (x.detach().powi(3), x.detach());
        let y = Tensor::custom("cube", vec![x.clone()], value, move |g, _| vec![Some(g * saved.square() * 3.0)]);
        if twin { y.with_twin(|inputs| inputs[0].powi(3)) } else { y }
    }

    #[test]
    fn first_derivatives_come_from_the_closure_and_higher_ones_from_the_twin() {
        let x = Tensor::scalar(2.0).variable();
        assert_eq!(grad(&cube(&x, false), &[&x])[0].item(), 12.0);
        let first = grad_graph(&cube(&x, true), &[&x]).remove(0);
        assert_eq!(grad(&first, &[&x])[0].item(), 12.0);
    }

    #[test]
    fn inputs_that_depend_on_each_other_or_repeat_count_once() {
        // f(a, b, a) = a b + a, with b = a^2.
        let a = Tensor::scalar(2.0).variable();
        let b = a.square();
        let saved = [a.detach(), b.detach()];
        let value = &saved[0] * &saved[1] + &saved[0];
        let y = Tensor::custom("f", vec![a.clone(), b.clone(), a.clone()], value, move |g, _| {
            vec![Some(g * &saved[1]), Some(g * &saved[0]), Some(g.clone())]
        })
        .with_twin(|t| &t[0] * &t[1] + &t[2]);
        // d/da (a^3 + a) = 3 a^2 + 1, d^2/da^2 = 6 a.
        assert_eq!(grad(&y, &[&a])[0].item(), 13.0);
        let first = grad_graph(&y, &[&a]).remove(0);
        assert_eq!((first.item(), grad(&first, &[&a])[0].item()), (13.0, 12.0));
    }

    #[test]
    #[should_panic(expected = "`cube` is a fused operation with a first derivative only")]
    fn a_second_derivative_without_a_twin_names_the_operation() {
        let x = Tensor::scalar(2.0).variable();
        let _ = grad_graph(&cube(&x, false), &[&x]);
    }
}
