//! The guide cannot rot: every command on its pages is run, and what it prints is compared with
//! the page, word for word.
//!
//! A block marked `console` holds commands, after `$ `, and what they print. A block marked
//! `toml` that begins with `# NAME.toml` is that file. A line `…` stands for any lines. How long
//! something took is not compared. With `UPDATE_GUIDE=1` pages are written anew, blocks with `…`
//! excepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block of a page: its first line, counted from zero, what it is marked, and its lines.
struct Block {
    at: usize,
    mark: String,
    lines: Vec<String>,
}

fn pages() -> Vec<PathBuf> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    let entries = fs::read_dir(guide).expect("the guide is there");
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(mark)) => {
                open = Some(Block {
                    at: at + 1,
                    mark: mark.to_owned(),
                    lines: Vec::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The words of a command; single quotes keep words together.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, piece) in command.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// What a command prints, by line, and its exit code.
fn run(command: &str, place: &Path) -> (Vec<String>, i32) {
    let words = words(command);
    assert_eq!(words[0], "schism", "{command}: only schism is run");
    let done = Command::new(env!("CARGO_BIN_EXE_schism"))
        .args(&words[1..])
        .current_dir(place)
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .expect("schism can be started");
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text += &String::from_utf8_lossy(&done.stderr);
    let text = text.replace(env!("CARGO_BIN_EXE_schism"), "schism");
    let lines = text
        .trim_end()
        .lines()
        .map(|line| line.trim_end().to_owned());
    (lines.collect(), done.status.code().unwrap_or(-1))
}

/// The line without how long something took.
fn timeless(line: &str) -> String {
    match line.find(" in ") {
        Some(at) if line[at..].contains(" s") && line.contains("simulated runs") => {
            line[..at].to_owned()
        }
        _ => line.to_owned(),
    }
}

/// Whether what was printed is what is written, where `…` stands for any lines.
fn agrees(written: &[String], printed: &[String]) -> bool {
    match written {
        [] => printed.is_empty(),
        [first, rest @ ..] if first.trim() == "…" => {
            (0..=printed.len()).any(|from| agrees(rest, &printed[from..]))
        }
        [first, rest @ ..] => match printed {
            [line, others @ ..] => timeless(first) == timeless(line) && agrees(rest, others),
            [] => false,
        },
    }
}

/// The block with what its commands print now; panics if that is something else, unless it may
/// be written anew.
fn carried_out(block: &Block, place: &Path, page: &str, update: bool) -> Vec<String> {
    let mut anew = Vec::new();
    let mut lines = block.lines.iter().peekable();
    let mut code = 0;
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("$ ");
        let command = command.unwrap_or_else(|| panic!("{page}: no command before {line:?}"));
        let mut written = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            written.push(line.clone());
        }
        while written.last().is_some_and(String::is_empty) {
            written.pop();
        }
        let printed = if command == "echo $?" {
            vec![code.to_string()]
        } else {
            let (printed, exit) = run(command, place);
            code = exit;
            printed
        };
        if !agrees(&written, &printed) {
            let cut = written.iter().any(|line| line.trim() == "…");
            assert!(
                update && !cut,
                "{page}, line {}: `{command}` prints\n{}\nand the page says\n{}",
                block.at,
                printed.join("\n"),
                written.join("\n")
            );
            written = printed;
        }
        anew.push(line.clone());
        anew.extend(written);
        let next = lines.peek();
        if next.is_some_and(|next| *next != "$ echo $?") {
            anew.push(String::new());
        }
    }
    anew
}

#[test]
fn every_command_of_the_guide_prints_what_its_page_says() {
    let update = std::env::var_os("UPDATE_GUIDE").is_some();
    let mut commands = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).expect("a page can be read");
        let name = path
            .file_stem()
            .expect("it has a name")
            .to_string_lossy()
            .into_owned();
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guide-{name}"));
        if place.exists() {
            fs::remove_dir_all(&place).expect("it can be emptied");
        }
        fs::create_dir_all(&place).expect("it can be made");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut shift = 0_isize;
        for block in blocks(&text) {
            if block.mark == "toml" {
                let first = block.lines.first().and_then(|line| line.strip_prefix("# "));
                let file = first.filter(|file| file.ends_with(".toml"));
                let file = file.unwrap_or_else(|| panic!("{name}: a trial has no name"));
                fs::write(place.join(file), block.lines.join("\n") + "\n").expect("it is written");
            } else if block.mark == "console" {
                commands += block
                    .lines
                    .iter()
                    .filter(|line| line.starts_with("$ schism"))
                    .count();
                let anew = carried_out(&block, &place, &name, update);
                let from = block
                    .at
                    .checked_add_signed(shift)
                    .expect("it is on the page");
                shift += anew.len() as isize - block.lines.len() as isize;
                lines.splice(from..from + block.lines.len(), anew);
            }
        }
        if update {
            fs::write(&path, lines.join("\n") + "\n").expect("the page is written");
        }
    }
    assert!(commands >= 20, "the guide has {commands} commands");
}

/// What the words of the pages link to is there.
#[test]
fn links_of_the_guide_lead_somewhere() {
    for path in pages() {
        let text = fs::read_to_string(&path).expect("a page can be read");
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.starts_with("http") {
                continue;
            }
            let beside = path.parent().expect("it is in a directory").join(file);
            assert!(beside.exists(), "{}: {target}", path.display());
        }
    }
}
