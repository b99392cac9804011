//! A browser without a window, driven over a pipe by the DevTools protocol: messages in JSON,
//! each ended by a zero byte.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// Where axe-core is, once scripts/setup or `npm install` in `tests/browser` has put it there.
pub(crate) fn axe() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/browser/node_modules/axe-core/axe.min.js")
}

/// The browser's program, if there is one.
pub(crate) fn program() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.into_iter().find(|name| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {name}")])
            .output();
        found.is_ok_and(|output| output.status.success())
    })
}

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Value,
    next: u64,
    /// What the browser told unasked, in order.
    pub(crate) events: Vec<Value>,
    profile: PathBuf,
}

impl Browser {
    pub(crate) fn start(program: &str) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let profile = format!("schism-browser-{}-{number}", std::process::id());
        let profile = std::env::temp_dir().join(profile);
        // The browser reads from descriptor 3 and writes to 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                program,
            ])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-pipe",
            ])
            .args(["--disable-dev-shm-usage", "--window-size=1400,1000"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let to = child.stdin.take().expect("it has an input");
        let mut output = BufReader::new(child.stdout.take().expect("it has an output"));
        let (sender, from) = mpsc::channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|read| read > 0)
            {
                message.pop();
                let value = serde_json::from_slice(&message).expect("messages are JSON");
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            session: Value::Null,
            next: 0,
            events: Vec::new(),
            profile,
        };
        let targets = browser.ask("Target.getTargets", json!({}));
        let page = targets["targetInfos"].as_array().expect("a list").iter();
        let page = page
            .filter(|t| t["type"] == "page")
            .map(|t| t["targetId"].clone())
            .next();
        let page = page.unwrap_or_else(|| {
            browser.ask("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone()
        });
        let attach = json!({"targetId": page, "flatten": true});
        browser.session = browser.ask("Target.attachToTarget", attach)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Asks, and waits for the answer.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is asked is made on the spot"
    )]
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.from.recv_timeout(left) {
                Ok(answer) if answer["id"] == id => {
                    assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                    return answer["result"].clone();
                }
                Ok(event) => self.events.push(event),
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer in {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the browser is gone"),
            }
        }
    }

    /// What an expression of the page's own language comes to, waited for if it is a promise.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", params);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Opens a page and waits until the expression is true in it.
    pub(crate) fn open(&mut self, path: &Path, ready: &str) {
        self.events.clear();
        let url = format!("file://{}", path.display());
        self.ask("Page.navigate", json!({ "url": url }));
        self.wait(&format!("document.readyState === 'complete' && ({ready})"));
    }

    pub(crate) fn wait(&mut self, condition: &str) {
        let until = Instant::now() + PATIENCE;
        while self.eval(condition) != true {
            assert!(Instant::now() < until, "never true: {condition}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key as a person does.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            _ => 0,
        };
        let mut down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if key.len() == 1 {
            down["text"] = key.into();
        }
        self.ask("Input.dispatchKeyEvent", down);
        self.ask(
            "Input.dispatchKeyEvent",
            json!({"type": "keyUp", "key": key}),
        );
    }

    pub(crate) fn theme(&mut self, theme: &str) {
        let feature = json!([{"name": "prefers-color-scheme", "value": theme}]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": feature }));
    }

    /// Everything that the page said to its console, and every error.
    pub(crate) fn console(&self) -> Vec<String> {
        let told = [
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
        ];
        let told = |event: &&Value| told.iter().any(|method| event["method"] == *method);
        self.events
            .iter()
            .filter(told)
            .map(ToString::to_string)
            .collect()
    }

    /// Every address that was asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let asked = |event: &&Value| event["method"] == "Network.requestWillBeSent";
        let url = |event: &Value| {
            event["params"]["request"]["url"]
                .as_str()
                .map(str::to_owned)
        };
        self.events.iter().filter(asked).filter_map(url).collect()
    }

    /// The whole page as a picture in the test's output.
    pub(crate) fn picture(&mut self, name: &str) -> PathBuf {
        let shot = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.clip(shot);
        let shot = self.ask("Page.captureScreenshot", shot);
        let letters = shot["data"].as_str().expect("letters of base64");
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, letters);
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&place, bytes.expect("it decodes")).expect("it can be written");
        place
    }

    fn clip(&mut self, mut shot: Value) -> Value {
        let size = self.ask("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        shot["clip"] = json!({"x": 0, "y": 0, "width": size["width"],
            "height": size["height"].as_f64().unwrap_or(1000.0).min(16_000.0), "scale": 1});
        shot
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser that this test started, and nothing else; it may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.profile));
    }
}
