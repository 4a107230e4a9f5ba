//! Parameters of members: under the member's name, and of boxes, options and lists.

use super::{Parameter, Parameters, join};

/// Visits a member's parameters under the member's name.
pub fn nested(prefix: &str, member: &(impl Parameters + ?Sized), f: &mut dyn FnMut(&str, &Parameter)) {
    member.visit(&mut |name, p| f(&join(prefix, name), p));
}

/// Visits a member's parameters under the member's name, for changing.
pub fn nested_mut(prefix: &str, member: &mut (impl Parameters + ?Sized), f: &mut dyn FnMut(&str, &mut Parameter)) {
    member.visit_mut(&mut |name, p| f(&join(prefix, name), p));
}

impl Parameters for Parameter {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("", self);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("", self);
    }
}

/// No parameters.
impl Parameters for () {
    fn visit(&self, _: &mut dyn FnMut(&str, &Parameter)) {}
    fn visit_mut(&mut self, _: &mut dyn FnMut(&str, &mut Parameter)) {}
}

impl<P: Parameters + ?Sized> Parameters for Box<P> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        (**self).visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        (**self).visit_mut(f);
    }
}

impl<P: Parameters> Parameters for Option<P> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.iter().for_each(|p| p.visit(f));
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.iter_mut().for_each(|p| p.visit_mut(f));
    }
}

/// Members are named by their position.
impl<P: Parameters> Parameters for Vec<P> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.iter().enumerate().for_each(|(i, p)| nested(&i.to_string(), p, f));
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.iter_mut().enumerate().for_each(|(i, p)| nested_mut(&i.to_string(), p, f));
    }
}
