//! One client process: a task, a client, one operation at a time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;
use workloads::generator::Invocation;

use crate::client::{Client, Connect, Outcome, Reply};

/// The client gets this long beyond the timeout to come back with its own answer, so that a
/// client that forgets its timeout cannot hold up the run.
const GRACE: Duration = Duration::from_millis(200);

/// What a worker is to do.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) process: u32,
    pub(crate) invocation: Invocation,
    pub(crate) timeout: Duration,
}

/// What a worker did.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) slot: usize,
    pub(crate) process: u32,
    pub(crate) reply: Reply,
}

/// Performs orders until nobody sends any more. A new process number means a new client.
pub(crate) async fn run<C: Connect + 'static>(
    connect: Arc<C>,
    slot: u32,
    mut orders: mpsc::UnboundedReceiver<Order>,
    done: mpsc::UnboundedSender<Completion>,
) {
    let slot = slot as usize;
    let mut current: Option<(u32, C::Client)> = None;
    while let Some(Order {
        process,
        invocation,
        timeout,
    }) = orders.recv().await
    {
        let client = match &mut current {
            Some((number, client)) if *number == process => client,
            _ => &mut current.insert((process, connect.open(slot, process))).1,
        };
        let answer = catch_panic(client.invoke(&invocation, timeout));
        let reply = match tokio::time::timeout(timeout + GRACE, answer).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(panic)) => unknown(format!("our client panicked: {panic}")),
            Err(_) => unknown("our client did not come back in time".into()),
        };
        if done
            .send(Completion {
                slot,
                process,
                reply,
            })
            .is_err()
        {
            return;
        }
    }
}

fn unknown(reason: String) -> Reply {
    Reply {
        outcome: Outcome::Info(reason),
        node: None,
    }
}

/// A panic in a client must close its operation, not hang the run.
async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic_message(&*panic))),
        },
    )
    .await
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into())
}
