//! A map that three servers hold together. Writes go through the log, reads behind a barrier.
use polyraft::{set_log_level, Entry, Failure, LogLevel, Server, StateMachine};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct ReplicatedMap(BTreeMap<String, String>);

impl ReplicatedMap {
    fn read(&mut self, lines: &[u8]) -> Result<(), Failure> {
        for line in std::str::from_utf8(lines)?.lines() {
            let (key, value) = line.split_once('=').ok_or("not KEY=VALUE")?;
            self.0.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }
}

impl StateMachine for ReplicatedMap {
    fn apply(&mut self, entry: Entry<'_>) -> Result<(), Failure> {
        self.read(entry.data)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        let lines = self.0.iter().map(|(key, value)| format!("{key}={value}\n"));
        Ok(lines.collect::<String>().into_bytes())
    }

    fn restore(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.0.clear();
        self.read(data)
    }
}

fn main() -> Result<(), Failure> {
    set_log_level(LogLevel::Error)?;
    let top = std::env::temp_dir().join(format!("replicated-map-{}", std::process::id()));
    let sockets = (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let peers = (1..)
        .zip(&sockets)
        .map(|(id, socket)| Ok(format!(r#"{{"id": {id}, "url": "http://{}"}}"#, socket.local_addr()?)))
        .collect::<Result<Vec<_>, std::io::Error>>()?
        .join(", ");
    drop(sockets);

    let mut servers = Vec::new();
    for id in 1..=3 {
        let place = top.join(id.to_string());
        let config = format!(
            r#"{{"id": {id}, "waldir": "{0}/wal", "snapdir": "{0}/snap", "peers": [{peers}]}}"#,
            place.display()
        );
        servers.push(Server::start(&config, ReplicatedMap::default())?);
    }
    for (i, server) in servers.iter().enumerate() {
        let entry = format!("key {i}=written on server {}", i + 1);
        let (index, term) = server.propose(entry.as_bytes(), TIMEOUT)?;
        println!("index {index}, term {term}: {entry}");
    }
    for server in &servers {
        server.read_barrier(TIMEOUT)?;
        println!("{:?}", server.read(|map| map.0.clone())?);
    }
    drop(servers);
    std::fs::remove_dir_all(top)?;
    Ok(())
}
