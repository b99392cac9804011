//! The first screen: the verdict in a sentence, the claims, what was tested, the commands.

use std::collections::BTreeMap;

use super::format::{capital, many, micros, seconds, share, words};
use super::markup::{Cell, Markup, table};
use super::windows::is_fault;
use super::{Story, findings};
use crate::claim::Claim;
use crate::report::recorded::Recorded;
use crate::report::table::thousands;
use crate::report::terminal::counted;
use crate::report::told::{Told, ToldClaim};

/// The harm, or its absence, in one sentence.
pub(crate) fn headline(told: &Told) -> String {
    let harm: Vec<String> = (told.claims.iter())
        .filter(|claim| claim.verdict == "violated")
        .map(|claim| harm(told, claim))
        .collect();
    if !harm.is_empty() {
        let told = match harm.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{}, and {last}", others.join(", ")),
            None => String::new(),
        };
        return capital(&format!("{told}."));
    }
    match told.status.as_str() {
        "held" => format!(
            "No counterexample to {} was found.",
            many(told.claims.len(), "claim")
        ),
        "undecided" => {
            let open = told.count("undecided");
            format!(
                "Nothing is refuted, but {} stayed open.",
                many(open.max(1), "claim")
            )
        }
        "not-valid" => "This run proves nothing.".into(),
        "nothing-to-check" => "There was nothing to judge.".into(),
        "" => "This run has no verdict.".into(),
        other => format!("The verdict is {}.", words(other)),
    }
}

fn harm(told: &Told, claim: &ToldClaim) -> String {
    let figure = |checker: &str, name: &str| told.figure(checker, name);
    match claim.claim.as_str() {
        "linearizable" => "the history is not linearizable".into(),
        "no-lost-writes" => match figure("loss", "lost").filter(|lost| *lost > 0) {
            Some(1) => "1 acknowledged write was lost".into(),
            Some(lost) => format!("{} acknowledged writes were lost", thousands(lost)),
            None => "data is not what was acknowledged".into(),
        },
        "no-stale-reads" => {
            let stale = figure("stale", "stale_reads").unwrap_or(1);
            let worst = figure("stale", "behind_max_us");
            let worst = worst.map_or(String::new(), |us| format!(", up to {}", micros(us)));
            let were = if stale == 1 { "read was" } else { "reads were" };
            format!("{} {were} stale{worst}", thousands(stale))
        }
        other => format!("the claim “{}” is violated", words(other)),
    }
}

/// The first thing to be seen.
pub(crate) fn banner(page: &mut Markup, story: &Story<'_>) {
    let told = &story.recorded.told;
    page.raw("<div class=\"top\"><span><code>")
        .text(&told.name)
        .raw("</code> ");
    if let Some((mode, fault)) = &told.label {
        page.text(mode).raw(", ").text(fault).raw(" ");
    }
    if let Some(seed) = told.seed {
        page.raw("seed <code>")
            .text(&seed.to_string())
            .raw("</code>");
    }
    page.raw("</span><span class=\"btns script\"><button class=\"btn\" type=\"button\" ");
    page.raw("data-copy=\"#cmd0\">Copy reproduction command</button> <button class=\"btn\" ");
    page.raw("type=\"button\" id=\"theme\">Theme: auto</button></span></div>\n");
    let class = match told.status.as_str() {
        "violated" => "verdict bad",
        "held" => "verdict ok",
        _ => "verdict unk",
    };
    page.raw("<div role=\"region\" aria-labelledby=\"h1\"")
        .attr("class", class);
    page.raw("><div class=\"word\">")
        .text(&told.words())
        .raw(" <span>")
        .text(&counts(told));
    page.raw("</span></div><h1 id=\"h1\">")
        .text(&headline(told))
        .raw("</h1>\n");
    for sentence in lede(story) {
        page.tag("<p class=\"lede\">", &sentence, "</p>");
    }
    if !story.recorded.missing.is_empty() {
        page.raw("<div class=\"missing\"><b>This report is incomplete.</b><ul>");
        for what in story.recorded.missing.iter().take(20) {
            page.tag("<li>", what, "</li>");
        }
        page.raw("</ul></div>");
    }
    tiles(page, told);
    page.raw("</div>\n");
}

fn counts(told: &Told) -> String {
    let parts = ["violated", "held", "undecided"].map(|word| (told.count(word), word));
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let code = told.exit_code.map(|code| format!("exit code {code}"));
    let all = match parts.as_slice() {
        [] => None,
        parts => {
            let claims = many(told.claims.len(), "claim");
            Some(format!("{claims}: {}", parts.join(", ")))
        }
    };
    all.into_iter().chain(code).collect::<Vec<_>>().join(", ")
}

/// How it came about, in a few sentences.
fn lede(story: &Story<'_>) -> Vec<String> {
    let told = &story.recorded.told;
    let mut sentences = Vec::new();
    sentences.extend(told.why.as_ref().map(|why| capital(&format!("{why}."))));
    let first = story.marks.iter().min_by_key(|mark| mark.call);
    if let Some(mark) = first {
        let (id, anomaly, call) = (&mark.finding.id, &mark.finding.anomaly, &mark.call);
        let at = story
            .recorded
            .calls
            .time(story.recorded.calls.begins[*call as usize]);
        let during: Vec<String> = (story.windows.iter())
            .filter(|window| window.covers(at))
            .map(super::windows::Window::in_words)
            .collect();
        let last = story
            .windows
            .iter()
            .rev()
            .find(|w| w.from_ms * 1_000_000 <= at);
        let next = story.windows.iter().find(|w| w.from_ms * 1_000_000 > at);
        let when = match (during.as_slice(), last, next) {
            ([], _, Some(next)) if next.from_ms * 1_000_000 - at < 2_000_000_000 => format!(
                "{} ms before the {}",
                next.from_ms - at / 1_000_000,
                next.in_words()
            ),
            ([], Some(last), _) => format!("after the {}", last.in_words()),
            ([], None, _) => "with no fault before it".to_owned(),
            (during, _, _) => format!("during the {}", during.join(" and the ")),
        };
        sentences.push(format!(
            "The first operation that contradicts a claim began at {}, {when} ({id}, {}).",
            seconds(at),
            words(anomaly)
        ));
    }
    let unmet: Vec<String> = (told.claims.iter())
        .filter(|claim| !claim.as_expected)
        .map(|claim| words(&claim.claim))
        .collect();
    let expecting = told.claims.iter().any(|claim| claim.expected.is_some());
    if !unmet.is_empty() {
        sentences.push(format!("Not what the plan expects: {}.", unmet.join(", ")));
    } else if expecting && told.status == "violated" {
        let mode = told
            .label
            .as_ref()
            .map(|(mode, _)| format!(" of the mode “{mode}”"));
        let mode = mode.unwrap_or_default();
        sentences.push(format!(
            "All of this is what the plan expects{mode}, by design."
        ));
    }
    sentences
}

fn tiles(page: &mut Markup, told: &Told) {
    let groups = findings::groups(told);
    if groups.is_empty() {
        return;
    }
    page.raw("<ul class=\"finds\">");
    for group in groups.iter().take(8) {
        page.raw("<li><a")
            .attr("href", &format!("#{}", group.first()))
            .raw("><span class=\"n\">");
        page.count(group.count()).raw("</span><span class=\"t\">");
        page.text(&capital(&words(group.anomaly)))
            .raw("</span><span class=\"d\">from ");
        page.text(group.first())
            .raw(", against ")
            .text(&words(group.claim));
        page.raw("</span></a></li>");
    }
    page.raw("</ul>");
}

/// What must come out of a claim, as its plan has it.
fn meaning(name: &str) -> Option<&'static str> {
    name.parse::<Claim>().ok().map(Claim::meaning)
}

pub(crate) fn checked(told: &Told, claim: &str) -> String {
    let known = claim.parse::<Claim>().ok();
    let count = known.and_then(|claim| {
        let (figure, noun) = claim.measure()?;
        let count = told.figure(&claim.reported_as(), figure)?;
        Some(counted(count, noun))
    });
    count.unwrap_or_else(|| "–".into())
}

pub(crate) fn tag(verdict: &str) -> Markup {
    let mut page = Markup::new();
    let class = match verdict {
        "violated" => "tag bad",
        "held" => "tag ok",
        _ => "tag unk",
    };
    page.raw("<span")
        .attr("class", class)
        .raw(">")
        .text(verdict)
        .raw("</span>");
    page
}

/// Claim against observation.
pub(crate) fn claims(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    if told.claims.is_empty() {
        page.raw("<p>No claim was judged.</p>");
        return page;
    }
    let rows = told.claims.iter().map(|claim| {
        let mut name = Markup::new();
        name.raw("<b>").text(&claim.claim).raw("</b>");
        if let Some(meaning) = meaning(&claim.claim) {
            name.raw("<br><span class=\"note\">")
                .raw(meaning)
                .raw("</span>");
        }
        let mut evidence = Markup::new();
        for id in claim.findings.iter().take(3) {
            evidence
                .raw("<a")
                .attr("href", &format!("#{id}"))
                .raw(">")
                .text(id)
                .raw("</a> ");
        }
        if claim.findings.len() > 3 {
            evidence
                .raw("and ")
                .count(claim.findings.len() - 3)
                .raw(" more ");
        }
        evidence.text(claim.why.as_deref().unwrap_or_default());
        if evidence.is_empty() {
            evidence.raw("no counterexample in this run");
        }
        let expected = match (claim.expected.as_deref(), claim.as_expected) {
            (None, _) => "–".to_owned(),
            (Some(expected), true) => expected.to_owned(),
            (Some(expected), false) => format!("{expected}: not met"),
        };
        vec![
            Cell::Piece(name),
            Cell::Piece(tag(&claim.verdict)),
            Cell::Text(expected),
            Cell::Text(checked(told, &claim.claim)),
            Cell::Piece(evidence),
        ]
    });
    let head = ["Claim", "Verdict", "The plan expects", "Judged", "Evidence"];
    page.add(&table("Claims", &head, rows.collect()));
    page.raw("<p class=\"note\">A violation is a proof: no legal order explains the operations ");
    page.raw("that it names. “Held” means only that this run holds no counterexample.");
    page.raw(" “Any” means that the mode promises nothing of the kind.</p>");
    page
}

fn fact(page: &mut Markup, name: &'static str, value: &str, more: &str) {
    page.raw("<div><div class=\"k\">")
        .raw(name)
        .raw("</div><div class=\"v\">")
        .text(value);
    page.raw("</div>").text(more).raw("</div>");
}

/// Eight facts, no prose.
pub(crate) fn tested(story: &Story<'_>) -> Markup {
    let recorded = story.recorded;
    let told = &recorded.told;
    let planned = |path: &str| recorded.planned(path).unwrap_or_else(|| "not known".into());
    let mut page = Markup::new();
    page.raw("<div class=\"facts\">");
    let mode = told.label.as_ref().map_or("", |(mode, _)| mode);
    fact(&mut page, "System", &planned("system"), mode);
    let mut names = recorded.nodes();
    let nodes = many(names.len(), "node");
    names.sort_unstable();
    names.truncate(12);
    fact(&mut page, "Cluster", &nodes, &names.join(" "));
    let clients = format!("{} clients", planned("load.clients"));
    let asks = format!("each asks: {}", planned("load.clients-ask"));
    fact(&mut page, "Clients", &clients, &asks);
    let seed = told
        .seed
        .map_or("not known".into(), |seed| seed.to_string());
    fact(
        &mut page,
        "Seed",
        &seed,
        "fixes operations, keys and faults",
    );
    let load = format!("of it {} of load", planned("load.time"));
    fact(&mut page, "Length", &seconds(story.length), &load);
    let [ok, fail, info] = outcomes(told);
    let all = ok + fail + info;
    let parts = format!(
        "{} ok, {} failed, {} unknown",
        share(ok, all),
        share(fail, all),
        share(info, all)
    );
    let count = usize::try_from(all).unwrap_or(usize::MAX);
    fact(&mut page, "Operations", &many(count, "operation"), &parts);
    let mut kinds: Vec<String> = Vec::new();
    for (name, counts) in told.coverage.iter().take(12) {
        let part = share(counts.iter().sum(), all);
        kinds.push(format!("{name} {part}"));
    }
    fact(
        &mut page,
        "Workload",
        &planned("load.workload"),
        &kinds.join(", "),
    );
    let mut faults: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for fault in told.faults.iter().filter(|fault| is_fault(&fault.fault)) {
        let counts = faults.entry(&fault.fault).or_default();
        counts.0 += 1;
        counts.1 += usize::from(fault.done_ms.is_some());
    }
    let proven: usize = faults.values().map(|(_, proven)| proven).sum();
    let injected: usize = faults.values().map(|(all, _)| all).sum();
    let names: Vec<String> = faults
        .iter()
        .map(|(name, (n, _))| format!("{n} {name}"))
        .collect();
    let names = if names.is_empty() {
        "none planned".to_owned()
    } else {
        names.join(", ")
    };
    fact(
        &mut page,
        "Faults",
        &format!("{injected} injected, {proven} proven"),
        &names,
    );
    page.raw("</div>\n");
    page
}

fn outcomes(told: &Told) -> [u64; 3] {
    told.coverage.values().fold([0; 3], |sum, counts| {
        [sum[0] + counts[0], sum[1] + counts[1], sum[2] + counts[2]]
    })
}

/// The commands that judge again, run again, and show the smallest schedule.
pub(crate) fn reproduce(story: &Story<'_>) -> Markup {
    let mut page = Markup::new();
    let told = &story.recorded.told;
    let place = story.recorded.directory.display().to_string();
    let minimal = story.recorded.directory.join("min-schedule.toml");
    let own = [
        (
            "Judge the recorded history again, offline. This gives the same verdict:",
            format!("schism check {place}"),
        ),
        (
            "Run it again. Choices come from the seed; timing does not:",
            format!("schism run {place}/plan.toml"),
        ),
    ];
    for (number, (what, command)) in own.into_iter().enumerate() {
        let command = told.reproduce.get(number).cloned().unwrap_or(command);
        page.raw("<p class=\"note\">").raw(what).raw("</p>");
        line(&mut page, number, &command);
    }
    let more = told.reproduce.iter().skip(2);
    for (number, command) in more.enumerate() {
        line(&mut page, number + 3, command);
    }
    page.raw("<p class=\"note\">The smallest schedule that still shows it: ");
    if minimal.exists() {
        page.raw("</p>");
        line(
            &mut page,
            2,
            &format!(
                "schism {} {place}/min-schedule.toml",
                if on_hosts_alone(story.recorded) {
                    "run"
                } else {
                    "sim"
                }
            ),
        );
    } else {
        let faults = story.windows.len();
        page.raw("none was searched for; the plan has ")
            .text(&many(faults, "fault"));
        if on_hosts_alone(story.recorded) {
            page.raw(". Take faults out of a copy of its plan and run that:</p>");
            let command = format!("cp {place}/plan.toml smaller.toml && schism run smaller.toml");
            line(&mut page, 2, &command);
        } else {
            page.raw(". Search for it in memory, and draw this page again:</p>");
            let command = format!("schism shrink {place} && schism report {place}");
            line(&mut page, 2, &command);
        }
    }
    page
}

/// Whether the system under test cannot be simulated, as far as the plan says what it is.
fn on_hosts_alone(recorded: &Recorded) -> bool {
    let system = recorded.plan.as_ref().and_then(|plan| plan.get("system"));
    let named = system.and_then(|system| system.as_str());
    let simulated = ["leader-follower", "raft", "multi-leader", "leaderless"];
    named.is_some_and(|named| !simulated.contains(&named))
}

fn line(page: &mut Markup, number: usize, command: &str) {
    let id = format!("cmd{number}");
    page.raw("<div class=\"cmdrow\"><pre class=\"cmd\" tabindex=\"0\" role=\"region\"");
    page.attr("aria-label", &format!("Command {}", number + 1))
        .attr("id", &id)
        .raw(">");
    page.long(command, 2000)
        .raw("</pre><button class=\"btn script\" type=\"button\"");
    page.attr("data-copy", &format!("#{id}"))
        .raw(">Copy</button></div>\n");
}
