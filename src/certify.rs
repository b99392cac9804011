//! Writing certificates: what [`verify`](crate::verify) checks.

use checkers::calls::Calls;
use checkers::history::Value;
use checkers::{Budget, Linearizable, Report, Verdict};

use crate::verify::{FORMAT, Head, Line};

/// The certificate of a verdict on linearizability, in lines of JSON.
///
/// # Errors
///
/// Why there is none.
pub fn certificate(
    judge: &Linearizable,
    calls: &Calls,
    report: &Report,
    budget: &Budget,
) -> Result<String, String> {
    let (verdict, lines) = match report.verdict {
        Verdict::Undecided => return Err("an undecided claim has no certificate".to_owned()),
        Verdict::Held => {
            let orders = judge.orders(calls, budget)?;
            let lines = orders.into_iter().map(|order| Line {
                model: order.model.to_string(),
                absent: (order.absent != Value::Nil).then_some(order.absent),
                order: Some(order.calls),
                contradiction: None,
            });
            ("held", lines.collect())
        }
        Verdict::Violated => {
            let missing = "the contradiction names no object of a known model";
            let anomaly = report.anomalies.first().ok_or(missing)?;
            let key = match anomaly.key.clone().unwrap_or_default() {
                // An element of a set.
                Value::List(parts)
                    if parts.len() == 2
                        && judge.model_of(calls, &Value::List(parts.clone())).is_none() =>
                {
                    parts[0].clone()
                }
                key => key,
            };
            let model = judge.model_of(calls, &key).ok_or(missing)?;
            let absent = Linearizable::absent(calls);
            let line = Line {
                model: model.to_string(),
                absent: (absent != Value::Nil).then_some(absent),
                order: None,
                contradiction: Some(anomaly.ops.clone()),
            };
            ("violated", vec![line])
        }
    };
    let head = Head {
        certificate: FORMAT.to_owned(),
        verdict: verdict.to_owned(),
    };
    let mut text = json(&head);
    for line in &lines {
        text.push('\n');
        text += &json(line);
    }
    text.push('\n');
    Ok(text)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("certificates have a form in JSON")
}
