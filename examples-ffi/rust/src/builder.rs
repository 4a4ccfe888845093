use crate::callbacks::{OnEvent, OnRole};
use crate::{Error, Event, Index, Role, Server, StateMachine};

/// How to start a server, where `Server::start` is not enough.
pub struct Builder {
    pub(crate) config: String,
    pub(crate) applied_index: Index,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) on_role: Option<OnRole>,
}

impl Builder {
    pub(crate) fn new(config: String) -> Self {
        Self { config, applied_index: 0, on_event: None, on_role: None }
    }

    /// The last entry whose effect the state machine's own durable state holds already: what comes up to it is not
    /// applied again.
    #[must_use]
    pub fn applied_index(mut self, index: Index) -> Self {
        self.applied_index = index;
        self
    }

    /// Called with each event, its value and text, on another thread than the state machine, one at a time.
    #[must_use]
    pub fn on_event(mut self, call: impl Fn(Event, u64, &str) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(call));
        self
    }

    /// Called when the role changes, on the thread of `on_event`.
    #[must_use]
    pub fn on_role(mut self, call: impl Fn(Role) + Send + Sync + 'static) -> Self {
        self.on_role = Some(Box::new(call));
        self
    }

    /// Starts the server.
    pub fn start<M: StateMachine>(self, machine: M) -> Result<Server<M>, Error> {
        Server::start_with(self, machine)
    }
}
