//! What Jepsen's files look like in the wild, and what is wrong with wrong ones.

use checkers::history::jepsen::Options;
use checkers::history::{F, Format, Kind, Process, Read, Value};

fn read(format: Format, text: &str) -> Result<Read, String> {
    let read = format.read(text.as_bytes(), Options::default());
    read.map_err(|error| error.to_string())
}

fn edn(text: &str) -> Read {
    read(Format::JepsenEdn, text).unwrap_or_else(|error| panic!("{error}"))
}

fn list(items: impl IntoIterator<Item = i64>) -> Value {
    Value::List(items.into_iter().map(Value::from).collect())
}

#[test]
fn records_comments_discards_and_odd_fields_are_edn() {
    let read = edn("; a comment\n\
        [#jepsen.history.Op{:index 3, :time 1200, :type :invoke, :process 0, :f :txn, \
          :value [[:append 1 2N] [:r 1 nil]], :clock 1.5e3, :sym a/b, :char \\], #_#_:f :no}\n\
         #_{:type :none}\n\
         {:type :info :process :nemesis :f :bump :value {:n1 0.25, 7 #{1 2}} :time 1300 :index 9}]");
    assert_eq!(read.warnings, []);
    assert_eq!(read.lines, [2, 4]);
    let [first, second] = &read.ops[..] else {
        panic!("there are two: {:?}", read.ops)
    };
    assert_eq!(
        (first.index, first.time, first.kind),
        (3, 1200, Kind::Invoke)
    );
    let append = Value::List(vec![Value::str("append"), 1.into(), 2.into()]);
    let r = Value::List(vec![Value::str("r"), 1.into(), Value::Nil]);
    assert_eq!(first.value, Value::List(vec![append, r]));
    assert_eq!(second.process, Process::Nemesis);
    assert_eq!(
        second.value,
        Value::map([("n1", Value::str("0.25")), ("7", list([1, 2]))])
    );
}

#[test]
fn errors_of_any_shape_are_kept_as_text() {
    let read = edn(
        "{:process 1 :type :fail :f :write :value 3 :error [:unavailable nil]}\n\
         {:process 1 :type :fail :f :write :value 3 :error :timeout}\n\
         {:process 1 :type :fail :f :write :value 3 :error \"gone\"}\n\
         {:process 1 :type :fail :f :write :value 3 :error nil}",
    );
    let errors: Vec<Option<&str>> = read.ops.iter().map(|op| op.error.as_deref()).collect();
    assert_eq!(
        errors,
        [
            Some("[:unavailable nil]"),
            Some("timeout"),
            Some("gone"),
            None
        ]
    );
}

#[test]
fn what_a_file_leaves_out_is_made_up_and_said() {
    let read = edn("{:index 4 :type :invoke :value [[:r 1 nil]]}\n{:type :ok :value [[:r 1 [2]]]}");
    assert!(read.ops.iter().all(|op| op.process == Process::Client(0)));
    assert!(read.ops.iter().all(|op| op.f == F::new("txn")));
    let stamps: Vec<(usize, u64)> = read.ops.iter().map(|op| (op.index, op.time)).collect();
    assert_eq!(stamps, [(4, 0), (5, 1)]);
    let said: Vec<String> = read.warnings.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("bear no times"), "{said:?}");
    assert!(
        said[1].starts_with("line 1: an entry without a process"),
        "{said:?}"
    );
    assert!(
        said[2].starts_with("line 1: an entry without a function"),
        "{said:?}"
    );
    let read = edn("{:type :ok :f :read :process 0 :time -1 :index -1}");
    assert_eq!((read.ops[0].index, read.ops[0].time), (0, 0));
}

#[test]
fn a_read_of_nil_tells_independent_keys() {
    let text = "{:process 0 :type :invoke :f :write :value [7 1]}\n\
        {:process 0 :type :ok :f :write :value [7 1]}\n\
        {:process 1 :type :invoke :f :read :value [7 nil]}\n\
        {:process :nemesis :type :info :f :start :value [1 2 3]}\n\
        {:process 1 :type :ok :f :read :value [7 [1 2]]}\n\
        {:process 2 :type :invoke :f :cas :value [8 [1 2]]}\n\
        {:process 2 :type :info :f :cas :value nil}\n";
    let read = edn(text);
    let keys: Vec<Option<i64>> = read
        .ops
        .iter()
        .map(|op| op.key.as_ref().and_then(Value::as_int))
        .collect();
    assert_eq!(
        keys,
        [Some(7), Some(7), Some(7), None, Some(7), Some(8), None]
    );
    assert_eq!(read.ops[0].value, Value::from(1));
    assert_eq!(read.ops[2].value, Value::Nil);
    assert_eq!(read.ops[4].value, list([1, 2]));
    assert_eq!(read.ops[5].value, list([1, 2]));
    let (history, _) = read.history().unwrap();
    assert_eq!(
        history.ops()[6].key,
        Some(8.into()),
        "it takes the key of its start"
    );

    let plain = Options {
        independent: Some(false),
    };
    let read = Format::JepsenEdn.read(text.as_bytes(), plain).unwrap();
    assert!(read.ops.iter().all(|op| op.key.is_none()));
    let json = "[{\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":[\"a\",null]}]";
    let json = self::read(Format::JepsenJson, json).unwrap();
    assert_eq!(json.ops[0].key, Some(Value::str("a")));
}

#[test]
fn lists_that_are_no_independent_keys_stay_lists() {
    for text in [
        // A register's compare-and-sets.
        "{:process 0 :type :invoke :f :cas :value [1 2]}\n{:process 0 :type :ok :f :cas :value [1 2]}",
        // Writes alone do not tell.
        "{:process 0 :type :invoke :f :write :value [1 2]}",
        // A transaction of two, and a read of two keys.
        "{:process 0 :type :invoke :f :txn :value [[:r 1 nil] [:r 2 nil]]}",
        "{:process 0 :type :invoke :f :read :value [[:r 0 nil] [:r 1 nil]]}",
        // A read that asks for nothing.
        "{:process 0 :type :invoke :f :read :value nil}\n{:process 1 :type :invoke :f :x :value [1 nil]}",
    ] {
        assert!(edn(text).ops.iter().all(|op| op.key.is_none()), "{text}");
    }
}

#[test]
fn logs_hold_more_than_entries() {
    let log = "2026-01-01 10:00:00,000{GMT}\tINFO\t[main] jepsen.core: Starting\n\
        2026-01-01 10:00:01,000{GMT}\tINFO\t[worker 0] jepsen.util: 0\t:invoke\t:write\t3\n\
        INFO  jepsen.util - :nemesis\t:info\t:start\tCut off {:n1 #{:n2}}\n\
        INFO  jepsen.util - 0\t:info\t:write\t:timed-out\n\
        1\t:invoke\t:cas\t[1 2]\n\
        1\t:fail\t:cas\t[1 2]\tno such thing\n";
    let read = read(Format::JepsenLog, log).unwrap();
    assert_eq!(read.lines, [2, 3, 4, 5, 6]);
    assert_eq!(read.ops[0].time, 2, "the line stands for the time");
    assert_eq!(read.ops[1].value, Value::str("Cut off {:n1 #{:n2}}"));
    assert_eq!(read.ops[2].error.as_deref(), Some("timed-out"));
    assert_eq!(read.ops[2].value, Value::Nil);
    assert_eq!(read.ops[3].value, list([1, 2]));
    assert_eq!(read.ops[4].error.as_deref(), Some("no such thing"));
    let said: Vec<String> = read.warnings.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("bear no times"), "{said:?}");
    assert_eq!(said[1], "1 lines of the log hold no entry");
}

#[test]
fn wrong_entries_are_named_by_line_and_reason() {
    let good = "{:process 0 :type :invoke :f :read :value nil}\n";
    for (bad, reason) in [
        ("{:process 0 :type :done :f :read}", "type :done is none of"),
        ("{:process -1 :type :ok :f :read}", "process -1 is neither"),
        (
            "{:process :admin :type :ok :f :read}",
            "process :admin is neither",
        ),
        ("{:process 0 :type :ok :value 1}", "has no f"),
        ("{:process 0 :f :read :value 1}", "has no type"),
        (
            "{:process 0 :type :ok :f :read :value 1.5}",
            "1.5 is neither a whole number",
        ),
        (
            "{:process 0 :type :ok :f :read :value 1/2}",
            "1/2 is neither",
        ),
        (
            "{:process 0 :type :ok :f :read :value [\\a]}",
            "\\a is neither",
        ),
        (
            "{:process 0 :type :ok :f :read :value 9223372036854775808}",
            "9223372036854775808 is",
        ),
        (
            "{:process 0 :type :ok :f :read :value {:a 1 :a 2}}",
            "the name \"a\" stands twice",
        ),
        (
            "{:process 0 :type :ok :f :read :value {[1] 2}}",
            "[1] cannot be a name",
        ),
        (
            "{:process 0 :type :ok :f :read :f :read}",
            "the field f stands twice",
        ),
        (
            "{:process 0 :type :ok :f :read :value}",
            "expected a value for the last name",
        ),
        (
            "{:process 0 :type :ok :f :read :time -5}",
            "time -5 is negative",
        ),
        (
            "{:process 0 :type :ok :f :read :value \"\\q\"}",
            "an escape that is none",
        ),
        ("7", "expected a map, found \"7\""),
        ("]", "expected a map, found \"]\""),
    ] {
        let error = read(Format::JepsenEdn, &format!("{good}{bad}\n{good}")).expect_err(bad);
        assert!(
            error.starts_with("line 2: ") && error.contains(reason),
            "{bad}: {error}"
        );
    }
    let good = "[{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"},\n";
    for (bad, reason) in [
        (
            "{\"process\":\"admin\",\"type\":\"ok\",\"f\":\"read\"}",
            "process \"admin\" is neither",
        ),
        (
            "{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":1e3}",
            "1e3 is neither",
        ),
        (
            "{\"process\":0 \"type\":\"ok\"}",
            "expected a comma or the end of the object",
        ),
        ("{\"process\":00}", "expected a number"),
        ("{\"process\":nul}", "expected a value"),
        ("{\"a\":\"\u{1}\"}", "control character"),
        ("7", "expected an object, found \"7,\""),
        (",", "expected an object, found \",,\""),
        ("{} {}", "has no type"),
    ] {
        let error = read(Format::JepsenJson, &format!("{good}{bad},\n{good}")).expect_err(bad);
        assert!(
            error.starts_with("line 2: ") && error.contains(reason),
            "{bad}: {error}"
        );
    }
    for (bad, reason) in [
        (
            "0\t:invoke\tread\tnil",
            "expected a function after the type, found \"read",
        ),
        ("0\t:invoke\t:read\t[1", "the line ends too early"),
        ("0\t:invoke\t:write\t1.5", "1.5 is neither"),
    ] {
        let text = format!("0\t:invoke\t:read\tnil\n{bad}\n");
        let error = read(Format::JepsenLog, &text).expect_err(bad);
        assert!(
            error.starts_with("line 2: ") && error.contains(reason),
            "{bad}: {error}"
        );
    }
    let text = [&b"{:process 0 :type :ok :f :read}\n\n"[..], b"\xff\n"].concat();
    for format in [Format::JepsenEdn, Format::JepsenLog] {
        let error = format.read(&text[..], Options::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 3: the byte 0xff is no text in UTF-8"
        );
    }
    let tail = read(Format::JepsenEdn, "[{:process 0 :type :ok :f :read}]\n{").unwrap_err();
    assert_eq!(
        tail,
        "line 2: expected nothing after the end of the history, found \"{\""
    );
}

#[test]
fn one_key_out_of_line_is_an_error() {
    let error = read(
        Format::JepsenEdn,
        "{:process 0 :type :invoke :f :read :value [1 nil]}\n\
         {:process 0 :type :ok :f :read :value 5}\n",
    );
    assert!(
        error
            .unwrap_err()
            .starts_with("line 2: its value 5 is no [key value]")
    );
}

fn law(text: &str) -> Result<Vec<String>, String> {
    let (_, warnings) = edn(text).history().map_err(|error| error.to_string())?;
    Ok(warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn broken_laws_are_named_by_line() {
    let entry = |process: u32, time: u32, what: &str| {
        format!("{{:process {process} :time {time} {what}}}\n")
    };
    let (r, ok) = (":type :invoke :f :read", ":type :ok :f :read :value 1");
    let w = ":type :invoke :f :write :value 1";
    for (entries, line, reason) in [
        (vec![(0, 0, r), (0, 1, r)], 2, "still open"),
        (
            vec![(0, 0, r), (0, 1, ":type :info :f :read"), (0, 2, r)],
            3,
            "from a new process",
        ),
        (
            vec![(0, 0, r), (0, 1, ":type :ok :f :write")],
            2,
            "but had begun read",
        ),
        (
            vec![(1, 0, r), (0, 1, ":type :ok :f :write")],
            2,
            "never began",
        ),
        (vec![(1, 5, r), (0, 1, r)], 2, "time must not go back"),
        (
            vec![
                (0, 0, w),
                (1, 1, r),
                (1, 2, ":type :ok :f :read :value \"1\""),
            ],
            3,
            "it has the value \"1\" where line 1 has 1: one is a number, the other is text",
        ),
        (
            vec![
                (0, 0, ":key 4 :type :invoke :f :r"),
                (1, 1, ":key \"4\" :type :invoke :f :r"),
            ],
            2,
            "it has the key \"4\" where line 1 has 4",
        ),
    ] {
        let text: String = entries
            .iter()
            .map(|(p, t, what)| entry(*p, *t, what))
            .collect();
        let error = law(&text).expect_err(&text);
        assert!(
            error.starts_with(&format!("line {line}: ")),
            "{text}: {error}"
        );
        assert!(error.contains(reason), "{text}: {error}");
    }
    let text = [
        entry(0, 9, ok),
        entry(1, 10, w),
        entry(1, 4, ":type :ok :f :write"),
    ]
    .concat();
    let warnings = law(&text).unwrap();
    assert!(warnings[0].starts_with("line 1: read of process 0 ends but never began"));
    assert!(
        warnings[1].starts_with("line 3: its time 4 is before 10"),
        "{warnings:?}"
    );
    // Different keys may hold different types.
    let mixed = [
        entry(0, 0, ":key :a :type :invoke :f :write :value 1"),
        entry(1, 0, ":key :b :type :invoke :f :write :value \"1\""),
    ];
    assert_eq!(law(&mixed.concat()), Ok(Vec::new()));
    // Of many mended entries the first are told.
    let many: String = (0..50).map(|time| entry(time, time, ok)).collect();
    let warnings = law(&many).unwrap();
    assert_eq!(warnings.len(), 21);
    assert_eq!(warnings[20], "30 more entries were mended like these");
}
