//! Lines of the log that would stand on the screen, kept until it is given back.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes are kept: the newest.
const KEPT: usize = 1 << 20;

/// The lines; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<Vec<u8>>>);

impl Held {
    /// Takes out what was kept.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Held {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(line);
        if kept.len() > KEPT {
            let half = kept.len() - KEPT / 2;
            let end = kept[half..].iter().position(|byte| *byte == b'\n');
            kept.drain(..end.map_or(half, |end| half + end + 1));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Held {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept() {
        let mut held = Held::default();
        let number = |text: &str| text.trim().parse::<usize>().expect("a number a line");
        for line in 0..300_000 {
            writeln!(held, "{line}").expect("memory takes all that is written");
        }
        let kept = String::from_utf8(held.take()).expect("whole lines");
        let lines: Vec<usize> = kept.lines().map(number).collect();
        assert!(kept.len() <= KEPT && lines.len() > 50_000);
        assert_eq!(lines.last(), Some(&299_999));
        assert!(lines.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert!(held.take().is_empty());
    }
}
