//! The operations as the timeline takes them: columns of numbers, deflated.
//!
//! What is in the page: for each call the step of its start, its duration, process, function
//! and outcome, node, key and value, each a column of numbers in groups of seven bits, lowest
//! first; after them the texts that keys and values refer to. Some nine bytes a call.
//!
//! Beyond [`WHOLE`] calls or [`BYTES`] the neighbourhood of each finding is kept in full, and
//! elsewhere only what was counted in each of [`BINS`] parts of the run.

use std::collections::HashMap;

use checkers::calls::{Calls, NEVER, NO_VALUE};
use checkers::history::{Kind, Nanos, Process};
use serde_json::json;

use super::Story;
use super::markup::Markup;

/// So many calls are shown one by one.
const WHOLE: usize = 1_000_000;
/// A page holds no more of them than this, in bytes of base64.
const BYTES: usize = 11 << 20;
/// So many calls are kept where not all are.
const NEAR: usize = 200_000;
/// Parts of the run.
pub(crate) const BINS: usize = 1200;
/// More lanes than these cannot be told apart.
const LANES: usize = 64;
/// Texts are cut to so many characters.
const TEXT: usize = 60;
/// So many different texts are kept.
const TEXTS: usize = 300_000;
/// So many marks of findings.
const MARKS: usize = 2000;
const MICRO: u64 = 1000;

/// What was counted in a part of the run, by when operations ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bin {
    pub(crate) ok: u32,
    pub(crate) fail: u32,
    pub(crate) info: u32,
    /// Of successful operations, in microseconds.
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    pub(crate) max_us: u32,
}

/// Counts the run in equal parts of time.
pub(crate) fn bins(calls: &Calls, length: Nanos, count: usize) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); count];
    let mut latencies: Vec<(u32, u32)> = Vec::with_capacity(calls.len());
    let length = u128::from(length.max(1));
    for at in 0..calls.len() {
        let begins = calls.time(calls.begins[at]);
        let ends = match calls.ends[at] {
            NEVER => begins,
            rank => calls.time(rank),
        };
        let place = u128::from(ends) * count as u128 / length;
        let place = usize::try_from(place).unwrap_or(count).min(count - 1);
        let bin = &mut bins[place];
        match calls.outcome[at] {
            Kind::Ok => {
                bin.ok += 1;
                let place = u32::try_from(place).unwrap_or(u32::MAX);
                let us = u32::try_from((ends - begins) / MICRO).unwrap_or(u32::MAX);
                latencies.push((place, us));
            }
            Kind::Fail => bin.fail += 1,
            Kind::Info | Kind::Invoke => bin.info += 1,
        }
    }
    latencies.sort_unstable();
    let mut rest = &latencies[..];
    while let Some((place, _)) = rest.first() {
        let (here, others) = rest.split_at(rest.partition_point(|(p, _)| p == place));
        let at = |permille: usize| here[(here.len() - 1) * permille / 1000].1;
        let bin = &mut bins[*place as usize];
        (bin.p50_us, bin.p99_us, bin.max_us) = (at(500), at(990), at(1000));
        rest = others;
    }
    bins
}

/// Which calls are shown one by one, and where.
struct Shown {
    calls: Vec<u32>,
    /// In microseconds; none if all are shown.
    near: Option<Vec<(u64, u64)>>,
}

/// Puts the timeline's data into the page: what it is about, and the columns.
pub(crate) fn embed(page: &mut Markup, story: &Story<'_>) {
    let calls = &story.recorded.calls;
    let all = u32::try_from(calls.len()).unwrap_or(u32::MAX);
    let whole = Shown {
        calls: (0..all).collect(),
        near: None,
    };
    let lanes = lanes(calls);
    let mut packed = None;
    if calls.len() <= WHOLE {
        let columns = columns(calls, &whole.calls, &lanes);
        packed = Some((whole, columns)).filter(|(_, columns)| columns.len() / 3 * 4 <= BYTES);
    }
    let (shown, columns) = packed.unwrap_or_else(|| {
        let near = neighbourhoods(calls, story);
        let columns = columns(calls, &near.calls, &lanes);
        (near, columns)
    });
    page.raw("<script type=\"application/json\" id=\"about\">");
    page.script_json(&about(story, &shown, &lanes));
    page.raw("</script>\n<script type=\"application/octet-stream\" id=\"ops\">");
    page.base64(&columns);
    page.raw("</script>\n");
}

/// Whether the page will show all operations one by one.
pub(crate) fn is_whole(calls: &Calls) -> bool {
    calls.len() <= WHOLE
}

fn about(story: &Story<'_>, shown: &Shown, lanes: &Lanes) -> serde_json::Value {
    let calls = &story.recorded.calls;
    let windows: Vec<_> = (story.windows.iter())
        .map(|w| {
            json!([
                cut(&w.fault),
                w.nodes.iter().map(|n| cut(n)).collect::<Vec<_>>(),
                w.from_ms,
                w.to_ms
            ])
        })
        .collect();
    let events: Vec<_> = (story.recorded.told.faults.iter())
        .take(1000)
        .map(|fault| json!([cut(&fault.fault), fault.begun_ms]))
        .collect();
    let phases: Vec<_> = (story.phases.iter())
        .map(|(name, at)| json!([cut(name), at / MICRO]))
        .collect();
    let mut marks = Vec::new();
    for mark in story.marks.iter().take(MARKS) {
        let (id, anomaly, call) = (&mark.finding.id, &mark.finding.anomaly, &mark.call);
        let at = *call as usize;
        let lane = lanes.of_process[calls.process_place(*call) as usize];
        marks.push(json!([
            cut(id),
            calls.time(calls.begins[at]) / MICRO,
            lane,
            cut(anomaly)
        ]));
    }
    let bins: Vec<_> = (story.bins.iter())
        .map(|b| json!([b.ok, b.fail, b.info, b.p50_us, b.p99_us, b.max_us]))
        .collect();
    let names = |list: &[Box<str>]| list.iter().map(|name| cut(name)).collect::<Vec<_>>();
    let nodes: Vec<_> = (story.recorded.nodes().into_iter().map(cut)).collect();
    json!({
        "length": story.length / MICRO,
        "calls": shown.calls.len(),
        "all": calls.len(),
        "near": shown.near,
        "functions": names(calls.fs.list()),
        "nodes": nodes,
        "lanes": lanes.count,
        "windows": windows,
        "events": events,
        "phases": phases,
        "marks": marks,
        "bins": bins,
    })
}

/// The stretches around what proves the findings, as wide as fits.
fn neighbourhoods(calls: &Calls, story: &Story<'_>) -> Shown {
    let starts: Vec<Nanos> = calls.begins.iter().map(|rank| calls.time(*rank)).collect();
    let mut moments: Vec<Nanos> = (story.marks.iter())
        .take(MARKS)
        .map(|mark| starts[mark.call as usize])
        .collect();
    moments.sort_unstable();
    let mut reach: Nanos = 2_000_000_000;
    loop {
        let mut near: Vec<(u64, u64)> = Vec::new();
        for moment in &moments {
            let (from, to) = (moment.saturating_sub(reach), moment.saturating_add(reach));
            match near.last_mut() {
                Some(last) if from <= last.1 => last.1 = to,
                _ => near.push((from, to)),
            }
        }
        let mut kept = Vec::new();
        for (from, to) in &near {
            let first = starts.partition_point(|start| start < from);
            let last = starts.partition_point(|start| start <= to);
            kept.extend((first..last).filter_map(|call| u32::try_from(call).ok()));
        }
        if kept.len() <= NEAR || reach < MICRO {
            kept.truncate(NEAR);
            let micro = near.iter().map(|(from, to)| (from / MICRO, to / MICRO));
            return Shown {
                calls: kept,
                near: Some(micro.collect()),
            };
        }
        reach /= 2;
    }
}

/// A lane for each process; one that began after another was gone takes its place.
struct Lanes {
    of_process: Vec<usize>,
    count: usize,
}

fn lanes(calls: &Calls) -> Lanes {
    let mut lives: Vec<Option<(Nanos, Nanos)>> = Vec::new();
    for at in 0..calls.len() {
        let call = u32::try_from(at).unwrap_or(u32::MAX);
        let process = calls.process_place(call) as usize;
        if lives.len() <= process {
            lives.resize(process + 1, None);
        }
        let begins = calls.time(calls.begins[at]);
        let ends = match calls.ends[at] {
            NEVER => begins,
            rank => calls.time(rank),
        };
        let life = lives[process].get_or_insert((begins, ends));
        life.1 = life.1.max(ends);
    }
    let mut order: Vec<usize> = (0..lives.len()).filter(|p| lives[*p].is_some()).collect();
    order.sort_by_key(|process| (lives[*process], *process));
    let mut free_at: Vec<Nanos> = Vec::new();
    let mut of_process = vec![0; lives.len()];
    for process in order {
        let Some((begins, ends)) = lives[process] else {
            continue;
        };
        let lane = match free_at.iter().position(|free| *free < begins) {
            Some(lane) => lane,
            None if free_at.len() < LANES => {
                free_at.push(0);
                free_at.len() - 1
            }
            None => process % LANES,
        };
        free_at[lane] = free_at[lane].max(ends);
        of_process[process] = lane;
    }
    Lanes {
        of_process,
        count: free_at.len(),
    }
}

/// The texts that keys and values refer to.
struct Texts<'c> {
    calls: &'c Calls,
    /// One more than the place of a value's text, by the value's number.
    places: HashMap<u32, u64>,
    pairs: HashMap<(u32, u32), u64>,
    list: Vec<String>,
}

impl Texts<'_> {
    fn place(&mut self, number: u32) -> u64 {
        if let Some(place) = self.places.get(&number) {
            return *place;
        }
        let text = cut(&self.calls.value(number).to_string());
        let place = self.add(text);
        self.places.insert(number, place);
        place
    }

    fn pair(&mut self, pair: (u32, u32)) -> u64 {
        if let Some(place) = self.pairs.get(&pair) {
            return *place;
        }
        let (one, other) = (self.calls.value(pair.0), self.calls.value(pair.1));
        let place = self.add(cut(&format!("{one} to {other}")));
        self.pairs.insert(pair, place);
        place
    }

    /// Zero stands for a text that is not kept.
    fn add(&mut self, text: String) -> u64 {
        if self.list.len() >= TEXTS {
            return 0;
        }
        self.list.push(text);
        self.list.len() as u64
    }
}

fn columns(calls: &Calls, shown: &[u32], lanes: &Lanes) -> Vec<u8> {
    const COLUMNS: usize = 8;
    let mut columns: [Vec<u8>; COLUMNS] = Default::default();
    let mut texts = Texts {
        calls,
        places: HashMap::new(),
        pairs: HashMap::new(),
        list: Vec::new(),
    };
    let mut last_start = 0;
    let mut last_value: i64 = 0;
    for &call in shown {
        let at = call as usize;
        let begins = calls.time(calls.begins[at]);
        let start = begins / MICRO;
        number(&mut columns[0], start.saturating_sub(last_start));
        last_start = start.max(last_start);
        let duration = match calls.ends[at] {
            NEVER => 0,
            rank => (calls.time(rank).saturating_sub(begins)) / MICRO + 1,
        };
        number(&mut columns[1], duration);
        let process = calls.process_place(call) as usize;
        let name = match calls.process(call) {
            Process::Client(name) => u64::from(name),
            Process::Nemesis => 0,
        };
        number(&mut columns[2], name);
        number(&mut columns[3], lanes.of_process[process] as u64);
        let outcome = match calls.outcome[at] {
            Kind::Ok => 0,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        };
        number(&mut columns[4], u64::from(calls.f[at]) * 4 + outcome);
        number(
            &mut columns[5],
            calls.node(call).map_or(0, |node| u64::from(node) + 1),
        );
        number(&mut columns[6], texts.place(calls.key[at]));
        let value = value_of(calls, call, &mut texts, &mut last_value);
        number(&mut columns[7], value);
    }
    let mut bytes = Vec::new();
    for column in &columns {
        number(&mut bytes, column.len() as u64);
        bytes.extend_from_slice(column);
    }
    number(&mut bytes, texts.list.len() as u64);
    for text in &texts.list {
        number(&mut bytes, text.len() as u64);
        bytes.extend_from_slice(text.as_bytes());
    }
    miniz_oxide::deflate::compress_to_vec(&bytes, 4)
}

/// What a call wrote or returned: a number as its step from the one before, or a text.
fn value_of(calls: &Calls, call: u32, texts: &mut Texts<'_>, last: &mut i64) -> u64 {
    /// What JavaScript's numbers hold.
    const SAFE: i64 = 1 << 50;
    let at = call as usize;
    let result = calls.result(call);
    let answered = calls.outcome[at] == Kind::Ok && (result as usize) < calls.values.len();
    if calls.second[at] != NO_VALUE {
        return texts.pair((calls.argument[at], calls.second[at])) * 2 + 1;
    }
    let value = if answered { result } else { calls.argument[at] };
    match calls.values.get(value) {
        checkers::history::dictionary::Interned::Int(number) if (-SAFE..SAFE).contains(&number) => {
            let step = number - *last;
            *last = number;
            zigzag(step) * 2
        }
        _ => texts.place(value) * 2 + 1,
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn number(bytes: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(TEXT).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
