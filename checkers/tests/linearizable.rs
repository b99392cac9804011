//! What the linearizability checker names, how it tells it, and when it declines.

use checkers::history::notation::h;
use checkers::{Budget, Checker, Linearizable, Report, Verdict};

fn judge(text: &str) -> Report {
    Linearizable::default().check(&h(text), &Budget::unlimited())
}

fn name(text: &str) -> String {
    let report = judge(text);
    assert_eq!(report.verdict, Verdict::Violated, "{text}: {report:#?}");
    let count = i64::try_from(report.anomalies.len()).expect("few");
    assert_eq!(report.number("contradictions"), Some(count), "{text}");
    report.anomalies[0].name.clone()
}

#[test]
fn every_contradiction_has_its_name() {
    for (text, expected) in [
        ("0:w1 0:ok 0:w2 0:ok 1:r 1:ok=1", "stale-read"),
        ("0:w1 0:ok 1:r 1:ok=nil", "stale-read"),
        ("0:w1 0:ok 0:w2 1:r 1:ok=2 2:r 2:ok=1 0:ok", "stale-read"),
        ("1:r 1:ok=1 0:w1 0:ok", "future-read"),
        ("0:w1 0:ok 1:r 1:ok=7", "phantom-read"),
        ("0:w1 0:fail 1:r 1:ok=1", "dirty-read"),
        ("0:c7,1 0:ok 1:r 1:ok=1", "phantom-read"),
        ("0:w1 0:ok 0:c1,2 0:ok 1:c1,3 1:ok", "lost-update"),
        ("0:c1,2 1:c2,1 0:ok 1:ok", "cas-cycle"),
        ("0:w1 0:ok 0:c1,2 0:ok 1:r 1:ok=1", "stale-read"),
        ("0:w1 0:ok 0:w2 0:ok 1:r 1:ok=2 0:c1,3 0:ok", "stale-cas"),
        ("0:a1 0:ok 1:rs 1:ok=[]", "stale-read"),
        ("0:a1 1:rs 1:ok=[1] 2:rs 2:ok=[] 0:ok", "stale-read"),
        ("1:rs 1:ok=[1] 0:a1 0:ok", "future-read"),
        (
            "0:a1 1:a2 2:rs 2:ok=[1] 2:rs 2:ok=[2] 0:ok 1:ok",
            "incomparable-reads",
        ),
        ("0:a1 1:rs 1:ok=[1,1] 0:ok", "duplicate-element"),
        ("0:a1 0:ok 1:rs 1:ok=[1,2]", "phantom-read"),
        ("0:a1 0:fail 1:rs 1:ok=[1]", "dirty-read"),
        // Though an element is added twice, nobody ever added another one.
        ("0:a1 0:ok 1:a1 1:ok 2:rs 2:ok=[7]", "phantom-read"),
        ("2:rs 0:a1 0:ok 0:a2 0:ok 2:ok=[2]", "not-linearizable"),
    ] {
        assert_eq!(name(text), expected, "{text}");
    }
}

#[test]
fn what_may_be_is_no_contradiction() {
    for text in [
        "0:w1 1:r 1:ok=nil 0:ok",
        "0:w1 1:r 1:ok=1 0:ok",
        "0:w1 0:ok & 1:r 1:ok=nil",
        "0:w1 0:info +5000 1:r 1:ok=nil 2:r 2:ok=1",
        "0:w1 0:ok 0:c1,2 0:info 1:r 1:ok=1 1:r 1:ok=2",
        "0:w1 0:fail 1:r 1:ok=nil 2:w2 2:ok",
        "0:w1@x 0:ok 0:w2@y 0:ok 1:r@x 1:ok=1 1:r@y 1:ok=2",
        "0:a1 1:rs 1:ok=[] 0:ok",
        "0:a1 0:info 1:rs 1:ok=[] 2:rs 2:ok=[1]",
        "0:w1 0:ok 9:fr%n1 9:ok=nil 1:r 1:ok=1",
        "0:a1 0:ok 1:a1 1:ok 2:rs 2:ok=[1]",
        // The operator's reads are no client's, whichever algorithm judges.
        "0:a1 0:ok 1:rs 1:ok=[1] 9:frs%n1 9:ok=[]",
        "0:w1 0:ok 0:w1 0:ok 1:r 1:ok=1 9:fr%n1 9:ok=nil",
    ] {
        assert_eq!(judge(text).verdict, Verdict::Held, "{text}");
    }
}

#[test]
fn a_contradiction_is_told_in_steps() {
    let report = judge("0:w41 0:ok%n3 +100 0:w42 0:ok%n3 1:r 1:ok=42%n4 +7 2:r 2:ok=41%n1");
    assert_eq!(report.anomalies.len(), 1);
    let anomaly = &report.anomalies[0];
    assert_eq!(anomaly.ops, [0, 1, 2, 3, 6, 7]);
    assert_eq!(
        anomaly.because,
        [
            "write 41 (p0, n3) ran from 0.000 ms to 1.000 ms and was acknowledged.",
            "write 42 (p0, n3) ran from 102.000 ms to 103.000 ms and was acknowledged.",
            "read (p2, n1) ran from 113.000 ms to 114.000 ms and returned 41.",
            "41 was in effect by 1.000 ms, before an operation on 42 began at 102.000 ms; 42 was \
             in effect by 103.000 ms, before an operation on 41 began at 113.000 ms: neither \
             value can come wholly before the other.",
        ]
    );
    let report = judge("0:w1 0:ok%n1 1:r 1:ok=nil%n2");
    let because = &report.anomalies[0].because;
    assert_eq!(
        because.last().map(String::as_str),
        Some(
            "nil was there from the beginning, and an operation on 1 began at 0.000 ms; 1 was \
             in effect by 1.000 ms, before an operation on nil began at 2.000 ms: neither value \
             can come wholly before the other."
        )
    );
}

#[test]
fn nothing_to_check_is_undecided_and_says_why() {
    for (text, why) in [
        ("", "nothing was checked"),
        (
            "0:w1 0:ok",
            "no register was both read and possibly written",
        ),
        (
            "0:w1 0:ok 1:r 1:fail",
            "no register was both read and possibly written",
        ),
        (
            "0:r 0:ok=nil",
            "no register was both read and possibly written",
        ),
        ("0:a1 0:ok", "no set was both read"),
        ("0:w1 0:ok 0:r 0:ok=1 0:a1 0:ok", "no set was both read"),
        (
            "0:w1 0:ok 0:r 0:ok=1 0:a1@x 0:ok 0:w2@x 0:ok",
            "index 4 is add, which a register does not have",
        ),
        ("0:w1 0:ok 1:r 1:ok=[1,2]", "it returned several values"),
        (
            "0:w1 0:ok 0:r 0:ok=1 1:cnil 1:ok",
            "not a list of an old and a new value",
        ),
    ] {
        let report = judge(text);
        assert_eq!(report.verdict, Verdict::Undecided, "{text}: {report:#?}");
        let said = report.why.unwrap_or_default();
        assert!(said.contains(why), "{text}: {said}");
    }
    let spent = Budget::unlimited();
    spent.stop();
    let report = Linearizable::default().check(&h("0:w1 0:ok 1:r 1:ok=1"), &spent);
    assert_eq!(report.verdict, Verdict::Undecided);
}

#[test]
fn a_contradiction_outweighs_what_cannot_be_read() {
    let report = judge("0:w1@x 0:ok 1:r@x 1:ok=nil 0:w1@y 0:ok 1:r@y 1:ok=[1]");
    assert_eq!(report.verdict, Verdict::Violated);
    assert_eq!(report.number("keys_undecided"), Some(1));
    assert_eq!(report.number("keys_violated"), Some(1));
}

#[test]
fn repeated_values_are_searched() {
    for (text, verdict) in [
        ("0:w1 0:ok 1:w1 1:ok 2:r 2:ok=1", Verdict::Held),
        ("0:w1 0:ok 1:w1 1:ok 2:r 2:ok=nil", Verdict::Violated),
        (
            "0:w1 0:ok 0:w2 0:ok 0:w1 0:ok 1:r 1:ok=2",
            Verdict::Violated,
        ),
        (
            "0:w1 0:ok 0:w2 0:ok 0:w1 1:r 1:ok=2 1:r 1:ok=1 0:ok",
            Verdict::Held,
        ),
    ] {
        let report = judge(text);
        assert_eq!(report.verdict, verdict, "{text}: {report:#?}");
        assert_eq!(report.number("keys_by_frontier"), Some(1), "{text}");
    }
}

#[test]
fn what_was_searched_is_told_in_steps() {
    let report = judge("0:w1 0:ok 0:w2 0:ok 0:w1 0:ok 2:w3 2:ok 2:w1 2:ok 1:r 1:ok=2 3:w2");
    let anomaly = &report.anomalies[0];
    assert_eq!(anomaly.ops, [2, 3, 4, 5, 10, 11]);
    assert_eq!(
        anomaly.because,
        [
            "write 2 (p0) ran from 2.000 ms to 3.000 ms and was acknowledged.",
            "write 1 (p0) ran from 4.000 ms to 5.000 ms and was acknowledged.",
            "read (p1) ran from 10.000 ms to 11.000 ms and returned 2.",
            "every legal order of the others ends in 1, where read (p1) cannot be.",
        ]
    );
}

#[test]
fn few_are_listed_and_all_are_counted() {
    let mut text = String::from("0:w1 0:ok 0:w2 0:ok");
    for key in 0..50 {
        text += &format!(" 0:w1@k{key} 0:ok 1:r@k{key} 1:ok=nil");
    }
    let report = judge(&text);
    assert_eq!(report.anomalies.len(), Linearizable::LISTED);
    assert_eq!(report.number("contradictions"), Some(50));
    assert_eq!(report.number("keys_violated"), Some(50));
    assert_eq!(report.number("keys_without_reads"), Some(1));
}
