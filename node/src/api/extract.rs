//! Reading requests: bounded bodies, typed queries, and errors of the API's own form throughout.

use super::{App, caller::Caller, error::Failure};
use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Largest body of a submission, in bytes.
pub(super) const SUBMISSION_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Largest body of any other request, in bytes.
pub(super) const REQUEST_MAX_BYTES: usize = 1024 * 1024;

/// The node as the caller of a request may see it.
pub(super) struct State<T>(pub(super) T);

impl FromRequestParts<Arc<App>> for State<Arc<App>> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let caller = Caller::of(&parts.headers, &app.inner.public())?;
        Ok(Self(Arc::new(App {
            caller,
            ..App::clone(app)
        })))
    }
}

/// A JSON body of at most `MAX` bytes.
pub(super) struct Body<T, const MAX: usize = REQUEST_MAX_BYTES>(pub(super) T);

impl<T: DeserializeOwned, const MAX: usize, S: Sync> FromRequest<S> for Body<T, MAX> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let bytes = to_bytes(request.into_body(), MAX).await.map_err(|_| {
            Failure::too_large(format!(
                "the request was not read: it broke off, or is larger than {MAX} bytes"
            ))
            .hint("Send it in several parts.")
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Failure::invalid(format!("the request is not understood: {error}"))
                .hint("specs/http-api.md describes every request.")
        })
    }
}

/// Parameters after the `?`.
pub(super) struct Args<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Args<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(args)| Self(args))
            .map_err(|error| Failure::invalid(format!("a parameter is not understood: {error}")))
    }
}

/// The one variable part of a path.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Path::<String>::from_request_parts(parts, state)
            .await
            .map(|Path(name)| Self(name))
            .map_err(|error| Failure::invalid(format!("the path is not understood: {error}")))
    }
}

/// Lets a thread that may block answer.
pub(super) async fn blocking<T: Send + 'static>(
    app: &Arc<App>,
    answer: impl FnOnce(&App) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let app = app.clone();
    let answered = tokio::task::spawn_blocking(move || answer(&app)).await;
    answered.unwrap_or_else(|error| {
        Err(
            Failure::internal(format!("the request could not be answered: {error}"))
                .hint("This is a defect; please report it with the node's log."),
        )
    })
}
