//! What Jepsen's formats have in common, whatever they are written in.
//!
//! - The nemesis is the process `:nemesis`. Its values may hold what ours cannot (fractions,
//!   symbols); of these the text is kept.
//! - An entry without a function is a transaction, if its value is a list of lists; one without
//!   a process is of process 0. Both are warned of.
//! - **Independent keys.** Jepsen writes the value `v` of key `k` as `[k v]`, which looks like a
//!   list of two, as that of a compare-and-set does. The file decides, by its first entries: a
//!   client begins to read `[k nil]`, or to compare and set `[k [old new]]`, only where keys are
//!   independent; and where they are, every start of a client has such a pair, of which the
//!   first is no list and no map. Any start that has not, decides against. From then on a start
//!   or an `ok` that does not fit is an error, and the end of an operation with unknown outcome
//!   takes the key of its start.

use super::event::{Event, Tape, ValueRef};
use super::fields::{Field, Fields};
use super::read::{ReadError, Warning};
use super::{Kind, Process, Sink, Value};

/// How a file is to be understood where it does not say so itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether values of clients are pairs of a key and a value; by default the file decides.
    pub independent: Option<bool>,
}

/// Values are what they are.
pub(super) const PLAIN: Options = Options {
    independent: Some(false),
};

/// How the entries of a file are held together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// Nothing has been read yet.
    Unknown,
    /// They stand one after another.
    None,
    /// They stand in brackets that are yet to be closed by this.
    Open(u8),
    /// The brackets are closed.
    Closed,
}

/// Hands on entries as Jepsen means them.
#[derive(Default)]
pub(super) struct Conventions {
    pub(super) independent: Option<bool>,
    without_f: Option<usize>,
    without_process: Option<usize>,
}

impl Conventions {
    pub(super) fn new(options: Options) -> Self {
        Self {
            independent: options.independent,
            ..Self::default()
        }
    }

    /// Hands on an entry.
    #[inline]
    pub(super) fn hand_on<'a>(
        &mut self,
        fields: &mut Fields<'a>,
        tape: &Tape<'a>,
        sink: &mut impl Sink,
    ) -> Result<(), String> {
        if fields.process.is_none() {
            self.without_process.get_or_insert(fields.line);
            fields.process = Some(Process::Client(0));
        }
        if fields.f.is_none() && is_transaction(tape.view(fields.value)) {
            self.without_f.get_or_insert(fields.line);
            let f = super::event::Node::Str("txn");
            fields.set(Field::F, f, || "txn", tape)?;
        }
        self.give(fields.event(tape)?, sink)
    }

    /// Hands on an entry that lacks nothing.
    #[inline]
    pub(super) fn give(&self, mut event: Event<'_>, sink: &mut impl Sink) -> Result<(), String> {
        if self.independent == Some(true)
            && event.process != Process::Nemesis
            && event.key.is_none()
        {
            split(&mut event)?;
        }
        sink.event(&event);
        Ok(())
    }

    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some(line) = self.without_process {
            let text = "an entry without a process: all such are taken to be of process 0";
            warnings.push(Warning::new(line, text));
        }
        if let Some(line) = self.without_f {
            let text = "an entry without a function: all such are taken to be transactions";
            warnings.push(Warning::new(line, text));
        }
        warnings
    }
}

fn is_transaction(value: ValueRef<'_>) -> bool {
    value
        .as_list()
        .is_some_and(|mut items| items.all(|item| item.as_list().is_some()))
}

/// The key and the value of a pair that may be an independent key's.
fn pair(value: ValueRef<'_>) -> Option<(ValueRef<'_>, ValueRef<'_>)> {
    let mut items = value.as_list().filter(|items| items.len() == 2)?;
    let (key, value) = (items.next()?, items.next()?);
    let is_key = key.is_scalar() && !matches!(key, ValueRef::Nil);
    is_key.then_some((key, value))
}

fn split(event: &mut Event<'_>) -> Result<(), String> {
    match (pair(event.value), event.kind) {
        (Some((key, value)), _) => (event.key, event.value) = (Some(key), value),
        (None, Kind::Fail | Kind::Info) => {}
        (None, Kind::Invoke | Kind::Ok) => {
            return Err(format!(
                "its value {} is no [key value], and the entries at the beginning of the file \
                 have independent keys",
                Value::from(event.value)
            ));
        }
    }
    Ok(())
}

/// How much of a file decides whether its keys are independent.
const SCOUTED: usize = 1 << 16;

/// The beginning of a text, cut between characters.
fn beginning(text: &str) -> &str {
    let end = (0..=SCOUTED.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// Whether a file that begins so has independent keys; `read` reads it.
pub(super) fn scout(
    text: &str,
    read: impl FnOnce(&str, &mut Scout) -> Result<usize, ReadError>,
) -> bool {
    let mut scout = Scout::default();
    // What is wrong there is found again by the reading proper.
    drop(read(beginning(text), &mut scout));
    scout.decided && !scout.against
}

/// Looks at the first entries of a file to see whether its keys are independent.
#[derive(Default)]
pub(super) struct Scout {
    decided: bool,
    against: bool,
}

impl Sink for Scout {
    fn event(&mut self, event: &Event<'_>) {
        if event.process == Process::Nemesis || event.kind != Kind::Invoke {
            return;
        }
        self.against |= event.key.is_some();
        match (event.f, pair(event.value)) {
            (_, None) => self.against = true,
            ("cas", Some((_, value))) => match value.as_list() {
                Some(items) if items.len() == 2 => self.decided = true,
                Some(_) | None => self.against = true,
            },
            (_, Some((_, ValueRef::Nil))) => self.decided = true,
            (_, Some((_, value))) => self.decided |= event.f == "txn" && is_transaction(value),
        }
    }
}
