//! Whether the node does what it is there for, for those who restart it or call somebody.

use super::{
    App,
    error::Failure,
    extract::{State, blocking},
};
use crate::{peers::Peers, store::StoreState};
use axum::Json;
use comity_client::types::{Health, HealthReason};
use std::{io, path::Path, sync::Arc};

/// With less space than this on the disk of its home a node is about to turn read-only, in bytes.
const DISK_FREE_MIN_BYTES: u64 = 64 * 1024 * 1024;

pub(super) async fn health(State(app): State<Arc<App>>) -> Result<Json<Health>, Failure> {
    let has_network = match app.inner.peers() {
        Some(peers) => peers.measure().await.is_some(),
        None => false,
    };
    blocking(&app, move |app| {
        let stats = app.inner.archive.store().stats()?;
        let reasons = reasons(&Signs {
            is_stopping: *app.inner.stopping.borrow(),
            store: stats.state,
            damaged: stats.damaged,
            // What cannot be told is not held against the node: writing tells soon enough.
            disk_free_bytes: disk_free_bytes(app.inner.home.path()).ok(),
            has_network,
            clock: app.inner.peers().and_then(Peers::clock_in_doubt),
        });
        if reasons.is_empty() {
            return Ok(Json(Health {
                state: "ok".to_owned(),
                reasons,
            }));
        }
        Err(Failure::unhealthy(reasons))
    })
    .await
}

/// Bytes that a process of this user may still write to the disk that holds a folder.
pub(super) fn disk_free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What health is judged by.
struct Signs {
    is_stopping: bool,
    store: StoreState,
    damaged: usize,
    disk_free_bytes: Option<u64>,
    has_network: bool,
    /// A doubt about the clock, in words.
    clock: Option<String>,
}

fn reasons(signs: &Signs) -> Vec<HealthReason> {
    let mut reasons = Vec::new();
    let mut add = |code: &str, message: String, hint: &str| {
        reasons.push(HealthReason {
            code: code.to_owned(),
            message,
            hint: hint.to_owned(),
        });
    };
    if signs.is_stopping || signs.store == StoreState::Closed {
        let hint = "Start it with `comity node start`.";
        add("stopping", "the node stops, or has stopped".into(), hint);
    }
    if let StoreState::ReadOnly { reason } = &signs.store {
        let hint = "Free space on the disk that holds the node's home, or repair it; writing \
                    resumes by itself.";
        let message = format!("the store takes no writes: {reason}");
        add("read_only", message, hint);
    }
    if let Some(free) = signs.disk_free_bytes.filter(|it| *it < DISK_FREE_MIN_BYTES) {
        let (free, least) = (free >> 20, DISK_FREE_MIN_BYTES >> 20);
        let message = format!("the disk has {free} MiB left, less than {least} MiB");
        let hint = "Free space on the disk that holds the node's home.";
        add("disk_full", message, hint);
    }
    if signs.damaged > 0 {
        let message = format!("{} places of the record are damaged", signs.damaged);
        let hint = "`comity verify` lists them; what stood there is fetched again from peers.";
        add("damaged", message, hint);
    }
    if !signs.has_network {
        let message = "the network is not started: nothing is exchanged with peers".into();
        add("no_network", message, "Run it with `comity node start`.");
    }
    if let Some(doubt) = &signs.clock {
        let hint = "Set this machine's clock; a time service keeps it right.";
        add("clock", doubt.clone(), hint);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Signs {
        Signs {
            is_stopping: false,
            store: StoreState::Ready,
            damaged: 0,
            disk_free_bytes: Some(DISK_FREE_MIN_BYTES),
            has_network: true,
            clock: None,
        }
    }

    #[test]
    fn each_sign_is_a_reason_of_its_own() {
        assert_eq!(reasons(&well()), []);
        let read_only = StoreState::ReadOnly {
            reason: "File too large".into(),
        };
        let cases = [
            (
                "stopping",
                Signs {
                    is_stopping: true,
                    ..well()
                },
            ),
            (
                "stopping",
                Signs {
                    store: StoreState::Closed,
                    ..well()
                },
            ),
            (
                "read_only",
                Signs {
                    store: read_only,
                    ..well()
                },
            ),
            (
                "disk_full",
                Signs {
                    disk_free_bytes: Some(DISK_FREE_MIN_BYTES - 1),
                    ..well()
                },
            ),
            (
                "damaged",
                Signs {
                    damaged: 1,
                    ..well()
                },
            ),
            (
                "no_network",
                Signs {
                    has_network: false,
                    ..well()
                },
            ),
            (
                "clock",
                Signs {
                    clock: Some("most have ended".into()),
                    ..well()
                },
            ),
        ];
        for (code, signs) in cases {
            let found = reasons(&signs);
            let codes: Vec<&str> = found.iter().map(|it| it.code.as_str()).collect();
            assert_eq!(codes, [code]);
            assert!(!found[0].message.is_empty() && !found[0].hint.is_empty());
        }
        let unknown = Signs {
            disk_free_bytes: None,
            ..well()
        };
        assert_eq!(reasons(&unknown), []);
    }

    #[test]
    fn the_space_left_is_asked_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        assert!(disk_free_bytes(folder.path()).unwrap() > 0);
        assert!(disk_free_bytes(&folder.path().join("absent")).is_err());
    }
}
