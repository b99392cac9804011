//! Texts that come again and again, kept once.

use std::collections::HashSet;
use std::sync::Arc;

use super::event::ValueRef;
use super::{F, Value};

/// How many different texts are shared; beyond that each has memory of its own.
const SHARED: usize = 1 << 16;

/// The texts of a history as it is read.
#[derive(Default)]
pub(crate) struct Shared {
    /// Few, so that looking through them is fastest.
    fs: Vec<F>,
    texts: HashSet<Arc<str>>,
}

impl Shared {
    pub(crate) fn f(&mut self, name: &str) -> F {
        if let Some(f) = self.fs.iter().find(|f| *f == name) {
            return f.clone();
        }
        let f = F::owned(name.to_owned());
        if self.fs.len() < 64 {
            self.fs.push(f.clone());
        }
        f
    }

    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.texts.get(text) {
            return Arc::clone(shared);
        }
        let new: Arc<str> = Arc::from(text);
        if self.texts.len() < SHARED {
            self.texts.insert(Arc::clone(&new));
        }
        new
    }

    pub(crate) fn value(&mut self, value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Nil => Value::Nil,
            ValueRef::Bool(truth) => Value::Bool(truth),
            ValueRef::Int(number) => Value::Int(number),
            ValueRef::Str(text) => Value::Str(self.text(text)),
            ValueRef::List(items) => Value::List(items.map(|item| self.value(item)).collect()),
            ValueRef::Map(entries) => Value::Map(
                entries
                    .map(|(name, item)| (self.text(name), self.value(item)))
                    .collect(),
            ),
        }
    }
}
