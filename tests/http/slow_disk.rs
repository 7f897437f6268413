//! A disk that takes long to store a write: queries are answered meanwhile, however many writes wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use tempfile::TempDir;
use tenure::callers::Callers;
use tenure::engine::Engine;
use tenure::model::SystemClock;
use tenure::model::limits::EvaluationLimits;
use tenure::server::{self, ServerConfig};
use tenure::store::rocks::{RocksDatabase, RocksOptions};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// More than a runtime has threads for work that holds them.
const AT_ONCE: usize = 700;

#[test]
fn queries_are_answered_while_more_writes_wait_than_there_are_threads() {
    let directory = TempDir::new().unwrap();
    let options = RocksOptions { sync_delay: Duration::from_secs(2), ..RocksOptions::default() };
    let database = RocksDatabase::open(directory.path(), Arc::new(SystemClock), &options).unwrap();
    let engine = Arc::new(Engine::new(database, EvaluationLimits::default()));
    let callers = Arc::new(Callers::load(engine.database()).unwrap());
    // None is given up before the disk has taken the first.
    let config = ServerConfig { request_timeout: Duration::from_secs(60), ..ServerConfig::default() };
    let router = server::api(engine, &config, callers);
    let runtime = Runtime::new().unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let creations: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (router, made) = (router.clone(), Arc::clone(&made));
            let request = Request::post("/stores").header("Content-Type", "application/json");
            let request = request.body(Body::from(r#"{"name":"plants"}"#)).unwrap();
            runtime.spawn(async move {
                let status = router.oneshot(request).await.unwrap().status().as_u16();
                made.fetch_add(usize::from(status == 201), Ordering::SeqCst);
                status
            })
        })
        .collect();
    let (status, made_by_then) = runtime.block_on(async {
        // All of them are under way by then.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let list = Request::get("/stores").body(Body::empty()).unwrap();
        let status = router.oneshot(list).await.unwrap().status().as_u16();
        (status, made.load(Ordering::SeqCst))
    });
    assert_eq!((status, made_by_then), (200, 0), "a list, before the first write is stored");
    for creation in creations {
        assert_eq!(runtime.block_on(creation).unwrap(), 201, "none is lost");
    }
}
