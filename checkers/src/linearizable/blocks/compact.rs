//! Rows of registers in 16 bytes, and those of compare-and-sets in 32.

use super::{Blocks, NONE, Role, Versions};
use crate::calls::{Calls, Rank};
use crate::linearizable::exact::{Exact, Finding, Row};
use crate::linearizable::parts::Pieces;

/// The algorithm on pieces. That a call has no number in them does not matter, for what is found
/// names no call.
pub(super) struct Compact<'b>(pub(super) &'b Blocks);

/// A call; or, right before a compare-and-set, the value that this expects.
#[derive(Clone, Copy)]
pub(in crate::linearizable) struct Piece {
    begins: Rank,
    ends: Rank,
    value: u32,
    /// The place of the object, and in the lowest bits the role.
    is: u32,
}

const BITS: u32 = 3;
const READ: u32 = 0;
const WRITE: u32 = 1;
const CAS: u32 = 2;
const IS_NOT: u32 = 3;
/// What the next one expects.
const EXPECTED: u32 = 4;

impl Pieces for Compact<'_> {
    type Piece = Piece;
    type Bare = Piece;

    #[inline(always)]
    fn deal(
        &self,
        calls: &Calls,
        call: u32,
        place: u32,
        mut put: impl FnMut(Piece),
    ) -> Result<(), String> {
        let Some(row) = self.0.row(calls, call)? else {
            return Ok(());
        };
        let piece = |value, role| Piece {
            begins: row.begins,
            ends: row.ends,
            value,
            is: place << BITS | role,
        };
        match row.role {
            Role::Read => put(piece(row.a, READ)),
            Role::Write => put(piece(row.a, WRITE)),
            Role::IsNot => put(piece(row.a, IS_NOT)),
            Role::Cas => {
                put(piece(row.b, EXPECTED));
                put(piece(row.a, CAS));
            }
        }
        Ok(())
    }

    fn of_hundred(&self, calls: &Calls) -> usize {
        // As some of them tell.
        let some = calls.f.iter().step_by(calls.len() / 1000 + 1);
        let cas = some.clone().filter(|f| self.0.cas == Some(**f)).count();
        100 + (cas * 100).div_ceil(some.count().max(1))
    }

    #[inline(always)]
    fn bare(piece: Piece) -> (u32, Piece) {
        (piece.is >> BITS, piece)
    }

    fn judge(&self, _: &Calls, pieces: &[Piece]) -> Finding {
        Versions::of(rows(pieces), pieces.len()).judge()
    }
}

#[inline(always)]
fn rows(pieces: &[Piece]) -> impl Iterator<Item = Row<Role>> + Clone {
    let mut expected = NONE;
    pieces.iter().filter_map(move |piece| {
        let role = match piece.is & ((1 << BITS) - 1) {
            READ => Role::Read,
            WRITE => Role::Write,
            CAS => Role::Cas,
            IS_NOT => Role::IsNot,
            _ => {
                expected = piece.value;
                return None;
            }
        };
        Some(Row {
            begins: piece.begins,
            ends: piece.ends,
            a: piece.value,
            b: expected,
            call: NONE,
            role,
        })
    })
}
