//! Requests for a check without a watch event: a database announced a change, or a rollout progressed.

use std::sync::{Mutex, PoisonError};

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::index::Key;
use super::scope::Scope;

/// The requester limits the frequency; the queue keeps one of several requests for a resource.
#[derive(Default)]
pub struct Rechecks(Mutex<Vec<(Scope, UnboundedSender<Key>)>>);

impl Rechecks {
    /// Requests for a scope from now on.
    pub fn of(&self, scope: &Scope) -> impl Stream<Item = Key> + Send + 'static + use<> {
        let (sender, receiver) = unbounded_channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((scope.clone(), sender));
        unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|key| (key, receiver)) })
    }

    pub fn ask(&self, resource: &Key) {
        let mut scopes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.retain(|(scope, sender)| !scope.contains(resource) || sender.send(resource.clone()).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn request_reaches_only_the_scope_of_its_namespace() {
        let rechecks = Rechecks::default();
        let key = |namespace: &str| (namespace.to_owned(), "coder".to_owned());
        let mut one = Box::pin(rechecks.of(&Scope::Namespace("one".to_owned())));
        let mut all = Box::pin(rechecks.of(&Scope::All));
        rechecks.ask(&key("one"));
        rechecks.ask(&key("two"));
        assert_eq!(one.next().now_or_never().flatten(), Some(key("one")));
        assert_eq!(one.next().now_or_never(), None);
        assert_eq!(all.next().now_or_never().flatten(), Some(key("one")));
        assert_eq!(all.next().now_or_never().flatten(), Some(key("two")));
        drop(one);
        rechecks.ask(&key("one"));
        assert_eq!(rechecks.0.lock().unwrap().len(), 1);
    }
}
