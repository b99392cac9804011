//! The terminal: taken for a while, and given back.

use std::io::{self, Stderr};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::{View, draw};

/// The whole terminal behind standard error. Keys stay as they are: Ctrl-C ends the load.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// If standard error is no terminal, or does not take what is written.
    pub fn take() -> io::Result<Self> {
        let viewport = Viewport::Fixed(area()?);
        let backend = CrosstermBackend::new(io::stderr());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        execute!(io::stderr(), EnterAlternateScreen, cursor::Hide)?;
        Ok(Self { terminal })
    }

    /// Draws what is to be seen now.
    ///
    /// # Errors
    ///
    /// Those of standard error.
    pub fn show(&mut self, view: &View) -> io::Result<()> {
        let area = area()?;
        if self.terminal.get_frame().area() != area {
            self.terminal.resize(area)?;
        }
        self.terminal.draw(|frame| draw(frame, view)).map(|_| ())
    }
}

impl Screen {
    /// Gives the terminal back: for those who end the program at once.
    pub fn give_back() {
        if execute!(io::stderr(), LeaveAlternateScreen, cursor::Show).is_err() {
            tracing::debug!("standard error is closed");
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        Self::give_back();
    }
}

fn area() -> io::Result<Rect> {
    let size = rustix::termios::tcgetwinsize(io::stderr())?;
    if size.ws_col == 0 || size.ws_row == 0 {
        return Err(io::Error::other("the terminal has no size"));
    }
    Ok(Rect::new(0, 0, size.ws_col, size.ws_row))
}
