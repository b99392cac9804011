//! The laws of histories, one test each, and their text form.

use std::io::{BufReader, Read as _};
use std::sync::Arc;

use checkers::history::notation::{h, ops};
use checkers::history::{F, History, Kind, Malformed, Op, Process, Value, jsonl};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

fn broken(text: &str) -> Malformed {
    History::new(ops(text)).expect_err("it breaks a law")
}

#[test]
fn indices_rise() {
    let mut entries = ops("0:w1 0:ok");
    entries[1].index = 0;
    assert_eq!(History::new(entries).unwrap_err().index, 0);
    let mut entries = ops("0:w1 0:ok");
    entries[0].index = 7;
    entries[1].index = 90;
    assert!(
        History::new(entries).is_ok(),
        "gaps are lawful: histories are split by key"
    );
}

#[test]
fn time_never_goes_back() {
    let mut entries = ops("0:w1 0:ok");
    entries[0].time = entries[1].time + 1;
    let error = History::new(entries).unwrap_err();
    assert_eq!(error.index, 1);
    assert!(error.reason.contains("time must not go back"));
    assert!(
        History::new(ops("0:w1 & 0:ok")).is_ok(),
        "it may stand still"
    );
}

#[test]
fn a_process_has_one_open_call() {
    assert!(broken("0:w1 0:r").reason.contains("still open"));
}

#[test]
fn no_end_without_a_beginning() {
    assert!(broken("0:ok").reason.contains("never began"));
    assert!(broken("0:w1 0:ok 0:ok").reason.contains("never began"));
}

#[test]
fn an_end_names_the_same_function() {
    let mut entries = ops("0:w1 0:ok");
    entries[1].f = F::new("read");
    assert!(
        History::new(entries)
            .unwrap_err()
            .reason
            .contains("had begun write")
    );
}

#[test]
fn nobody_is_heard_of_after_info() {
    assert!(
        broken("0:w1 0:info 0:r")
            .reason
            .contains("must come from a new process")
    );
}

#[test]
fn the_nemesis_does_as_it_likes() {
    let history = h("n:heal n:heal n:kill 0:r n:phase=load 0:ok=nil n:kill");
    assert_eq!(history.nemesis().count(), 5);
    assert_eq!(history.calls().count(), 1);
}

#[test]
fn calls_are_paired() {
    let history = h("0:w1 1:r 1:ok=1%n2 2:w3 0:info");
    let calls: Vec<_> = history.calls().collect();
    let outcomes: Vec<Kind> = calls.iter().map(|call| call.outcome()).collect();
    assert_eq!(outcomes, [Kind::Info, Kind::Ok, Kind::Info]);
    assert_eq!(calls[0].returned(), None, "an unknown outcome has no end");
    assert_eq!(calls[1].returned(), Some(2_000_000));
    assert_eq!(calls[1].node().map(|node| &**node), Some("n2"));
    assert!(calls[2].complete.is_none());
    assert_eq!(history.by_index(2), calls[1].complete);
    assert_eq!(history.by_index(9), None);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "\\PC{0,8}".prop_map(|text: String| Value::str(&text)),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let name = "[a-z]{0,4}".prop_map(|name: String| Arc::<str>::from(name));
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            btree_map(name, inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn entry() -> impl Strategy<Value = Op> {
    let process = prop_oneof![
        any::<u32>().prop_map(Process::Client),
        Just(Process::Nemesis),
    ];
    let kind = prop_oneof![
        Just(Kind::Invoke),
        Just(Kind::Ok),
        Just(Kind::Fail),
        Just(Kind::Info),
    ];
    // A key that is nil is the same as none in the text.
    let key = option::of(value().prop_filter("a key is something", |key| *key != Value::Nil));
    let node = option::of("[a-z0-9]{1,4}");
    let error = option::of("\\PC{0,12}");
    let what = (any::<usize>(), any::<u64>(), process, kind, "\\PC{1,9}");
    (what, key, value(), node, error).prop_map(
        |((index, time, process, kind, f), key, value, node, error)| Op {
            index,
            time,
            process,
            kind,
            f: F::owned(f),
            key,
            value,
            node: node.map(Arc::from),
            error,
        },
    )
}

fn written(ops: &[Op]) -> Vec<u8> {
    let mut text = Vec::new();
    for op in ops {
        jsonl::write(&mut text, op).expect("memory takes everything");
    }
    text
}

proptest! {
    #[test]
    fn what_was_written_reads_back(ops in vec(entry(), 0..8)) {
        let read = jsonl::read(&written(&ops)[..]).expect("it was just written");
        prop_assert_eq!(read.ops, ops);
        assert!(!read.truncated);
    }

    #[test]
    fn of_a_cut_file_every_whole_line_is_read(ops in vec(entry(), 1..5), cut in any::<u16>()) {
        let text = written(&ops);
        let cut = usize::from(cut) % text.len();
        let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
        match jsonl::read(&text[..cut]) {
            Ok(read) => {
                // A line that lacks nothing but its end is whole.
                assert!(read.ops.len() == whole || read.ops.len() == whole + 1);
                prop_assert_eq!(&read.ops[..], &ops[..read.ops.len()]);
                let left = text[..cut].ends_with(b"\n") || cut == 0;
                prop_assert_eq!(read.truncated, !left && read.ops.len() == whole);
            }
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
}

#[test]
fn the_text_is_as_documented() {
    let entries = ops("3:w7@r1%n1 n:heal 3:ok%n1");
    let text = String::from_utf8(written(&entries)).expect("it is text");
    assert_eq!(
        text,
        "{\"index\":0,\"time\":0,\"process\":3,\"type\":\"invoke\",\"f\":\"write\",\
         \"key\":\"r1\",\"value\":7,\"node\":\"n1\"}\n\
         {\"index\":1,\"time\":1000000,\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"heal\",\
         \"value\":null}\n\
         {\"index\":2,\"time\":2000000,\"process\":3,\"type\":\"ok\",\"f\":\"write\",\
         \"key\":\"r1\",\"value\":7,\"node\":\"n1\"}\n"
    );
}

#[test]
fn a_wrong_line_is_named() {
    let good = written(&ops("0:w1"));
    for bad in [
        "{}\n",
        "nonsense\n",
        "{\"index\":0,\"time\":1,\"process\":0,\"type\":\"done\",\"f\":\"read\"}\n",
        "{\"index\":0,\"time\":1,\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":1.5}\n",
        "{\"index\":0,\"time\":1,\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"colour\":1}\n",
        "{\"index\":0,\"time\":1,\"process\":-1,\"type\":\"ok\",\"f\":\"read\"}\n",
    ] {
        let text = [&good[..], bad.as_bytes(), &good[..]].concat();
        let error = jsonl::read(&text[..]).expect_err(bad).to_string();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}

#[test]
fn a_file_cut_within_a_character_is_truncated_and_no_more() {
    let mut entries = ops("0:w1 0:fail");
    entries[1].error = Some("ü".to_owned());
    let text = written(&entries);
    let within = text
        .iter()
        .rposition(|byte| !byte.is_ascii())
        .expect("there is one");
    let read = jsonl::read(&text[..within]).expect("what is above stands");
    assert!(read.truncated);
    assert_eq!(read.ops, entries[..1]);
}

#[test]
fn blank_lines_are_nothing_and_a_failing_disk_is_an_error() {
    let text = [b"\n", &written(&ops("0:w1"))[..], b"  \n"].concat();
    assert_eq!(jsonl::read(&text[..]).expect("it is lawful").ops.len(), 1);

    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let text = written(&ops("0:w1"));
    let input = BufReader::new(text.as_slice().chain(Broken));
    let error = jsonl::read(input).expect_err("it cannot go on").to_string();
    assert_eq!(error, "line 2: the disk is gone");
}
