//! Readers and writers: round trips, cut files, damaged files, and what is said of wrong ones.

use std::io::BufReader;
use std::sync::Arc;

use checkers::history::jepsen::Options;
use checkers::history::notation::ops;
use checkers::history::{
    Columns, F, Format, Kind, Op, Ops, Process, Read, ReadError, Value, WriteError, binary,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// Formats that hold everything.
const FULL: [Format; 4] = [
    Format::JsonLines,
    Format::JepsenEdn,
    Format::JepsenJson,
    Format::Binary,
];

/// Values are what they are: no key is looked for in them.
const PLAIN: Options = Options {
    independent: Some(false),
};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (0_i64..9).prop_map(Value::Int),
        "\\PC{0,8}".prop_map(|text: String| Value::str(&text)),
        "[\\x00-\\x7f]{0,4}".prop_map(|text: String| Value::str(&text)),
        "(r|w|append)".prop_map(|text: String| Value::str(&text)),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let name = "[a-z0-9\"\\\\ü]{0,4}".prop_map(|name: String| Arc::<str>::from(name));
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            btree_map(name, inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Invoke),
        Just(Kind::Ok),
        Just(Kind::Fail),
        Just(Kind::Info),
    ]
}

fn entry() -> impl Strategy<Value = Op> {
    let process = prop_oneof![
        any::<u32>().prop_map(Process::Client),
        (0_u32..4).prop_map(Process::Client),
        Just(Process::Nemesis),
    ];
    let key = option::of(value().prop_filter("a key is something", |key| *key != Value::Nil));
    let node = option::of("[a-z0-9]{1,4}");
    let error = option::of("\\PC{0,12}");
    let time = prop_oneof![any::<u64>(), 0_u64..9];
    let what = (any::<u32>(), time, process, kind(), "\\PC{1,9}");
    (what, key, value(), node, error).prop_map(
        |((index, time, process, kind, f), key, value, node, error)| Op {
            index: index as usize,
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

fn written(format: Format, ops: &[Op]) -> Vec<u8> {
    let mut file = Vec::new();
    let result = format.write(&mut file, ops);
    result.unwrap_or_else(|error| panic!("{error}"));
    file
}

/// Frames of two entries.
fn frames(ops: &[Op]) -> Vec<u8> {
    let mut writer = binary::Writer::new(Vec::new()).expect("memory takes all");
    for (position, op) in ops.iter().enumerate() {
        writer.op(op).expect("memory takes all");
        if position % 2 == 1 {
            writer.flush().expect("memory takes all");
        }
    }
    writer.end().expect("memory takes all")
}

fn read(format: Format, file: &[u8]) -> Result<Read, ReadError> {
    format.read(file, PLAIN)
}

/// The entries as a format without times gives them back.
fn untimed(mut ops: Vec<Op>, first_time: u64) -> Vec<Op> {
    for (position, op) in ops.iter_mut().enumerate() {
        op.index = position;
        op.time = position as u64 + first_time;
    }
    ops
}

proptest! {
    #[test]
    fn what_was_written_reads_back(ops in vec(entry(), 0..8)) {
        for format in FULL {
            let file = written(format, &ops);
            if !ops.is_empty() {
                prop_assert_eq!(Format::detect(&file), Ok(format));
            }
            let read = read(format, &file).unwrap();
            prop_assert_eq!(&read.ops, &ops, "{}", format);
            prop_assert!(!read.truncated);
        }
        let (columns, _) = binary::columns(&frames(&ops)[..]).unwrap();
        prop_assert_eq!(&columns.ops(), &ops);
    }

    /// What is read in one pass is what the scanners read; a blank more sends an entry to these.
    #[test]
    fn quick_and_slow_ways_agree(ops in vec(entry(), 0..8)) {
        for (format, begin, slow) in [
            (Format::JsonLines, "{\"index\"", "{ \"index\""),
            (Format::JepsenEdn, "{:index", "{\t:index"),
        ] {
            let file = String::from_utf8(written(format, &ops)).unwrap();
            let slow = file.replace(begin, slow);
            prop_assert_eq!(read(format, slow.as_bytes()).unwrap().ops, read(format, file.as_bytes()).unwrap().ops);
        }
    }

    #[test]
    fn columns_hold_what_operations_hold(ops in vec(entry(), 0..8)) {
        let file = written(Format::JsonLines, &ops);
        let mut columns = Columns::default();
        let ending = Format::JsonLines.slice(&file, PLAIN, &mut columns).unwrap();
        let (columns, _) = columns.end(ending).unwrap();
        prop_assert_eq!(columns.ops(), ops);
    }

    #[test]
    fn a_log_holds_what_has_neither_key_nor_node(mut ops in vec(entry(), 1..8), f in "[a-z][a-z-]{0,6}") {
        for op in &mut ops {
            (op.key, op.node, op.f) = (None, None, F::owned(f.clone()));
            op.error = op.error.take().filter(|e| e.bytes().all(|b| b.is_ascii_alphanumeric()));
            op.error = op.error.take().filter(|error| !error.is_empty());
        }
        let ops = untimed(ops, 1);
        let file = written(Format::JepsenLog, &ops);
        prop_assert_eq!(Format::detect(&file), Ok(Format::JepsenLog));
        prop_assert_eq!(read(Format::JepsenLog, &file).unwrap().ops, ops);
    }

    #[test]
    fn key_value_lines_hold_strings(mut ops in vec(entry(), 1..8), text in "[a-z ]{0,6}") {
        for (position, op) in ops.iter_mut().enumerate() {
            op.process = Process::Client(u32::try_from(position).unwrap());
            op.kind = if op.kind == Kind::Invoke { Kind::Invoke } else { Kind::Ok };
            (op.key, op.value) = (Some(Value::str(&text)), Value::str(&text));
            (op.node, op.error) = (None, None);
            op.f = F::new(["get", "put", "append"][position % 3]);
        }
        let ops = untimed(ops, 0);
        let file = written(Format::Porcupine, &ops);
        prop_assert_eq!(Format::detect(&file), Ok(Format::Porcupine));
        prop_assert_eq!(read(Format::Porcupine, &file).unwrap().ops, ops);
    }

    #[test]
    fn a_damaged_file_is_never_a_panic(ops in vec(entry(), 1..5), at in any::<u16>(), byte in any::<u8>()) {
        for format in FULL {
            let mut file = written(format, &ops);
            let at = usize::from(at) % file.len();
            file[at] = byte;
            survive(format, &file);
        }
    }

    #[test]
    fn nonsense_is_never_a_panic(bytes in vec(any::<u8>(), 0..200), begin in 0_usize..12) {
        const BEGIN: [&[u8]; 12] = [
            b"", b"[", b"{", b"[{", b"[{:", b"{\"", b"[{\"value\":", b"{:value ", b"#",
            b"\x89schism1", b"0\t:invoke\t:read\t", b"{:process 0, :type :ok, :f :get, :value [",
        ];
        let file = [BEGIN[begin], &bytes].concat();
        survive_all(&file);
    }

    #[test]
    fn nonsense_of_brackets_is_never_a_panic(text in "[\\[\\](){}:#_a0 \"\\\\;,\n-]{0,80}") {
        survive_all(text.as_bytes());
    }
}

/// Reads the bytes, whatever comes of it.
fn survive(format: Format, file: &[u8]) {
    for independent in [None, Some(true)] {
        if let Ok(read) = format.read(file, Options { independent }) {
            assert_eq!(read.ops.len(), read.lines.len());
            drop(read.history());
        }
    }
    let mut columns = Columns::default();
    drop(format.slice(file, PLAIN, &mut columns));
}

fn survive_all(file: &[u8]) {
    drop(Format::detect(file));
    for format in Format::ALL {
        survive(format, file);
    }
}

#[test]
fn depth_is_refused_before_the_stack_ends() {
    for deep in [
        "[", "{\"a\":", "{:a ", "#{", "#a ", "#_", "(", "#_ #a [", "#_[",
    ] {
        let deep = deep.repeat(200_000);
        for begin in ["", "{:value ", "{\"value\":", "0 :invoke :read "] {
            survive_all(format!("{begin}{deep}").as_bytes());
        }
    }
}

#[test]
fn every_cut_of_a_file_yields_what_is_whole() {
    let mut entries = ops("0:w1@k%n1 1:r@k n:kill 0:ok@k 1:ok=[1,ü]@k 2:c1,2@k 2:info@k");
    entries[6].error = Some("gone \"away\"".to_owned());
    for format in FULL {
        let file = match format {
            Format::Binary => frames(&entries),
            _ => written(format, &entries),
        };
        let mut most = 0;
        for cut in 0..file.len() {
            let read = read(format, &file[..cut]).unwrap_or_else(|e| panic!("{format} {cut}: {e}"));
            assert_eq!(read.ops, entries[..read.ops.len()], "{format} cut at {cut}");
            assert!(read.ops.len() >= most, "{format} cut at {cut}");
            most = read.ops.len();
            drop(Format::detect(&file[..cut]));
        }
        let cut = read(format, &file[..file.len() - 2]).unwrap();
        assert!(cut.truncated || cut.ops.len() == entries.len());
    }
    let cut = read(Format::Binary, &frames(&entries)[..30]).unwrap();
    assert!(cut.truncated);
    let (history, warnings) = read(
        Format::JepsenEdn,
        &written(Format::JepsenEdn, &entries)[..150],
    )
    .unwrap()
    .history()
    .unwrap();
    assert_eq!(history.ops().len(), 1);
    assert_eq!(
        warnings[0].to_string(),
        "line 2: the file is cut off: the 1 entries above stand"
    );
}

/// Found by fuzzing: a number with an exponent that was cut after its `e` was an error, at the
/// end of a file and wherever a window of the reader ends.
#[test]
fn a_number_may_be_cut_anywhere() {
    let entry =
        r#"{"index":0,"time":0,"process":"nemesis","type":"info","f":"slow","value":1.5e-7}"#;
    for (format, begin) in [(Format::JepsenJson, "["), (Format::JsonLines, "")] {
        let file = format!("{begin}{entry}");
        for cut in 1..file.len() {
            let read = read(format, &file.as_bytes()[..cut]);
            let read = read.unwrap_or_else(|error| panic!("{format} cut at {cut}: {error}"));
            assert!(read.ops.is_empty(), "{format} cut at {cut}");
        }
    }
    // Its last characters stand on both sides of where a window ends.
    for shift in 0..8 {
        let before = (1 << 18) - entry.len() + 2 - shift;
        let file = format!("[{}{entry}]", " ".repeat(before));
        let whole = read(Format::JepsenJson, file.as_bytes());
        let whole = whole.unwrap_or_else(|error| panic!("shifted by {shift}: {error}"));
        assert_eq!(whole.ops[0].value, Value::str("1.5e-7"));
    }
}

#[test]
fn a_cut_log_says_what_it_cannot_know() {
    let log = "3\t:invoke\t:write\t12\n3\t:ok\t:write\t12\n";
    let read = read(Format::JepsenLog, &log.as_bytes()[..log.len() - 2]).unwrap();
    assert_eq!(read.ops.len(), 2);
    let said: Vec<String> = read.warnings.iter().map(ToString::to_string).collect();
    assert!(
        said[0].starts_with("line 2: the last line does not end"),
        "{said:?}"
    );
    for cut in 0..log.len() {
        survive(Format::JepsenLog, &log.as_bytes()[..cut]);
    }
}

#[test]
fn a_torn_frame_ends_the_file_and_a_damaged_one_is_an_error() {
    let file = frames(&ops("0:w1 1:r 0:ok 1:ok=1"));
    let mut torn = file.clone();
    *torn.last_mut().unwrap() ^= 1;
    let read_torn = read(Format::Binary, &torn).unwrap();
    assert!(read_torn.truncated);
    assert_eq!(read_torn.ops.len(), 2);
    let mut damaged = file;
    damaged[30] ^= 1;
    let error = read(Format::Binary, &damaged).unwrap_err().to_string();
    assert_eq!(
        error,
        "line 1: frame 1: its checksum does not match: the file is damaged"
    );
}

/// A stream is read as what is in memory is, whatever the pieces it comes in.
#[test]
fn long_files_are_read_a_window_at_a_time() {
    let long = "x".repeat(300_000);
    let mut entries = Vec::new();
    for number in 0..9_000_u32 {
        let kind = if number % 2 == 0 {
            Kind::Invoke
        } else {
            Kind::Ok
        };
        entries.push(Op {
            index: number as usize,
            time: u64::from(number) * 1000,
            process: Process::Client(number / 2 % 5),
            kind,
            f: F::new("write"),
            key: Some(Value::from(i64::from(number % 7))),
            value: match number {
                5_000 => Value::str(&long),
                _ => Value::from(i64::from(number) << 20),
            },
            node: Some("nöde".into()),
            error: None,
        });
    }
    for format in FULL {
        let file = written(format, &entries);
        let streamed = format
            .read(BufReader::with_capacity(77, &file[..]), PLAIN)
            .unwrap();
        let mut sliced = Ops::default();
        let ending = format.slice(&file, PLAIN, &mut sliced).unwrap();
        let sliced = sliced.end(ending);
        assert!(streamed.ops == entries, "{format}");
        assert!(sliced.ops == entries, "{format}");
        assert_eq!(streamed.lines, sliced.lines);
        assert_eq!(
            streamed.lines,
            (1..=entries.len()).collect::<Vec<_>>(),
            "{format}"
        );
    }
}

#[test]
fn one_format_becomes_another() {
    let entries = ops("0:w1@k%n1 1:r@k n:kill 0:ok@k 1:ok=[1,2]@k 2:c1,2@k 2:info@k");
    let first = written(Format::JsonLines, &entries);
    let mut file = first.clone();
    for to in [
        Format::JepsenEdn,
        Format::Binary,
        Format::JepsenJson,
        Format::JsonLines,
    ] {
        let from = Format::detect(&file).unwrap();
        file = written(to, &read(from, &file).unwrap().ops);
    }
    assert_eq!(file, first);
}

#[test]
fn what_a_format_cannot_hold_is_said() {
    let reason = |format: Format, text: &str| {
        let result = format.write(&mut Vec::new(), &ops(text));
        match result.expect_err(text) {
            error @ WriteError::CannotHold { .. } => error.to_string(),
            WriteError::Io(error) => panic!("{error}"),
        }
    };
    assert_eq!(
        reason(Format::JepsenLog, "0:w1@k"),
        "log cannot hold the entry of index 0: it has a key"
    );
    assert!(reason(Format::Porcupine, "0:w1").contains("none of get, put and append"));
    let mut entries = ops("0:w1 0:ok & 1:r");
    entries.iter_mut().for_each(|op| op.key = None);
    let error = Format::JepsenLog
        .write(&mut Vec::new(), &entries)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("at the very time at which another ends")
    );
    entries[0].index = 1 << 32;
    let error = Format::Binary.write(&mut Vec::new(), &entries).unwrap_err();
    assert!(error.to_string().contains("more than 32 bits"), "{error}");
}

#[test]
fn what_is_unknown_is_named() {
    let said = |file: &[u8]| Format::detect(file).unwrap_err().to_string();
    assert!(said(b"").starts_with("the file is empty; a history is"));
    assert!(said(b" \n ; nothing").starts_with("the file holds nothing but blanks"));
    assert!(said(b"<html>\n<body>").starts_with("the file begins with \"<html>\"; "));
    assert!(said(b"\x28\xb5\x2f\xfd\x00").starts_with("the file is compressed with zstd"));
    assert!(said(b"\xff\xfe").starts_with("the file begins with the byte 0xff"));
    assert_eq!(Format::named("edn"), Some(Format::JepsenEdn));
    assert_eq!(Format::named("xml"), None);
}

#[test]
fn formats_are_told_by_their_content() {
    for (file, format) in [
        (
            "{\"index\":0,\"time\":0,\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":1}\n",
            Format::JsonLines,
        ),
        ("{\"index\":0,\"time\":0,\"proc", Format::JsonLines),
        (
            "{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":1}\n",
            Format::JepsenJson,
        ),
        (" [ {\"type\":\"ok\"", Format::JepsenJson),
        ("; a comment\n[{:type :ok", Format::JepsenEdn),
        ("({:type :ok", Format::JepsenEdn),
        ("[]", Format::JepsenJson),
        ("#jepsen.history.Op{:index 0", Format::JepsenEdn),
        (
            "{:process 0, :type :invoke, :f :read, :value nil}",
            Format::JepsenEdn,
        ),
        (
            "{:process 0, :type :invoke, :f :get, :key \"1\", :value nil}\n",
            Format::Porcupine,
        ),
        (
            "jepsen starts\nINFO  jepsen.util - 0\t:invoke\t:read\tnil\n",
            Format::JepsenLog,
        ),
        (":nemesis :info :start nil\n", Format::JepsenLog),
    ] {
        assert_eq!(Format::detect(file.as_bytes()), Ok(format), "{file}");
    }
}
