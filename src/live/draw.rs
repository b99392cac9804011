//! Where everything stands on the screen.

use checkers::history::Nanos;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table, Wrap};

use super::View;

const SECOND: Nanos = 1_000_000_000;

/// Draws all of it; on a small screen the most important first.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let nodes = u16::try_from(view.nodes.len()).unwrap_or(u16::MAX);
    let mut room = frame.area().height;
    let mut take = |wanted: u16| {
        let given = if wanted <= room { wanted } else { 0 };
        room -= given;
        Constraint::Length(given)
    };
    let (head, finding) = (take(1), take(4));
    let upper = take(nodes.saturating_add(3).clamp(4, 14));
    let (rate, foot) = (take(5), take(1));
    let rows = Layout::vertical([head, upper, rate, finding, Constraint::Min(0), foot]);
    let [head, upper, rate, finding, acts, foot] = rows.areas(frame.area());
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]);
    let [left, right] = halves.areas(upper);
    frame.render_widget(title(view), head);
    frame.render_widget(nodes_of(view), left);
    frame.render_widget(faults(view), right);
    throughput(frame, view, rate);
    frame.render_widget(findings(view), finding);
    frame.render_widget(history(view, acts), acts);
    let keys = "Ctrl-C ends the load and judges what there is; again: ends everything";
    frame.render_widget(Line::styled(keys, Modifier::DIM), foot);
}

fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Modifier::BOLD)
}

fn title(view: &View) -> Line<'static> {
    let seconds = view.now / SECOND;
    let [ok, fail, info] = view.ended;
    Line::from(vec![
        bold(format!(" {}", view.title)),
        Span::raw(format!("   {} ", view.phase)),
        bold(format!("{:02}:{:02}", seconds / 60, seconds % 60)),
        Span::raw(format!("   ok {ok}   failed {fail}   unknown {info}")),
    ])
}

fn nodes_of(view: &View) -> Table<'static> {
    let rows = view.nodes.iter().map(|(name, node)| {
        let role = match (&node.role, node.silent) {
            (Some(role), false) => role.clone(),
            (Some(role), true) => format!("silent, was {role}"),
            (None, _) => "-".to_owned(),
        };
        let answered = node.last_answer.map_or("never".to_owned(), |at| {
            format!("{} s ago", tenths(view.now.saturating_sub(at), SECOND))
        });
        let style = if node.silent {
            Style::from(Modifier::REVERSED)
        } else {
            Style::default()
        };
        Row::new([name.clone(), role, node.answers.to_string(), answered]).style(style)
    });
    let widths = [
        Constraint::Length(6),
        Constraint::Min(12),
        Constraint::Length(7),
        Constraint::Length(9),
    ];
    let head = Row::new(["node", "role", "answers", "last"]).style(Modifier::DIM);
    let block = Block::bordered().title("nodes");
    Table::new(rows, widths).header(head).block(block)
}

fn faults(view: &View) -> Paragraph<'static> {
    let lines: Vec<Line<'static>> = if view.broken.is_empty() {
        vec![Line::styled("nothing is broken on purpose", Modifier::DIM)]
    } else {
        let broken = view.broken.iter().map(|(fault, of, since)| {
            let lasts = tenths(view.now.saturating_sub(*since), SECOND);
            Line::from(vec![
                bold(fault.clone()),
                Span::raw(format!(" {of}, for {lasts} s")),
            ])
        });
        broken.collect()
    };
    let block = Block::bordered().title("faults now");
    Paragraph::new(lines)
        .block(block)
        .wrap(Wrap { trim: false })
}

fn throughput(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let [line, bars] = Layout::vertical([Constraint::Length(1), Constraint::Min(2)]).areas(area);
    let seconds = usize::from(bars.width.saturating_sub(2));
    let last = view.throughput(seconds);
    let now = last.last().copied().unwrap_or_default();
    let latency = |reads, percent| {
        let latency = view.latency(reads, percent);
        latency.map_or("-".to_owned(), |latency| tenths(latency, 1_000_000))
    };
    let words = format!(
        " {} answers/s, {} failed or unknown   reads {}/{} ms   others {}/{} ms   (median/99 %)",
        now[0],
        now[1] + now[2],
        latency(true, 50),
        latency(true, 99),
        latency(false, 50),
        latency(false, 99),
    );
    frame.render_widget(Line::raw(words), line);
    let answers = last.iter().map(|ended| ended[0]);
    let most = answers.clone().max().unwrap_or(0);
    let block = Block::bordered().title(format!("answers by second, up to {most}"));
    frame.render_widget(Sparkline::default().data(answers).block(block), bars);
}

fn findings(view: &View) -> Paragraph<'static> {
    let (text, style) = match view.finding() {
        Some(finding) => (finding, Style::from(Modifier::BOLD | Modifier::REVERSED)),
        None => (
            "no contradiction among registers so far; everything else is judged in the end"
                .to_owned(),
            Style::from(Modifier::DIM),
        ),
    };
    let block = Block::bordered().title("found");
    Paragraph::new(text)
        .style(style)
        .block(block)
        .wrap(Wrap { trim: false })
}

fn history(view: &View, area: Rect) -> Paragraph<'static> {
    let room = usize::from(area.height.saturating_sub(2));
    let first = view.acts.len().saturating_sub(room);
    let acts = view.acts.iter().skip(first);
    let lines: Vec<Line<'static>> = acts
        .map(|(at, words)| Line::raw(format!("{:>7} s  {words}", tenths(*at, SECOND))))
        .collect();
    Paragraph::new(lines).block(Block::bordered().title("what was done"))
}

/// So many of a unit, with one digit after the point.
fn tenths(time: Nanos, unit: Nanos) -> String {
    format!("{}.{}", time / unit, time % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::view::tests::history;
    use super::*;

    fn drawn(width: u16, height: u16) -> String {
        let mut view = View::new("async-leader-killed");
        view.phase("load");
        view.take(2_500_000_000, &history());
        let backend = TestBackend::new(width, height);
        let mut terminal = Terminal::new(backend).expect("memory takes all");
        terminal
            .draw(|frame| draw(frame, &view))
            .expect("memory takes all");
        terminal.backend().to_string()
    }

    #[test]
    fn everything_stands_on_a_screen_of_common_size() {
        insta::assert_snapshot!(drawn(100, 24));
    }

    #[test]
    fn a_screen_too_small_for_all_shows_what_fits() {
        for (width, height) in [(1, 1), (20, 5), (40, 10), (300, 100)] {
            let screen = drawn(width, height);
            assert!(height < 2 || screen.contains("async-leader"), "{screen}");
        }
    }
}
