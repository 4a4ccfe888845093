//! The log of a process of its own: other tests would write into it.
use polyraft::{Entry, Failure, LogFormat, LogLevel, Server, StateMachine};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Nothing;

impl StateMachine for Nothing {
    fn apply(&mut self, _: Entry<'_>) -> Result<(), Failure> {
        Ok(())
    }
    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }
    fn restore(&mut self, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn lines_come_to_a_callback() {
    let directory = std::env::temp_dir().join(format!("polyraft-rust-log-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        r#"{{"id": 1, "cluster_id": 9, "tickms": 20, "waldir": "{0}/wal", "snapdir": "{0}/snap",
            "peers": [{{"id": 1, "url": "http://127.0.0.1:{port}"}}]}}"#,
        directory.display()
    );
    polyraft::set_log_level(LogLevel::Debug).unwrap();
    polyraft::set_log_format(LogFormat::Json).unwrap();
    // What panics below is meant to.
    std::panic::set_hook(Box::new(|_| {}));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let panics = Arc::new(AtomicUsize::new(0));
    let (seen, count) = (Arc::clone(&lines), Arc::clone(&panics));
    polyraft::set_log_callback(move |record| {
        seen.lock().unwrap().push(record.clone());
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            panic!("meant to: nobody minds");
        }
    })
    .unwrap();
    let server = Server::start(&config, Nothing).unwrap();
    server.read_barrier(Duration::from_secs(60)).unwrap();
    polyraft::clear_log_callback().unwrap();
    let _ = std::panic::take_hook();
    polyraft::set_log_level(LogLevel::Critical).unwrap();
    assert_eq!(Arc::strong_count(&lines), 1);
    let lines = lines.lock().unwrap();
    let leader = lines.iter().find(|line| line.message.contains("is the leader at term")).unwrap();
    assert_eq!((leader.source.as_str(), leader.server), ("raft", Some((9, 1))));
    drop(server);
    std::fs::remove_dir_all(directory).ok();
}
