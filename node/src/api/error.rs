//! Errors as the API states them: a stable word, what was attempted and why it failed, what to do.

use crate::{
    archive::ArchiveError, home::HomeError, library::LibraryError, peers::PeersError,
    store::StoreError, views::ViewError,
};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use comity_client::types::{ApiError, HealthReason};
use comity_protocol::derive::Stub;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tracing::error;

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: ApiError,
}

impl Failure {
    fn new(status: StatusCode, code: &str, message: impl ToString) -> Self {
        Self {
            status,
            error: ApiError {
                code: code.to_owned(),
                message: message.to_string(),
                hints: Vec::new(),
                details: BTreeMap::new(),
            },
        }
    }

    /// Nothing of that name is here.
    pub(super) fn not_found(message: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// A shortened id that may stand for several things.
    pub(super) fn ambiguous(message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, "ambiguous", message)
    }

    /// The request contradicts the specification.
    pub(super) fn invalid(message: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// The request is larger than the endpoint takes.
    pub(super) fn too_large(message: impl ToString) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid", message)
    }

    /// The node will not do it.
    pub(super) fn refused(message: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, "refused", message)
    }

    /// The store takes no writes.
    pub(super) fn read_only(reason: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "read_only",
            format!("nothing was saved: the node's store takes no writes at the moment: {reason}"),
        )
        .hint("Free space on the disk that holds the node's home, or repair it.")
        .hint("Writing resumes by itself within seconds; then try again.")
    }

    /// The node cannot do it now.
    pub(super) fn unavailable(message: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// The node does not do what it is there for.
    pub(super) fn unhealthy(reasons: Vec<HealthReason>) -> Self {
        let messages: Vec<&str> = reasons.iter().map(|it| it.message.as_str()).collect();
        let mut failure = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unhealthy",
            format!("the node is not well: {}", messages.join("; ")),
        );
        for reason in &reasons {
            failure = failure.hint(&reason.hint);
        }
        failure
            .detail("state", json!("unwell"))
            .detail("reasons", json!(reasons))
    }

    /// A peer does not answer.
    pub(super) fn unreachable(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "unreachable", message)
    }

    /// A defect, or a broken machine.
    pub(super) fn internal(message: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Says what to do next.
    pub(super) fn hint(mut self, hint: impl ToString) -> Self {
        self.error.hints.push(hint.to_string());
        self
    }

    /// Adds a detail for programs.
    pub(super) fn detail(mut self, name: &str, value: Value) -> Self {
        self.error.details.insert(name.to_owned(), value);
        self
    }

    /// The text for people.
    pub(super) fn message(&self) -> &str {
        &self.error.message
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            error!(message = %self.error.message, "a request failed");
        }
        (self.status, Json(self.error)).into_response()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::ReadOnly { reason } => Self::read_only(reason),
            StoreError::TooLarge { .. } | StoreError::BackupTarget(_) => Self::invalid(&error),
            StoreError::Closed => {
                Self::unavailable("the node is stopping").hint("Start it with `comity node start`.")
            }
            StoreError::Damaged { .. } => Self::internal(&error)
                .hint("`comity verify` lists all damage; `comity sync` fetches it again."),
            StoreError::Index { .. } => {
                Self::internal(&error).hint("Rebuild the index with `comity reindex`.")
            }
            _ => Self::internal(error.with_cause()),
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Store(error) => error.into(),
            damaged => Self::internal(damaged)
                .hint("`comity verify` lists all damage; `comity sync` fetches it again."),
        }
    }
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Unknown(_) => Self::not_found(&error)
                .hint("It may not have arrived yet: `comity sync` asks all connected peers."),
            LibraryError::Held { .. } => Self::not_found(&error)
                .hint("`comity show --held` shows it all the same; `comity quarantine` lists all."),
            LibraryError::Archive(error) => error.into(),
            LibraryError::Store(error) => error.into(),
            defect @ LibraryError::Derive { .. } => {
                Self::internal(defect).hint("This is a defect; please report it.")
            }
        }
    }
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Library(error) => error.into(),
            ViewError::Store(error) => error.into(),
            ViewError::Heads(stub @ Stub::UnknownHead(_)) => Self::not_found(stub),
            ViewError::Heads(stub @ Stub::NotDerived(_)) => Self::unavailable(stub),
            ViewError::Heads(stub) => Self::invalid(stub),
            error @ ViewError::NotKept { .. } => Self::unavailable(error).hint(
                "`comity show` fetches them from a connected peer that keeps them; then try again.",
            ),
            no_text @ ViewError::NoText(_) => Self::invalid(no_text)
                .hint("Text fields are `body` and `title`, and `name` and `about` of profiles."),
        }
    }
}

impl From<PeersError> for Failure {
    fn from(error: PeersError) -> Self {
        match error {
            error @ PeersError::Unreachable { .. } => Self::unreachable(error)
                .hint("Check the address, that the other node runs, and that its port is open."),
            error @ PeersError::NotHandedOver { .. } => Self::unreachable(error).hint(
                "Check that the other node runs, and that its version can link by typed codes.",
            ),
            error @ PeersError::Stopped => {
                Self::unavailable(error).hint("Start the node again with `comity node start`.")
            }
            PeersError::State(error) => error.into(),
            error @ PeersError::BadRequest(_) => Self::invalid(error),
            error @ (PeersError::Start(_) | PeersError::Listen { .. }) => Self::internal(error),
        }
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        match &error {
            HomeError::NotWritable { source, .. } | HomeError::ReadOnly { source, .. } => {
                Self::read_only(&format!("{error}: {source}"))
            }
            _ => Self::internal(&error),
        }
    }
}
