//! The ledger as a table, for spreadsheets and scripts.

use std::io::{self, Write};

use super::ledger::Row;
use crate::history::{Nanos, Value};

/// Writes rows as comma-separated values (RFC 4180), one a line, under a line of names.
///
/// | column | what stands there |
/// |---|---|
/// | `fate` | "present", "replaced" (later), "overwritten" (concurrently), "lost", "undecided", "recovered", "dirty", "duplicate", "phantom" |
/// | `kind` | "register" or "element" |
/// | `key`, `value` | the object; what was written or added. Text stands as it is, anything else as JSON |
/// | `index` | the index of the entry that began the write |
/// | `process` | who wrote |
/// | `node` | the node that answered; of a dirty, duplicate or phantom row the node that holds it |
/// | `began_ns`, `ended_ns` | when the write began, and when it was acknowledged or failed |
/// | `lacking` | the nodes that were finally read and do not have it, with spaces between |
/// | `faults` | the faults in force when it ended, with "; " between |
/// | `promoted`, `begins_at`, `log_ends` | the next promotion after it: who, at which position of the log, and where the logs of the nodes that were asked ended ("n1=12 n2=15") |
///
/// What is not known is empty.
///
/// # Errors
///
/// Those of `out`.
pub fn write_csv<'l>(
    rows: impl IntoIterator<Item = Row<'l>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(
        b"fate,kind,key,value,index,process,node,began_ns,ended_ns,lacking,faults,promoted,\
          begins_at,log_ends\r\n",
    )?;
    for row in rows {
        write_row(&row, out)?;
    }
    Ok(())
}

fn write_row(row: &Row<'_>, out: &mut dyn Write) -> io::Result<()> {
    let kind = if row.is_element {
        "element"
    } else {
        "register"
    };
    write!(out, "{},{kind},", row.fate.as_str())?;
    field(out, &text(&row.key()))?;
    field(out, &text(&row.value()))?;
    write!(
        out,
        "{},",
        row.index().map_or(String::new(), |index| index.to_string())
    )?;
    let process = row
        .process()
        .map_or(String::new(), |process| process.to_string());
    write!(out, "{process},")?;
    field(out, row.node().unwrap_or(""))?;
    let nanos = |time: Option<Nanos>| time.map_or(String::new(), |time| time.to_string());
    write!(out, "{},{},", nanos(row.began()), nanos(row.ended()))?;
    field(out, &row.lacking().join(" "))?;
    field(out, &row.faults().collect::<Vec<_>>().join("; "))?;
    let promotion = row.promotion();
    let promoted = promotion.as_ref().and_then(super::Promotion::leader);
    field(out, promoted.unwrap_or(""))?;
    let begins = promotion.as_ref().and_then(super::Promotion::begins_at);
    write!(
        out,
        "{},",
        begins.map_or(String::new(), |begins| begins.to_string())
    )?;
    let ends = promotion.map_or(Vec::new(), |promotion| promotion.log_ends());
    let ends = ends.iter().map(|(node, end)| format!("{node}={end}"));
    quoted(out, &ends.collect::<Vec<_>>().join(" "))?;
    out.write_all(b"\r\n")
}

fn text(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        _ => value.to_string(),
    }
}

fn field(out: &mut dyn Write, text: &str) -> io::Result<()> {
    quoted(out, text)?;
    out.write_all(b",")
}

/// In quotes if it holds what would end a field; a quote is doubled.
fn quoted(out: &mut dyn Write, text: &str) -> io::Result<()> {
    if text.contains([',', '"', '\r', '\n']) {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
    }
}
