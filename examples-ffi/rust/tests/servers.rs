//! One server and its state machine. The scenarios of several are in test/bindings.
use polyraft::{
    Entry, Error, ErrorCode, Event, Failure, LogLevel, MemberChange, MemberChangeKind, ReadKind, Role,
    Server, StateMachine,
};
use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A directory of its own, removed at the end.
struct Place(PathBuf);

static PLACES: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn new() -> Self {
        // What goes wrong here is meant to.
        polyraft::set_log_level(LogLevel::Critical).unwrap();
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("polyraft-rust-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// With as many peers, of which only the first runs; `more` are further keys.
    fn config(&self, nodes: usize, more: &str) -> String {
        let sockets: Vec<_> = (0..nodes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let peers: Vec<_> = (1..)
            .zip(&sockets)
            .map(|(id, socket)| {
                format!(r#"{{"id": {id}, "url": "http://{}"}}"#, socket.local_addr().unwrap())
            })
            .collect();
        format!(
            r#"{{"id": 1, "tickms": 20, "waldir": "{0}/wal", "snapdir": "{0}/snap", "peers": [{1}]{more}}}"#,
            self.0.display(),
            peers.join(", ")
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Keeps what was applied; some entries and `refuses_snapshots` make it fail.
#[derive(Default)]
struct Journal {
    entries: Vec<String>,
    restores: usize,
    refuses_snapshots: bool,
    gate: Option<mpsc::Receiver<()>>,
}

impl StateMachine for Journal {
    fn apply(&mut self, entry: Entry<'_>) -> Result<(), Failure> {
        let text = std::str::from_utf8(entry.data)?.to_owned();
        match text.as_str() {
            "panic" => panic!("asked to panic"),
            "fail" => return Err("asked to fail".into()),
            "hold" => self.gate.take().expect("a gate").recv_timeout(TIMEOUT)?,
            "refuse snapshots" => self.refuses_snapshots = true,
            "allow snapshots" => self.refuses_snapshots = false,
            _ => {}
        }
        self.entries.push(text);
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        assert!(!self.refuses_snapshots, "no snapshot today");
        Ok(self.entries.join("\n").into_bytes())
    }

    fn restore(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.entries = std::str::from_utf8(data)?.lines().map(str::to_owned).collect();
        self.restores += 1;
        Ok(())
    }
}

fn entries(server: &Server<Journal>) -> Vec<String> {
    server.read(|journal| journal.entries.clone()).unwrap()
}

/// Without a leader yet a proposal is refused: it is made again.
fn propose(server: &Server<Journal>, text: &str) -> (u64, u64) {
    let end = Instant::now() + TIMEOUT;
    loop {
        match server.propose(text.as_bytes(), TIMEOUT) {
            Ok(position) => return position,
            Err(error)
                if matches!(error.code(), ErrorCode::NoLeader | ErrorCode::Rejected)
                    && Instant::now() < end =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
    result.expect_err("an error was to come").code()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct ThreadWaker(std::thread::Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(ThreadWaker(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn an_entry_is_applied_when_propose_returns() {
    let place = Place::new();
    let server = Server::start(&place.config(1, ""), Journal::default()).unwrap();
    let (first, term) = propose(&server, "one");
    assert_eq!(server.propose(b"two", TIMEOUT).unwrap(), (first + 1, term));
    assert_eq!(entries(&server), ["one", "two"]);
    assert_eq!(server.applied_index().unwrap(), first + 1);
    assert!(server.read_barrier(TIMEOUT).unwrap() > first);
    assert!(server.status().unwrap().contains(r#""role":"leader""#));
    assert_eq!(server.peers().unwrap(), "[]");
    assert!(server.metrics().unwrap().contains("polyraft_"));
    assert_eq!(polyraft::version(), env!("CARGO_PKG_VERSION"));
    server.transfer_leadership(1, TIMEOUT).unwrap();
    assert_eq!(code(server.transfer_leadership(9, TIMEOUT)), ErrorCode::UnknownMember);
}

#[test]
fn futures_batches_and_threads() {
    let place = Place::new();
    let server = Server::start(&place.config(1, ""), Journal::default()).unwrap();
    let (first, _) = propose(&server, "first");
    let batch: Vec<_> = (0..200).map(|i| format!("batch {i}")).collect();
    for (i, proposal) in server.propose_batch(&batch, TIMEOUT).into_iter().enumerate() {
        assert_eq!(proposal.unwrap().wait(TIMEOUT).unwrap().0, first + 1 + i as u64);
    }
    assert_eq!(entries(&server)[1..], batch);
    assert_eq!(block_on(server.propose_async(b"awaited").unwrap()).unwrap().0, first + 201);
    assert_eq!(entries(&server).last().unwrap(), "awaited");
    // Empty: an index, and nothing to apply.
    assert_eq!(block_on(server.propose_async(b"").unwrap()).unwrap().0, first + 202);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for i in 0..25 {
                    server.propose(format!("thread {thread} {i}").as_bytes(), TIMEOUT).unwrap();
                }
            });
        }
    });
    assert_eq!(entries(&server).len(), 302);
    drop(server.propose_async(b"nobody waits").unwrap());
    assert!(server.propose_batch::<&[u8]>(&[], TIMEOUT).is_empty());
}

#[test]
fn proposals_and_barriers_are_settled_when_it_is_applied_here() {
    let place = Place::new();
    let (gate, held) = mpsc::channel();
    let journal = Journal { gate: Some(held), ..Journal::default() };
    let server = Server::start(&place.config(1, ""), journal).unwrap();
    propose(&server, "first");
    let proposal = server.propose_async(b"hold").unwrap();
    assert_eq!(code(proposal.wait(Duration::from_millis(300))), ErrorCode::Timeout);
    let barrier = server.read_barrier_async(ReadKind::Safe).unwrap();
    assert_eq!(code(barrier.wait(Duration::from_millis(300))), ErrorCode::Timeout);
    gate.send(()).unwrap();
    let (index, _) = proposal.wait(TIMEOUT).unwrap();
    assert_eq!(barrier.wait(TIMEOUT).unwrap(), index);
    assert_eq!(block_on(server.read_barrier_async(ReadKind::Safe).unwrap()).unwrap(), index);
    assert_eq!(entries(&server), ["first", "hold"]);
}

#[test]
fn a_restart_replays_the_log_or_restores_the_snapshot() {
    let place = Place::new();
    let config = place.config(1, "");
    let server = Server::start(&config, Journal::default()).unwrap();
    for i in 0..20 {
        propose(&server, &format!("entry {i}"));
    }
    let expected = entries(&server);
    drop(server);
    let server = Server::start(&config, Journal::default()).unwrap();
    server.read_barrier(TIMEOUT).unwrap();
    assert_eq!(entries(&server), expected);
    assert_eq!(server.read(|journal| journal.restores).unwrap(), 0);
    server.save_snapshot(TIMEOUT).unwrap();
    server.hand_over_and_stop().unwrap();
    let server = Server::start(&config, Journal::default()).unwrap();
    server.read_barrier(TIMEOUT).unwrap();
    assert_eq!(entries(&server), expected);
    assert_eq!(server.read(|journal| journal.restores).unwrap(), 1);
    let applied = server.applied_index().unwrap();
    drop(server);
    let builder = Server::<Journal>::builder(&config).applied_index(applied);
    let server = builder.start(Journal::default()).unwrap();
    server.read_barrier(TIMEOUT).unwrap();
    assert_eq!(entries(&server), [""; 0]);
}

#[test]
fn events_and_roles() {
    let place = Place::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let roles = Arc::new(Mutex::new(Vec::new()));
    let (heard, seen) = (Arc::clone(&events), Arc::clone(&roles));
    let server = Server::<Journal>::builder(&place.config(1, ""))
        .on_event(move |event, value, _| heard.lock().unwrap().push((event, value)))
        .on_role(move |role| seen.lock().unwrap().push(role))
        .start(Journal::default())
        .unwrap();
    propose(&server, "one");
    let index = server.save_snapshot(TIMEOUT).unwrap();
    eventually("the event", || events.lock().unwrap().contains(&(Event::SnapshotSaved, index)));
    eventually("the leader", || events.lock().unwrap().contains(&(Event::LeaderChanged, 1)));
    eventually("the role", || roles.lock().unwrap().contains(&Role::Leader));
}

#[test]
fn members() {
    let place = Place::new();
    let server = Server::start(&place.config(1, ""), Journal::default()).unwrap();
    propose(&server, "one");
    let index = server.add_learner(7, "http://127.0.0.1:9", TIMEOUT).unwrap();
    assert!(server.update_member(7, "http://127.0.0.1:10", TIMEOUT).unwrap() > index);
    assert!(server.status().unwrap().contains("127.0.0.1:10"));
    assert_eq!(code(server.add_member(7, "no url", TIMEOUT)), ErrorCode::Url);
    assert_eq!(code(server.add_member(7, "http://a\0b", TIMEOUT)), ErrorCode::InvalidArgument);
    assert_eq!(code(server.promote_learner(8, TIMEOUT)), ErrorCode::UnknownMember);
    server.remove_member(7, TIMEOUT).unwrap();
    let learner = |id, port: u16| MemberChange {
        kind: MemberChangeKind::AddLearner,
        id,
        url: Some(format!("http://127.0.0.1:{port}")),
    };
    server.change_members(&[learner(8, 11), learner(9, 12)], TIMEOUT).unwrap();
    assert_eq!(code(server.change_members(&[], TIMEOUT)), ErrorCode::InvalidArgument);
    assert!(server.status().unwrap().contains("127.0.0.1:12"));
}

#[test]
fn errors_have_a_code_and_a_text() {
    let place = Place::new();
    let wrong = Server::start(&place.config(1, r#", "tickms": "fast""#), Journal::default());
    let error = wrong.err().unwrap();
    assert_eq!(error.code(), ErrorCode::Config);
    assert!(error.text().contains("tickms"), "{error}");
    assert!(!error.may_take_effect());
    let config = place.config(1, r#", "max_proposal_bytes": 10"#);
    let server = Server::start(&config, Journal::default()).unwrap();
    assert_eq!(code(Server::start(&config, Journal::default()).map(|_| ())), ErrorCode::InUse);
    propose(&server, "0123456789");
    assert_eq!(code(server.propose(b"0123456789a", TIMEOUT)), ErrorCode::TooLarge);
    assert_eq!(code(server.propose_async(b"0123456789a").map(|_| ())), ErrorCode::TooLarge);
    let batch = server.propose_batch(&["fits", "0123456789a", "behind"], TIMEOUT);
    let codes: Vec<_> = batch.into_iter().map(|one| one.err().map(|error| error.code())).collect();
    assert_eq!(codes, [None, Some(ErrorCode::TooLarge), Some(ErrorCode::TooLarge)]);
    assert_ne!(code(server.read_barrier_by(ReadKind::Lease, TIMEOUT)), ErrorCode::Timeout);
    server.stop().unwrap();
    server.stop().unwrap();
    assert_eq!(code(server.propose(b"late", TIMEOUT)), ErrorCode::UnknownHandle);
    assert_eq!(code(server.propose_async(b"late").map(|_| ())), ErrorCode::UnknownHandle);
    assert_eq!(code(server.read_barrier_async(ReadKind::Safe).map(|_| ())), ErrorCode::UnknownHandle);
    assert_eq!(code(server.status()), ErrorCode::UnknownHandle);
    assert_eq!(server.read(|journal| journal.entries[0].clone()).unwrap(), "0123456789");
}

#[test]
fn stop_ends_what_waits() {
    let place = Place::new();
    let server = Server::start(&place.config(3, ""), Journal::default()).unwrap();
    let proposal = server.propose_async(b"never").unwrap();
    let barrier = server.read_barrier_async(ReadKind::Safe).unwrap();
    assert_ne!(code(server.read_barrier(Duration::from_millis(100))), ErrorCode::Ok);
    server.stop().unwrap();
    assert_ne!(code(proposal.wait(TIMEOUT)), ErrorCode::Timeout);
    assert!(![ErrorCode::Timeout, ErrorCode::Ok].contains(&code(barrier.wait(TIMEOUT))));
}

#[test]
fn a_panic_or_an_error_in_apply_stops_the_server_and_nothing_else() {
    for (entry, reason) in [("panic", "asked to panic"), ("fail", "asked to fail")] {
        let place = Place::new();
        let failed = Arc::new(Mutex::new(false));
        let told = Arc::clone(&failed);
        let server = Server::<Journal>::builder(&place.config(1, ""))
            .on_event(move |event, _, _| {
                if event == Event::ServerFailed {
                    *told.lock().unwrap() = true;
                    panic!("a panic of an observer harms nobody");
                }
            })
            .start(Journal::default())
            .unwrap();
        propose(&server, "good");
        let proposal = server.propose_async(entry.as_bytes()).unwrap();
        assert_ne!(code(proposal.wait(TIMEOUT)), ErrorCode::Timeout);
        eventually("the event", || *failed.lock().unwrap());
        assert!(server.failure().unwrap().contains(reason));
        assert!(server.propose(b"late", TIMEOUT).is_err());
        assert_eq!(code(server.read(|_| ())), ErrorCode::CallbackFailed);
    }
}

#[test]
fn a_panic_in_snapshot_fails_that_snapshot_only() {
    let place = Place::new();
    let server = Server::start(&place.config(1, ""), Journal::default()).unwrap();
    propose(&server, "refuse snapshots");
    assert_eq!(code(server.save_snapshot(TIMEOUT)), ErrorCode::CallbackFailed);
    assert!(server.failure().unwrap().contains("no snapshot today"));
    propose(&server, "allow snapshots");
    let index = server.applied_index().unwrap();
    assert_eq!(server.save_snapshot(TIMEOUT).unwrap(), index);
}

/// Calls its own server from within, and is its last owner at the end.
struct Recursive {
    server: Arc<Mutex<Option<Arc<Server<Recursive>>>>>,
    codes: mpsc::Sender<ErrorCode>,
}

impl StateMachine for Recursive {
    fn apply(&mut self, _: Entry<'_>) -> Result<(), Failure> {
        let taken = self.server.lock().unwrap().take();
        if let Some(server) = taken {
            self.codes.send(code(server.propose(b"inner", TIMEOUT)))?;
            self.codes.send(code(server.read(|_| ())))?;
            self.codes.send(code(server.stop()))?;
        }
        Ok(())
    }
    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }
    fn restore(&mut self, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

impl Drop for Recursive {
    fn drop(&mut self) {
        // What tells that all of it has been freed.
        self.codes.send(ErrorCode::Ok).ok();
    }
}

#[test]
fn calls_that_wait_are_refused_in_a_callback_where_the_last_owner_may_be() {
    let place = Place::new();
    let (codes, told) = mpsc::channel();
    let shared = Arc::new(Mutex::new(None));
    let machine = Recursive { server: Arc::clone(&shared), codes };
    let server = Arc::new(Server::start(&place.config(1, ""), machine).unwrap());
    server.read_barrier(TIMEOUT).unwrap();
    *shared.lock().unwrap() = Some(Arc::clone(&server));
    let proposal = server.propose_async(b"outer").unwrap();
    drop(server);
    let seen: Vec<_> = (0..4).map(|_| told.recv_timeout(TIMEOUT).unwrap()).collect();
    let deadlock = ErrorCode::WouldDeadlock;
    assert_eq!(seen, [deadlock, deadlock, deadlock, ErrorCode::Ok]);
    proposal.wait(TIMEOUT).ok();
}
