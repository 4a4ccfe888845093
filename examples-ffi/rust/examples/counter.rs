//! A counter that every node of a cluster holds alike; here the cluster is this program alone.
use polyraft::{Entry, Failure, Server, StateMachine};
use std::time::Duration;

#[derive(Default)]
struct Counter(i64);

impl StateMachine for Counter {
    fn apply(&mut self, entry: Entry<'_>) -> Result<(), Failure> {
        self.0 += std::str::from_utf8(entry.data)?.parse::<i64>()?; // an error stops this server
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.0.to_string().into_bytes())
    }

    fn restore(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.0 = std::str::from_utf8(data)?.parse()?;
        Ok(())
    }
}

fn main() -> Result<(), polyraft::Error> {
    let url = std::env::args().nth(1).unwrap_or("http://127.0.0.1:9001".to_owned());
    let config =
        format!(r#"{{"id": 1, "waldir": "wal", "snapdir": "snap", "peers": [{{"id": 1, "url": "{url}"}}]}}"#);
    let timeout = Duration::from_secs(10);
    let server = Server::start(&config, Counter::default())?;
    server.propose(b"5", timeout)?;
    server.read_barrier(timeout)?;
    server.save_snapshot(timeout)?;
    println!("{}", server.read(|counter| counter.0)?);
    Ok(())
}
