//! Legal orders, as proofs that others can check.

use super::exact::{self, Exact, Finding};
use super::infer::{self, Kinds};
use super::search;
use super::{Group, Linearizable, Tell, Visit, by, narrow};
use crate::Budget;
use crate::calls::Calls;
use crate::history::Value;
use crate::model::{Known, Model};

/// A legal order of the calls of one object, or of objects that some call connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The model.
    pub model: Known,
    /// Of a key-value store, what an absent key holds: nil or an empty text. Else nil.
    pub absent: Value,
    /// The indices of the starts of the calls, in the order in which they took effect. Calls of
    /// unknown outcome that are not among them never did.
    pub calls: Vec<usize>,
}

impl Linearizable {
    /// The model by which the object of that key is judged; nil for an object without a key.
    #[must_use]
    pub fn model_of(&self, calls: &Calls, key: &Value) -> Option<Known> {
        let kinds = Kinds::of(calls, self.asked);
        let same = |number: &u32| calls.value(*number) == *key;
        let mut numbers = calls.key.iter().copied();
        let number = numbers.find(same)?;
        let place = usize::from(kinds.of[number as usize]).checked_sub(1)?;
        kinds.list.get(place).copied()
    }

    /// What an absent key of a key-value store holds in these calls: nil or an empty text.
    #[must_use]
    pub fn absent(calls: &Calls) -> Value {
        if infer::absent_is_empty(calls) {
            Value::str("")
        } else {
            Value::Nil
        }
    }

    /// A legal order for each object of a history that is linearizable. The error names an
    /// object for which none was found, which happens only where a search was needed.
    ///
    /// # Errors
    ///
    /// The object, and what it lacks.
    pub fn orders(&self, calls: &Calls, budget: &Budget) -> Result<Vec<Order>, String> {
        let kinds = Kinds::of(calls, self.asked);
        let mut group = Group::new(calls, budget, &kinds);
        let mut orders = Vec::new();
        for (place, &known) in kinds.list.iter().enumerate() {
            group.place = place;
            let visit = Orders {
                group: &group,
                known,
                orders: &mut orders,
            };
            by(known, calls, visit)?;
        }
        Ok(orders)
    }
}

/// Finds orders.
struct Orders<'a, 'g> {
    group: &'a Group<'g>,
    known: Known,
    orders: &'a mut Vec<Order>,
}

impl Visit for Orders<'_, '_> {
    type Done = Result<(), String>;

    fn exact<E: Exact, M: Model>(
        self,
        _: &'static str,
        exact: &E,
        initial: &M,
        _: Option<Tell>,
    ) -> Self::Done {
        self.group.ordered(self.known, exact, initial, self.orders)
    }

    fn search<M: Model>(self, initial: &M) -> Self::Done {
        let groups = self.group.connected(self.group.all());
        self.group
            .ordered_by_search(self.known, initial, groups, self.orders)
    }
}

impl Group<'_> {
    fn ordered<E: Exact, M: Model>(
        &self,
        known: Known,
        exact: &E,
        initial: &M,
        orders: &mut Vec<Order>,
    ) -> Result<(), String> {
        let objects = exact::by_key(exact, self.calls, |key| self.kinds.is(key, self.place));
        let mut to_search = Vec::new();
        for (key, range) in &objects.keys {
            let rows = &objects.rows[range.clone()];
            let finding = exact.judge(self.calls, rows);
            let order = match finding {
                Finding::Linearizable { .. } => exact.order(self.calls, rows),
                _ => None,
            };
            match order {
                Some(order) => orders.push(self.order(known, &order)),
                None => to_search.push(*key),
            }
        }
        drop(objects);
        if to_search.is_empty() {
            return Ok(());
        }
        self.ordered_by_search(known, initial, self.groups(&to_search), orders)
    }

    fn ordered_by_search<M: Model>(
        &self,
        known: Known,
        initial: &M,
        groups: Vec<Vec<u32>>,
        orders: &mut Vec<Order>,
    ) -> Result<(), String> {
        for group in groups {
            for order in search::orders(initial, self.calls, &group, self.budget) {
                let order = order.map_err(|key| {
                    format!("no order of the calls of {key} was found; give it more time")
                })?;
                orders.push(self.order(known, &order));
            }
        }
        Ok(())
    }

    fn order(&self, model: Known, order: &[u32]) -> Order {
        let absent = match model {
            Known::KeyValue => Linearizable::absent(self.calls),
            _ => Value::Nil,
        };
        Order {
            model,
            absent,
            calls: order.iter().map(|call| self.calls.index(*call)).collect(),
        }
    }

    /// All calls of the objects of this model, by object.
    fn all(&self) -> Vec<Vec<u32>> {
        let mut keys: Vec<u32> = Vec::new();
        let mut known = vec![false; self.calls.values.len()];
        for call in 0..narrow(self.calls.len()) {
            let key = self.calls.key[call as usize];
            if self.kinds.is(key, self.place) && !std::mem::replace(&mut known[key as usize], true)
            {
                keys.push(key);
            }
        }
        self.groups(&keys)
    }
}
