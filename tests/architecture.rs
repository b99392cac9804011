//! The rules that no compiler checks: who may import whom, and under which licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATES: [&str; 4] = ["checkers", "workloads", "fixtures", "schism"];

/// What each module of the control program may import from it and from the other crates.
/// `run`, `campaign`, `cli` and what belongs to them wire the rest and are not listed.
const MODULES: [(&str, &[&str]); 23] = [
    ("remote", &[]),
    ("image", &[]),
    ("inventory", &["remote"]),
    ("lab", &["image", "inventory", "remote", "doctor"]),
    ("claim", &["checkers", "suggest"]),
    ("explain", &["checkers", "claim", "suggest"]),
    ("client", &["checkers::history", "workloads::generator"]),
    ("cluster", &["remote", "checkers::history"]),
    (
        "systems",
        &[
            "cluster",
            "client",
            "image",
            "remote",
            "checkers::history",
            // Their clients speak the words of all workloads.
            "workloads",
            "fixtures",
        ],
    ),
    (
        "nemesis",
        &[
            "cluster",
            "remote",
            "checkers::history",
            "workloads::generator",
        ],
    ),
    (
        "interpreter",
        &[
            "client",
            "cluster",
            "nemesis",
            "worker",
            "store",
            "watch",
            "checkers::history",
            "workloads::generator",
        ],
    ),
    ("watch", &["checkers::history", "checkers::streaming"]),
    ("worker", &["client", "workloads::generator"]),
    ("store", &["checkers::history", "checkers::calls"]),
    // What it checks must not be checked by what it comes from.
    ("verify", &["checkers::history"]),
    ("certify", &["checkers", "verify"]),
    ("report", &["checkers", "claim", "plan", "store"]),
    ("progress", &["interpreter", "live", "checkers::history"]),
    ("live", &["watch", "checkers::history"]),
    ("heal", &["cluster", "nemesis", "remote"]),
    ("suggest", &[]),
    ("connect", &["cluster", "inventory", "remote"]),
    (
        "doctor",
        &[
            "connect",
            "inventory",
            "lab",
            "remote",
            "nemesis",
            "cluster",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("and its entries").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code without comments and doc comments; words in strings do no harm here.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("sources can be read");
    let lines = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths below `prefix` that a text names: `prefix::a::b`, and each of `prefix::{a, b}`,
/// to the given depth.
fn named(text: &str, prefix: &str, depth: usize) -> BTreeSet<String> {
    let start = format!("{prefix}::");
    let mut found = BTreeSet::new();
    for (position, _) in text.match_indices(&start) {
        let before = text[..position].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[position + start.len()..];
        let heads: Vec<String> = match rest.strip_prefix('{') {
            None => vec![path_of(rest, depth)],
            Some(list) => top_level(list)
                .iter()
                .map(|item| path_of(item, depth))
                .collect(),
        };
        found.extend(
            heads
                .into_iter()
                .filter(|head| !head.is_empty() && head != "self"),
        );
    }
    found
}

/// The items of a brace group, without what nested groups hold.
fn top_level(list: &str) -> Vec<String> {
    let (mut items, mut item, mut level) = (Vec::new(), String::new(), 0);
    for c in list.chars() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => items.push(std::mem::take(&mut item)),
            _ if level == 0 => item.push(c),
            _ => {}
        }
    }
    items.push(item);
    items
}

fn path_of(text: &str, depth: usize) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let path: String = text.trim_start().chars().take_while(|c| word(*c)).collect();
    path.split("::").take(depth).collect::<Vec<_>>().join("::")
}

#[test]
fn crates_import_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("checkers", &[][..]),
        ("workloads", &["checkers"][..]),
        ("fixtures", &["checkers"][..]),
    ]);
    for (name, allowed) in allowed {
        let mut files = Vec::new();
        rust_files(&root().join(name).join("src"), &mut files);
        assert!(
            files.len() > 3,
            "{name} has its sources where this test looks"
        );
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        for other in CRATES.iter().filter(|other| **other != name) {
            let depends = manifest
                .lines()
                .any(|line| line.starts_with(&format!("{other}.")));
            assert!(
                !depends || allowed.contains(other),
                "{name} depends on {other}"
            );
            for file in &files {
                let uses = !named(&code(file), other, 1).is_empty();
                assert!(
                    !uses || allowed.contains(other),
                    "{} uses {other}",
                    file.display()
                );
            }
        }
    }
    let mut files = Vec::new();
    rust_files(&root().join("fixtures/src"), &mut files);
    for file in files {
        for import in named(&code(&file), "checkers", 1) {
            assert_eq!(
                import,
                "history",
                "{} uses more of checkers",
                file.display()
            );
        }
    }
}

#[test]
fn modules_of_the_control_program_keep_to_their_imports() {
    for (module, allowed) in MODULES {
        let mut files = vec![root().join(format!("src/{module}.rs"))];
        if !files[0].exists() {
            files.clear();
            rust_files(&root().join("src").join(module), &mut files);
        }
        for file in files {
            let text = code(&file);
            let own = named(&text, "crate", 1).into_iter();
            let others = ["checkers", "workloads", "fixtures"]
                .into_iter()
                .flat_map(|other| {
                    named(&text, other, 1)
                        .into_iter()
                        .map(move |path| format!("{other}::{path}"))
                });
            for import in own.chain(others).filter(|import| import != module) {
                let krate = import.split("::").next().unwrap_or_default();
                let fits = allowed.contains(&import.as_str()) || allowed.contains(&krate);
                assert!(fits, "{} may not import {import}", file.display());
            }
        }
    }
}

#[test]
fn every_module_is_in_the_code_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for directory in ["src", "checkers/src", "workloads/src", "fixtures/src"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.trim_end_matches(".rs");
            if ["lib", "main"].contains(&stem) {
                continue;
            }
            let told = map.contains(&format!("`{stem}`"));
            assert!(told, "ARCHITECTURE.md says nothing of {directory}/{name}");
        }
    }
}

#[test]
fn licences_permit_ours() {
    const PERMITTED: [&str; 12] = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "0BSD",
        "Unlicense",
        "CC0-1.0",
        "BSL-1.0",
        "Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ];
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
        ])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        // One of several alternatives is enough; all of a conjunction are needed.
        let fits = licence.replace('/', " OR ").split(" OR ").any(|choice| {
            choice
                .split(" AND ")
                .all(|one| PERMITTED.contains(&one.trim_matches(['(', ')', ' '])))
        });
        assert!(fits, "{} is under {licence}", package["name"]);
    }
}
