//! An operation is asked once, whatever the server does to the connection: a repeated write
//! would look like a fault of the system.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkers::history::{F, Value};
use schism::client::{Client, Clientele, Connect, Outcome, Route};
use schism::cluster::Node;
use schism::remote::scripted::Scripted;
use schism::systems::reference::{Clients, Crowd};
use workloads::generator::Invocation;

/// What a server does once it has read a request whole.
#[derive(Clone, Copy)]
enum Manner {
    Answer,
    /// Answers, and closes the connection a little later, when it lies idle in the pool.
    AnswerAndClose,
    CloseUnanswered,
}

const MANNERS: [Manner; 3] = [
    Manner::Answer,
    Manner::AnswerAndClose,
    Manner::CloseUnanswered,
];

/// How often each value was asked to be written.
type Seen = Arc<Mutex<HashMap<i64, u32>>>;

/// A whole request's body, or none when the client has gone.
fn read_request(stream: &mut TcpStream) -> Option<serde_json::Value> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).ok()?.to_ascii_lowercase();
    let length = head
        .split("content-length:")
        .nth(1)?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn serve(mut stream: TcpStream, seen: &Seen) -> Option<()> {
    loop {
        let request = read_request(&mut stream)?;
        let value = request["op"]["value"].as_i64()?;
        *seen
            .lock()
            .expect("nobody panics with this lock")
            .entry(value)
            .or_default() += 1;
        let index = usize::try_from(value).ok()?;
        let manner = MANNERS[index % MANNERS.len()];
        if matches!(manner, Manner::CloseUnanswered) {
            return None;
        }
        let body = r#"{"done":{"result":"written","epoch":1,"position":1}}"#;
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).ok()?;
        if matches!(manner, Manner::AnswerAndClose) {
            // Sometimes before and sometimes while the next request is on its way.
            std::thread::sleep(Duration::from_micros(u64::try_from(index % 7).ok()? * 100));
            return None;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_arrives_twice_however_connections_die() {
    let address: IpAddr = "127.77.0.1".parse().unwrap();
    let listener = TcpListener::bind((address, 7400)).expect("this loopback address is ours");
    let seen = Seen::default();
    let served = Arc::clone(&seen);
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&served);
            std::thread::spawn(move || serve(stream, &seen));
        }
    });
    let remote = Arc::new(Scripted::silent("n1"));
    let node = Node {
        name: Arc::from("n1"),
        address,
        ssh_port: 22,
        remote,
    };
    let clientele = Clientele {
        workload: "register",
        route: Route::Leader,
        slots: 1,
        seed: 1,
    };
    let clients = Clients::new(&[node], clientele, Arc::default(), Crowd::Led);
    let mut client = clients.open(0, 0);
    let (mut ok, mut unknown, mut failed) = (0, 0, 0);
    for value in 0..600 {
        let write = Invocation::new(F::new("write"), Some(Value::str("r1")), Value::Int(value));
        match client.invoke(&write, Duration::from_secs(5)).await.outcome {
            Outcome::Ok(_) => ok += 1,
            Outcome::Info(_) => unknown += 1,
            Outcome::Fail(_) => failed += 1,
        }
    }
    let seen = seen.lock().unwrap();
    assert!(
        seen.values().all(|times| *times == 1),
        "asked twice: {seen:?}"
    );
    // What was read whole and not answered is unknown; nothing is called failed that arrived.
    assert!(
        ok > 100 && unknown >= 200 && failed == 0,
        "{ok} ok, {unknown} info, {failed} fail"
    );
    assert!(seen.len() >= ok, "what was acknowledged had arrived");
}
