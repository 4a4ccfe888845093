//! The host program of test/bindings/README.md in Rust.
use polyraft::{Entry, Error, Failure, ReadKind, Server, StateMachine};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Map {
    pairs: BTreeMap<String, String>,
    applied: usize,
    restored: usize,
    fails_snapshots: bool,
}

impl Map {
    fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.pairs.iter().map(|(key, value)| format!("{key}={value}"))
    }
}

fn pair(line: &str) -> (String, String) {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    (key.to_owned(), value.to_owned())
}

impl StateMachine for Map {
    fn apply(&mut self, entry: Entry<'_>) -> Result<(), Failure> {
        let (key, value) = pair(std::str::from_utf8(entry.data)?);
        assert!(key != "throw", "asked to throw");
        self.pairs.insert(key, value);
        self.applied += 1;
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        assert!(!self.fails_snapshots, "asked to fail snapshots");
        Ok(self.lines().map(|line| line + "\n").collect::<String>().into_bytes())
    }

    fn restore(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.pairs = std::str::from_utf8(data)?.lines().map(pair).collect();
        self.restored += 1;
        Ok(())
    }
}

/// The machine is the program's own, too: it is looked at before the start, and told to fail.
struct SharedMap(Arc<Mutex<Map>>);

impl StateMachine for SharedMap {
    fn apply(&mut self, entry: Entry<'_>) -> Result<(), Failure> {
        lock(&self.0).apply(entry)
    }
    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        lock(&self.0).snapshot()
    }
    fn restore(&mut self, data: &[u8]) -> Result<(), Failure> {
        lock(&self.0).restore(data)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[derive(Default)]
struct Host {
    map: Arc<Mutex<Map>>,
    events: Arc<Mutex<Vec<&'static str>>>,
    server: Mutex<Option<Arc<Server<SharedMap>>>>,
}

/// The name of the code, and the text.
struct Refusal(&'static str, String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error.code().name(), error.text().to_owned())
    }
}

impl Host {
    fn start(&self, config: &str) -> Result<String, Refusal> {
        let events = Arc::clone(&self.events);
        let server = Server::<SharedMap>::builder(config)
            .on_event(move |event, _, _| lock(&events).push(event.name()))
            .start(SharedMap(Arc::clone(&self.map)))?;
        *lock(&self.server) = Some(Arc::new(server));
        Ok(String::new())
    }

    fn server(&self) -> Result<Arc<Server<SharedMap>>, Refusal> {
        let server = lock(&self.server).clone();
        server.ok_or_else(|| Refusal("STOPPED", "the server has not been started".to_owned()))
    }

    fn run(&self, command: &str, rest: &str) -> Result<String, Refusal> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let last = words.last().and_then(|word| word.parse().ok()).unwrap_or(0);
        let timeout = Duration::from_millis(last);
        let position = |(index, term): (u64, u64)| format!("{index} {term}");
        Ok(match command {
            "start" => self.start(rest)?,
            "get" => lock(&self.map).pairs.get(words[0]).cloned().unwrap_or_default(),
            "dump" => lock(&self.map).lines().collect::<Vec<_>>().join(" "),
            "counts" => {
                let map = lock(&self.map);
                format!("{} {}", map.applied, map.restored)
            }
            "events" => lock(&self.events).join(" "),
            "fail_snapshots" => {
                lock(&self.map).fails_snapshots = true;
                String::new()
            }
            "propose" => {
                let entry = format!("{}={}", words[0], words[1]);
                position(self.server()?.propose(entry.as_bytes(), timeout)?)
            }
            "propose_async" => {
                let entry = format!("{}={}", words[0], words[1]);
                let proposal = self.server()?.propose_async(entry.as_bytes())?;
                position(proposal.wait(timeout)?)
            }
            "read_barrier" => self.server()?.read_barrier(timeout)?.to_string(),
            "read_barrier_async" => {
                self.server()?.read_barrier_async(ReadKind::Safe)?.wait(timeout)?.to_string()
            }
            "snapshot" => self.server()?.save_snapshot(timeout)?.to_string(),
            "status" => self.server()?.status()?,
            "stop" => {
                self.server()?.stop()?;
                String::new()
            }
            _ => return Err(Refusal("INVALID_ARGUMENT", format!("no such command: {command}"))),
        })
    }
}

fn main() {
    let host = Arc::new(Host::default());
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let host = Arc::clone(&host);
        std::thread::spawn(move || {
            let mut words = line.splitn(3, ' ');
            let (tag, command) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let answer = match host.run(command, words.next().unwrap_or("")) {
                Ok(text) => format!("ok {text}"),
                Err(Refusal(code, text)) => format!("error {code} {text}"),
            };
            let answer = format!("{tag} {}", answer.trim_end().replace('\n', " "));
            writeln!(std::io::stdout().lock(), "{answer}").ok();
        });
    }
    std::process::exit(0);
}
