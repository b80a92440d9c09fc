//! How requests reach a node: over its Unix socket, or in-process.

use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use hyper_util::rt::TokioIo;
use std::{path::PathBuf, sync::Arc};
use thiserror::Error;

use crate::types::ApiError;

/// The body of an answer, however it arrived.
pub type AnswerBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;
/// An answer of the API.
pub type Answer = Response<AnswerBody>;
/// A node opened in this process: takes a request, gives an answer.
pub type InProcess =
    Arc<dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Answer> + Send + Sync + 'static>;

/// Why a request to the node failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nothing listens on the socket.
    #[error("no node answers on {path}")]
    NoNode {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to the node broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node answered with an error of its own.
    #[error("{0}")]
    Api(#[from] ApiError),
    /// The answer is not what this version expects.
    #[error("the node's answer to {path} is not understood; client and node may differ in version")]
    Unexpected {
        /// The path asked.
        path: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// The API's stable error word, if the node gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) => Some(&error.code),
            _ => None,
        }
    }
}

/// A way to a node.
#[derive(Clone)]
pub enum Transport {
    /// The Unix socket of a running node.
    Socket(PathBuf),
    /// A node opened in this process.
    InProcess(InProcess),
}

impl Transport {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        match self {
            Self::InProcess(node) => Ok(node(request).await),
            Self::Socket(path) => over_socket(path, request).await,
        }
    }
}

async fn over_socket(path: &PathBuf, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|source| ClientError::NoNode {
            path: path.clone(),
            source,
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ClientError::Broken(error.into()))?;
    // Ends by itself when the answer has been read or either side closes.
    tokio::spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| ClientError::Broken(error.into()))?;
    Ok(answer.map(|body: Incoming| body.map_err(Into::into).boxed_unsync()))
}
