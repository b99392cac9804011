//! Histories and findings as CSV, which DuckDB and spreadsheets read as they are.

use std::io::{self, Write};

use checkers::history::{Kind, Op, Process};

use super::told::Told;

/// The columns of a history: a row an entry.
pub const HISTORY: &str = "index,time_ns,process,type,f,key,value,node,error";

/// The columns of findings: a row a finding.
pub const FINDINGS: &str = "id,claim,anomaly,key,ops,argument";

/// Writes a history.
///
/// # Errors
///
/// When it cannot be written.
pub fn history(out: &mut impl Write, ops: &[Op]) -> io::Result<()> {
    writeln!(out, "{HISTORY}")?;
    for op in ops {
        let process = match op.process {
            Process::Client(number) => number.to_string(),
            Process::Nemesis => "nemesis".to_owned(),
        };
        let kind: Kind = op.kind;
        let key = op.key.as_ref().map_or(String::new(), json);
        write!(out, "{},{},{process},{},", op.index, op.time, kind.as_str())?;
        let rest = [
            op.f.as_str(),
            &key,
            &json(&op.value),
            op.node.as_deref().unwrap_or_default(),
            op.error.as_deref().unwrap_or_default(),
        ];
        writeln!(out, "{}", rest.map(field).join(","))?;
    }
    Ok(())
}

/// Writes the findings of a verdict.
///
/// # Errors
///
/// When it cannot be written.
pub fn findings(out: &mut impl Write, told: &Told) -> io::Result<()> {
    writeln!(out, "{FINDINGS}")?;
    for finding in &told.findings {
        let ops: Vec<String> = finding.ops.iter().map(ToString::to_string).collect();
        let (ops, argument) = (ops.join(" "), finding.argument.join(" "));
        let key = finding.key.as_deref().unwrap_or_default();
        let row = [
            &finding.id,
            &finding.claim,
            &finding.anomaly,
            key,
            &ops,
            &argument,
        ];
        writeln!(out, "{}", row.map(field).join(","))?;
    }
    Ok(())
}

/// A value as JSON has it, so that `1` and `"1"` stay apart.
fn json(value: &checkers::history::Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A field: quoted where it must be.
pub(crate) fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
