//! A minimal API server: objects by path, faults by path, and a record of all calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

#[derive(Default)]
pub struct Server {
    pub objects: Mutex<BTreeMap<String, Value>>,
    pub faults: Mutex<BTreeMap<String, u16>>,
    /// Answers that are given once, before the faults.
    pub first: Mutex<BTreeMap<String, VecDeque<u16>>>,
    pub calls: Mutex<Vec<(String, Value)>>,
}

impl Server {
    pub fn put(&self, path: &str, object: Value) {
        self.objects.lock().unwrap().insert(path.to_owned(), object);
    }

    pub fn fail(&self, path: &str, code: u16) {
        self.faults.lock().unwrap().insert(path.to_owned(), code);
    }

    pub fn fail_first(&self, path: &str, codes: &[u16]) {
        self.first.lock().unwrap().insert(path.to_owned(), codes.iter().copied().collect());
    }

    /// All bodies that were posted to a path.
    pub fn bodies(&self, path: &str) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        let posted = calls.iter().filter(|(call, _)| *call == format!("POST {path}"));
        posted.map(|(_, body)| body.clone()).collect()
    }

    fn answer(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.calls.lock().unwrap().push((format!("{method} {path}"), body.clone()));
        let refused = |code: u16| {
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": if code == 404 { "NotFound" } else { "Test" }, "message": "sk-canary-of-api"}),
            )
        };
        if let Some(code) = self.first.lock().unwrap().get_mut(path).and_then(VecDeque::pop_front) {
            return refused(code);
        }
        if let Some(code) = self.faults.lock().unwrap().get(path) {
            return refused(*code);
        }
        match method {
            "GET" => {
                self.objects.lock().unwrap().get(path).map_or_else(|| refused(404), |object| (200, object.clone()))
            }
            "PATCH" => {
                let mut object = body;
                object["metadata"]["resourceVersion"] = json!("1000");
                (200, object)
            }
            _ => (201, body),
        }
    }

    pub fn client(self: &Arc<Self>) -> Client {
        let server = Arc::clone(self);
        let service = tower::service_fn(move |request: hyper::Request<Body>| {
            let server = Arc::clone(&server);
            async move {
                let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
                let bytes = request.into_body().collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let (code, answer) = server.answer(&method, &path, body);
                let answer = hyper::Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, std::convert::Infallible>(answer.unwrap())
            }
        });
        Client::new(service, "team")
    }

    /// The calls since the last time, by path; a status with its Ready reason, an Event with its own.
    pub fn told(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        let line = |(call, body): (String, Value)| {
            let short = call.replace("/apis/aiproviders.dev/v1alpha1/namespaces/team/aiproviderseeds", "aps");
            match (&body["status"]["conditions"][0]["reason"], &body["reason"]) {
                (Value::String(reason), _) => format!("status {reason}"),
                (_, Value::String(reason)) => format!("event {reason}"),
                _ => short,
            }
        };
        calls.into_iter().map(line).collect()
    }
}
