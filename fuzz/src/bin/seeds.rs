//! Writes the seeds of every target: a few histories, by our own writers.

use std::fs;
use std::path::Path;

use checkers::history::notation::ops;
use checkers::history::{Format, Op};

const STORIES: [&str; 6] = [
    "0:w1 1:r 0:ok 1:ok=1",
    "0:w1@k%n1 1:r@k n:kill 0:ok@k 1:ok=[1,2]@k 2:c1,2@k 2:info@k",
    "0:a1 1:rs 0:ok 1:ok=[1] 2:frs%n1 2:ok=[]%n1",
    "0:w1 0:ok 1:w2 1:ok 2:r 2:ok=1 3:fr%n1 3:ok=1%n1",
    "n:phase=load 0:w1 0:ok 1:c1,2 & 2:r 1:fail 2:ok=nil n:phase=final",
    "0:w1 1:w1 2:r 0:info 1:ok 2:ok=1 3:c1,3 3:ok 4:r 4:ok=3",
];

/// The story without what text logs have no room for.
fn bare(text: &str) -> Vec<Op> {
    let mut ops = ops(text);
    for op in &mut ops {
        (op.key, op.node) = (None, None);
    }
    ops
}

fn key_values() -> Vec<Op> {
    let lines = "{:process 0, :type :invoke, :f :put, :key \"a\", :value \"x 0 1 y\"}\n\
                 {:process 1, :type :invoke, :f :get, :key \"a\", :value nil}\n\
                 {:process 0, :type :ok, :f :put, :key \"a\", :value \"x 0 1 y\"}\n\
                 {:process 1, :type :ok, :f :get, :key \"a\", :value \"\"}\n\
                 {:process 1, :type :invoke, :f :append, :key \"a\", :value \"z\"}\n";
    Format::Porcupine
        .read(lines.as_bytes(), Default::default())
        .expect("these are key-value lines")
        .ops
}

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let place = corpus.join(target);
        fs::create_dir_all(&place).expect("the directory can be made");
        fs::write(place.join(name), bytes).expect("and written to");
    };
    let targets = [
        (Format::JsonLines, "jsonl"),
        (Format::JepsenEdn, "jepsen_edn"),
        (Format::JepsenJson, "jepsen_json"),
        (Format::JepsenLog, "jepsen_log"),
        (Format::Porcupine, "porcupine"),
        (Format::Binary, "binary"),
    ];
    for (number, (format, target)) in (0_u8..).zip(targets) {
        for (position, story) in STORIES.iter().enumerate() {
            let ops = match format {
                Format::JepsenLog => bare(story),
                Format::Porcupine if position > 0 => continue,
                Format::Porcupine => key_values(),
                _ => ops(story),
            };
            let mut file = Vec::new();
            if format.write(&mut file, &ops).is_err() {
                continue;
            }
            let name = format!("seed-{position}");
            match format {
                Format::Binary => put(target, &name, &[&[0], &file[..]].concat()),
                _ => put(target, &name, &file),
            }
            put("detect_and_judge", &format!("{target}-{position}"), &file);
            if position < 3 {
                let named = [&[number], &file[..]].concat();
                put("roundtrip", &format!("{target}-{position}"), &named);
            }
        }
    }
    // The body of a frame, without compression: two entries of one process.
    let mut file = Vec::new();
    let two = ops(STORIES[0]);
    Format::Binary
        .write(&mut file, &two)
        .expect("memory takes all");
    let body = zstd::bulk::decompress(&file[24..], 1 << 20).expect("we have just packed it");
    let head = [1, u8::try_from(body.len()).expect("it is short"), 4];
    put("binary", "frame", &[&head, &body[..]].concat());
}
