//! Banks whose total stays; the page is `checkers/pages/bank.md`.
//!
//! Of each read only its sum and its set of accounts count; sets are told apart by number.

use super::findings::{Findings, anomaly};
use super::places::Places;
use crate::calls::{Calls, NEVER, Rank};
use crate::hash::Table;
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::{Anomaly, Budget, Checker, Report};

/// Every read of all accounts adds up to the same total, and shows the same accounts.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    /// What all accounts hold together, if that is known from elsewhere.
    pub total: Option<i64>,
    /// The names of all accounts, if they are known from elsewhere.
    pub accounts: Option<Vec<String>>,
}

/// No account was ever seen below zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overdraft;

/// What a read showed.
#[derive(Clone, Copy, Debug)]
struct Seen {
    call: u32,
    /// The place of its set of accounts.
    accounts: usize,
    sum: i128,
    /// An account below zero, by the number of its name, and its balance.
    negative: Option<(u32, i64)>,
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    call: u32,
    amount: i64,
}

#[derive(Debug, Default)]
struct OneBank {
    /// What could be read, in the order of the starts.
    reads: Vec<Seen>,
    transfers: Vec<Transfer>,
    unreadable: usize,
}

#[derive(Debug, Default)]
struct Ledger {
    banks: Vec<OneBank>,
    places: Places,
    sets: Sets,
}

/// Different sets of accounts, each by the numbers of the names in their order.
#[derive(Debug, Default)]
struct Sets {
    list: Vec<Box<[u32]>>,
    places: Table<Box<[u32]>, usize>,
    last: usize,
    now: Vec<u32>,
}

impl Sets {
    /// The place of the set that lies in `now`.
    fn place(&mut self) -> usize {
        if self
            .list
            .get(self.last)
            .is_none_or(|last| **last != *self.now)
        {
            self.last = match self.places.get(&*self.now) {
                Some(place) => *place,
                None => {
                    self.places.insert(self.now.clone().into(), self.list.len());
                    self.list.push(self.now.clone().into());
                    self.list.len() - 1
                }
            };
        }
        self.last
    }

    /// What a read showed: a map from account to balance, nil where there is none.
    fn seen(&mut self, calls: &Calls, call: u32) -> Option<Seen> {
        let Interned::Map(parts) = calls.values.get(calls.result(call)) else {
            return None;
        };
        self.now.clear();
        let (mut sum, mut negative) = (0, None);
        for part in parts.chunks_exact(2) {
            match calls.values.get(part[1]) {
                Interned::Nil => continue,
                Interned::Int(balance) => {
                    sum += i128::from(balance);
                    if balance < 0 {
                        negative.get_or_insert((part[0], balance));
                    }
                }
                _ => return None,
            }
            self.now.push(part[0]);
        }
        Some(Seen {
            call,
            accounts: self.place(),
            sum,
            negative,
        })
    }
}

/// The amount of `{from, to, amount}`.
fn amount(calls: &Calls, number: u32) -> Option<i64> {
    let Interned::Map(parts) = calls.values.get(number) else {
        return None;
    };
    let (mut amount, mut ends) = (None, 0);
    for part in parts.chunks_exact(2) {
        match (calls.values.get(part[0]), calls.values.get(part[1])) {
            (Interned::Str("amount"), Interned::Int(number)) => amount = Some(number),
            (Interned::Str("from" | "to"), Interned::Int(_) | Interned::Str(_)) => ends += 1,
            _ => {}
        }
    }
    amount.filter(|_| ends == 2)
}

impl Ledger {
    fn of(calls: &Calls) -> Self {
        let (read, transfer) = (calls.function("read"), calls.function("transfer"));
        let mut ledger = Self::default();
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        for call in 0..count {
            let at = call as usize;
            let f = Some(calls.f[at]);
            let reads = f == read && calls.outcome[at] == Kind::Ok;
            if !reads && f != transfer {
                continue;
            }
            let place = ledger.places.place((0, calls.key[at])) as usize;
            if place == ledger.banks.len() {
                ledger.banks.push(OneBank::default());
            }
            let bank = &mut ledger.banks[place];
            if reads {
                match ledger.sets.seen(calls, call) {
                    Some(seen) => bank.reads.push(seen),
                    None => bank.unreadable += usize::from(calls.result(call) != NIL),
                }
            } else {
                match amount(calls, calls.argument[at]) {
                    Some(amount) => bank.transfers.push(Transfer { call, amount }),
                    None => bank.unreadable += 1,
                }
            }
        }
        // Where nothing is moved and no balances are read, there is no bank.
        let is_bank = |bank: &OneBank| !bank.reads.is_empty() || !bank.transfers.is_empty();
        ledger.banks.retain(is_bank);
        ledger
    }

    /// What keeps the claims open, whatever was read.
    fn lacking(&self) -> Option<String> {
        if self.banks.iter().all(|bank| bank.reads.is_empty()) {
            let why = "needs reads that return the balance of every account";
            return Some(why.to_owned());
        }
        let unreadable: usize = self.banks.iter().map(|bank| bank.unreadable).sum();
        (unreadable > 0).then(|| {
            format!(
                "needs transfers {{from, to, amount}} and reads {{account: balance}}; {unreadable} \
                 were something else"
            )
        })
    }

    fn reads(&self) -> usize {
        self.banks.iter().map(|bank| bank.reads.len()).sum()
    }
}

impl OneBank {
    /// When the first transfer that may have happened began.
    fn first_transfer(&self, calls: &Calls) -> Option<Rank> {
        let may = |transfer: &&Transfer| calls.outcome[transfer.call as usize] != Kind::Fail;
        let first = self.transfers.iter().find(may)?;
        Some(calls.begins[first.call as usize])
    }
}

/// What the reads of a bank are compared with.
struct Reference {
    accounts: usize,
    total: i128,
    /// The read that shows it, unless it was given.
    shown_by: Option<u32>,
}

impl Bank {
    /// The given total and accounts; or those of the first read that was over before any
    /// transfer began; or those that most reads have.
    fn reference(&self, calls: &Calls, bank: &OneBank, given: Option<usize>) -> Option<Reference> {
        let first = bank.first_transfer(calls).unwrap_or(NEVER);
        let over = |seen: &&Seen| calls.ends[seen.call as usize] < first;
        let usual = || {
            let mut counts: Table<(usize, i128), usize> = Table::default();
            for seen in &bank.reads {
                *counts.entry((seen.accounts, seen.sum)).or_default() += 1;
            }
            let most = counts.values().max()?;
            let of = |seen: &&Seen| counts.get(&(seen.accounts, seen.sum)) == Some(most);
            bank.reads.iter().find(of)
        };
        let shown = bank.reads.iter().find(over).or_else(usual)?;
        Some(Reference {
            accounts: given.unwrap_or(shown.accounts),
            total: self.total.map_or(shown.sum, i128::from),
            shown_by: (given.is_none() || self.total.is_none()).then_some(shown.call),
        })
    }

    /// The place of the accounts that were given, if they were.
    fn given(&self, calls: &Calls, sets: &mut Sets) -> Option<usize> {
        let given = self.accounts.as_ref()?;
        let is_given = |set: &[u32]| {
            set.len() == given.len() && set.iter().all(|&name| given.contains(&text(calls, name)))
        };
        // A set that no read showed is equal to none of them.
        let place = sets.list.iter().position(|set| is_given(set));
        Some(place.unwrap_or(sets.list.len()))
    }
}

fn text(calls: &Calls, name: u32) -> String {
    match calls.values.get(name) {
        Interned::Str(text) => text.to_owned(),
        _ => calls.value(name).to_string(),
    }
}

impl Checker for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let mut ledger = Ledger::of(calls);
        let given = self.given(calls, &mut ledger.sets);
        let mut findings = Findings::default();
        let (mut wrong, mut power, mut named) = (0_usize, 0_usize, 0_usize);
        let mut totals = Vec::new();
        for bank in &ledger.banks {
            let Some(reference) = self.reference(calls, bank, given) else {
                continue;
            };
            totals.push(i64::try_from(reference.total).unwrap_or(i64::MAX));
            let began = bank.first_transfer(calls);
            let mut halves: Option<Table<i128, Half>> = None;
            for seen in &bank.reads {
                let ended = calls.ends[seen.call as usize];
                let during = began.is_some_and(|began| ended >= began);
                let compared = reference.shown_by != Some(seen.call);
                power += usize::from(compared && during || self.total.is_some());
                let whole = seen.accounts == reference.accounts;
                if whole && seen.sum == reference.total {
                    continue;
                }
                wrong += 1;
                let halves = halves.get_or_insert_with(|| by_amount(&bank.transfers));
                let odd = (seen.sum - reference.total).abs();
                let half = halves.get(&odd).and_then(Half::only);
                let half = half.filter(|half| whole && calls.begins[*half as usize] <= ended);
                named += usize::from(half.is_some());
                findings.add(|| self.told(calls, &ledger.sets, &reference, seen, half));
            }
        }
        let mut lacking = ledger.lacking();
        if lacking.is_none() && power == 0 {
            let why = "needs two reads of all accounts, one of them not over before the first \
                       transfer began, or the total told, as in bank:total=100";
            lacking = Some(why.to_owned());
        }
        let mut report = findings.report(self.name(), lacking);
        report.figure("reads", ledger.reads());
        report.figure("reads_with_power", power);
        report.figure("wrong_reads", wrong);
        report.figure("half_transfers_named", named);
        let transfers = ledger.banks.iter().map(|bank| bank.transfers.len());
        report.figure("transfers", transfers.sum::<usize>());
        if let [total] = totals[..] {
            report.figure("total", total);
        }
        report
    }
}

/// The transfers of one amount.
#[derive(Clone, Copy)]
struct Half {
    first: u32,
    count: usize,
}

impl Half {
    fn only(&self) -> Option<u32> {
        (self.count == 1).then_some(self.first)
    }
}

fn by_amount(transfers: &[Transfer]) -> Table<i128, Half> {
    let mut halves: Table<i128, Half> = Table::default();
    for transfer in transfers {
        let half = Half {
            first: transfer.call,
            count: 0,
        };
        let amount = i128::from(transfer.amount).abs();
        halves.entry(amount).or_insert(half).count += 1;
    }
    halves
}

impl Bank {
    fn told(
        &self,
        calls: &Calls,
        sets: &Sets,
        of: &Reference,
        seen: &Seen,
        half: Option<u32>,
    ) -> Anomaly {
        let names = |place: usize| -> Vec<String> {
            let set = sets.list.get(place).into_iter().flatten();
            set.map(|&name| text(calls, name)).collect()
        };
        let shown = names(seen.accounts);
        let all = self.accounts.clone().unwrap_or_else(|| names(of.accounts));
        let lacks = all.iter().find(|name| !shown.contains(name));
        let extra = shown.iter().find(|name| !all.contains(name));
        let odd = seen.sum - of.total;
        let (name, first) = match (lacks, extra) {
            (Some(lacks), _) => ("missing-account", format!("Account {lacks} is missing.")),
            (None, Some(extra)) => (
                "extra-account",
                format!("Account {extra} is not one of the bank's."),
            ),
            (None, None) => (
                "wrong-total",
                format!(
                    "The balances add up to {} and not to {}: {} too {}.",
                    seen.sum,
                    of.total,
                    odd.abs(),
                    if odd > 0 { "much" } else { "little" }
                ),
            ),
        };
        let mut conclusion = vec![first];
        if let Some(half) = half {
            let (there, not) = if odd < 0 {
                ("taken from the one account", "not given to the other")
            } else {
                ("given to the one account", "not taken from the other")
            };
            conclusion.push(format!(
                "Only the transfer by {} moves {}: it is as if that had been {there} and {not}.",
                calls.process(half),
                odd.abs()
            ));
        }
        let proof: Vec<u32> = [Some(seen.call), of.shown_by, half]
            .into_iter()
            .flatten()
            .collect();
        let key = calls.key[seen.call as usize];
        anomaly(calls, name, key, &proof, conclusion)
    }
}

impl Checker for Overdraft {
    fn name(&self) -> &'static str {
        "bank-overdraft"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let ledger = Ledger::of(calls);
        let mut findings = Findings::default();
        let mut power = 0_usize;
        for bank in &ledger.banks {
            // Before any transfer nobody can have drawn too much.
            let began = bank.first_transfer(calls);
            for seen in &bank.reads {
                let ended = calls.ends[seen.call as usize];
                power += usize::from(began.is_some_and(|began| ended >= began));
                let Some((account, balance)) = seen.negative else {
                    continue;
                };
                findings.add(|| {
                    let account = text(calls, account);
                    let conclusion = format!("Account {account} stood at {balance}, below zero.");
                    let key = calls.key[seen.call as usize];
                    anomaly(calls, "negative-balance", key, &[seen.call], [conclusion])
                });
            }
        }
        let mut lacking = ledger.lacking();
        if lacking.is_none() && power == 0 {
            let why = "needs a read that was not over before the first transfer began";
            lacking = Some(why.to_owned());
        }
        let mut report = findings.report(self.name(), lacking);
        report.figure("reads", ledger.reads());
        report.figure("reads_with_power", power);
        report
    }
}
