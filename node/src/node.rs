//! A node, whole: opened, served, stopped.

use crate::{
    api,
    archive::Archive,
    authors::Names,
    history,
    home::{Home, HomeError},
    ingest::Ingest,
    keeping::{self, Keeping},
    ledger::Ledger,
    library::Library,
    metrics::Metrics,
    peers::{Linking, Peers, PeersError},
    projection::EntryProjection,
    random,
    state::StateFile,
    store::{Opened, Options, RecordStore, Store, StoreError},
    tasks::{Tasks, Unit, What},
};
use comity_client::InProcess;
use comity_net::tap::Tap;
use comity_protocol::{
    id::{CommunityId, EntryId},
    key::{PublicKey, SecretKey},
};
use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{net::UnixListener, sync::watch};
use tracing::{info, warn};

/// How long requests in flight may take once the node stops.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How a node is to be opened.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Its home folder.
    pub home: PathBuf,
    /// Multiaddresses to listen on; empty: dial only.
    pub listen: Vec<String>,
    /// Whether to take part in the network at all.
    pub network: bool,
    /// Whether to announce and hear news by gossip; sync works without.
    pub gossip: bool,
    /// Whether others can call it, so that it carries members' nodes that cannot be called.
    pub public: bool,
}

impl NodeOptions {
    /// A node over this home without network.
    pub fn offline(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            listen: Vec::new(),
            network: false,
            gossip: false,
            public: false,
        }
    }
}

/// Why a node cannot be opened or served.
#[derive(Debug, Error)]
pub enum NodeError {
    /// Its home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process has the store open.
    #[error(
        "the node's store in {home} is in use{}. Stop that node with `comity node stop`, or use it",
        .pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
    )]
    Locked {
        /// The home.
        home: PathBuf,
        /// The process, if known.
        pid: Option<u32>,
    },
    /// A newer version wrote the store.
    #[error(
        "the store in {home} has format {version}, this comity reads up to {known}. Update comity; \
         nothing was changed"
    )]
    TooNew {
        /// The home.
        home: PathBuf,
        /// Its format.
        version: u32,
        /// The newest format this version reads.
        known: u32,
    },
    /// A node answers on the socket already.
    #[error("a node is already running on {socket}")]
    AlreadyRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket cannot be bound.
    #[error("the local API cannot listen on {socket}")]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The network cannot be started.
    #[error(transparent)]
    Network(#[from] PeersError),
    /// The state file names something that is no id.
    #[error("state.json names {0:?}, which is no id of a community")]
    BadState(String),
}

/// What all parts of a node share.
pub(crate) struct Inner {
    pub(crate) home: Home,
    pub(crate) key: SecretKey,
    pub(crate) state: StateFile,
    pub(crate) archive: Archive,
    pub(crate) library: Arc<Library>,
    pub(crate) names: Names,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) warnings: Mutex<Vec<String>>,
    pub(crate) tasks: Tasks,
    pub(crate) metrics: Metrics,
    /// Held while the node signs something of its own.
    pub(crate) signing: Mutex<()>,
    /// Held while the node decides about a join request.
    pub(crate) deciding: Mutex<()>,
    /// Requests to link devices that wait for their code.
    pub(crate) linking: Linking,
    pub(crate) started: Instant,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) peers: std::sync::OnceLock<Peers>,
}

impl Inner {
    /// The node's key.
    pub(crate) fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Tells people, in `node status` and the log.
    pub(crate) fn warn(&self, text: String) {
        warn!("{text}");
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&text) && warnings.len() < 100 {
            warnings.push(text);
        }
    }

    /// Waits until the node stops.
    pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
        // An error means the node is gone, which is what we wait for.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// The network, unless the node was opened without.
    pub(crate) fn peers(&self) -> Option<&Peers> {
        self.peers.get()
    }
}

/// A node. Clones are handles of the same node.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
    router: axum::Router,
}

impl Node {
    /// Opens a node: home, key, store, what is in effect, and the network if asked for.
    ///
    /// # Errors
    /// [`NodeError`] says what was attempted, why it failed and what to do.
    pub async fn open(options: NodeOptions) -> Result<Self, NodeError> {
        Self::open_telling(options, Tasks::default()).await
    }

    /// The same for somebody who listens already: opening a large store takes a while.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_telling(options: NodeOptions, tasks: Tasks) -> Result<Self, NodeError> {
        Self::open_with(options, tasks, None).await
    }

    /// The same for tests that want to see what travels between nodes, before encryption.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub async fn open_tapped(options: NodeOptions, tap: Tap) -> Result<Self, NodeError> {
        Self::open_with(options, Tasks::default(), Some(tap)).await
    }

    async fn open_with(
        options: NodeOptions,
        tasks: Tasks,
        tap: Option<Tap>,
    ) -> Result<Self, NodeError> {
        let path = options.home.clone();
        let opened = tokio::task::spawn_blocking(move || open_store(&path, tasks)).await;
        let inner = match opened {
            Ok(inner) => Arc::new(inner?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        api::watch(&inner);
        if options.network {
            let peers = Peers::start(&inner, &options, tap).await?;
            // Set once, here.
            let _ = inner.peers.set(peers);
            let counting = inner.clone();
            tokio::task::spawn_blocking(move || keeping::count(&counting));
        }
        Ok(Self {
            router: api::router(inner.clone()),
            inner,
        })
    }

    /// The way to this node for a client in the same process.
    pub fn in_process(&self) -> InProcess {
        let router = self.router.clone();
        Arc::new(move |request| {
            let router = router.clone();
            Box::pin(api::answer_in_process(router, request))
        })
    }

    /// Serves the local API on the home's socket until the node is stopped.
    ///
    /// # Errors
    /// If another node answers there or the socket cannot be bound.
    pub async fn serve(&self) -> Result<(), NodeError> {
        let socket = self.inner.home.socket()?;
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return Err(NodeError::AlreadyRunning { socket });
        }
        // A socket nobody answers on is what a killed node left behind; the store's lock is ours.
        let _ = std::fs::remove_file(&socket);
        let bound = UnixListener::bind(&socket);
        let listener = bound.map_err(|source| NodeError::Socket {
            socket: socket.clone(),
            source,
        })?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).map_err(
            |source| NodeError::Socket {
                socket: socket.clone(),
                source,
            },
        )?;
        info!(socket = %socket.display(), "serving");
        let mut stopping = self.inner.stopping.subscribe();
        let mut patience = stopping.clone();
        let serving = axum::serve(listener, self.router.clone())
            .with_graceful_shutdown(async move { Inner::stopped(&mut stopping).await });
        let out_of_patience = async move {
            Inner::stopped(&mut patience).await;
            tokio::time::sleep(STOP_PATIENCE).await;
        };
        let served = tokio::select! {
            served = serving => served,
            // A client that does not read its answer must not keep the node from stopping.
            () = out_of_patience => Ok(()),
        };
        self.stop().await;
        // Last, since its absence says that the store is flushed and free.
        let _ = std::fs::remove_file(&socket);
        served.map_err(|source| NodeError::Socket { socket, source })
    }

    /// Stops cleanly: no more requests, connections closed, store flushed. Safe to call twice.
    pub async fn stop(&self) {
        self.inner.stopping.send_replace(true);
        if let Some(peers) = self.inner.peers() {
            peers.stop().await;
        }
        self.inner.library.close();
        let archive = self.inner.archive.clone();
        let closed = tokio::task::spawn_blocking(move || archive.store().close()).await;
        if let Ok(Err(error)) = closed {
            warn!(%error, "the store did not close cleanly; nothing acknowledged is lost");
        }
    }

    /// The node's key.
    pub fn key(&self) -> PublicKey {
        self.inner.public()
    }
}

fn open_store(path: &Path, tasks: Tasks) -> Result<Inner, NodeError> {
    let home = Home::open(path)?;
    let key = home.key()?;
    let state = StateFile::open(&home)?;
    let metrics = Metrics::default();
    let options = Options {
        metrics: metrics.store.clone(),
        index_engine: state.index_engine()?,
        progress: Some(tasks.of_store()),
        ..Options::default()
    };
    let opened = RecordStore::open(home.path(), Arc::new(EntryProjection), options)?;
    let (store, report) = match opened {
        Opened::Ready(store, report) | Opened::Damaged(store, report) => (store, report),
        Opened::Locked { pid } => {
            return Err(NodeError::Locked {
                home: path.to_owned(),
                pid,
            });
        }
        Opened::TooNew { version, known } => {
            return Err(NodeError::TooNew {
                home: path.to_owned(),
                version,
                known,
            });
        }
    };
    let keeping = Arc::new(Keeping::open(home.keeping())?);
    let archive = Archive::keeping(Arc::new(store) as Arc<dyn Store>, keeping);
    let communities = state
        .read()
        .communities
        .keys()
        .map(|id| id.parse().map_err(|_| NodeError::BadState(id.clone())))
        .collect::<Result<Vec<CommunityId>, _>>()?;
    let mut ledger = load_ledger(&archive, &communities, &tasks)?;
    let lost: Vec<EntryId> = report
        .damage
        .iter()
        .filter_map(|damage| damage.id)
        .collect();
    ledger.forget(&archive, &lost);
    let library = Library::open(archive.clone());
    let ingest = Arc::new(Ingest::new(archive.clone(), library.clone(), ledger));
    let inner = Inner {
        home,
        key,
        state,
        archive,
        library,
        names: Names::default(),
        ingest,
        warnings: Mutex::default(),
        tasks,
        metrics,
        signing: Mutex::default(),
        deciding: Mutex::default(),
        linking: Linking::default(),
        started: Instant::now(),
        stopping: watch::Sender::new(false),
        peers: std::sync::OnceLock::new(),
    };
    tell_of_damage(&inner, &report);
    if let Err(error) = history::read_along(&inner) {
        warn!(%error, "what communities here continue could not be noted yet");
    }
    let finished = inner.ingest.finish_erasures()?;
    if finished > 0 {
        info!(finished, "finished erasures that a crash had interrupted");
    }
    Ok(inner)
}

fn load_ledger(
    archive: &Archive,
    communities: &[CommunityId],
    tasks: &Tasks,
) -> Result<Ledger, StoreError> {
    let total = Some(archive.store().stats()?.entries);
    let work = tasks.begin(What::Open, Unit::Entries, "opening the store", total);
    Ledger::load(archive, communities, &mut |done| work.at(done, total))
}

fn tell_of_damage(inner: &Inner, report: &crate::store::OpenReport) {
    if let Some(reason) = &report.rebuilt {
        inner.warn(format!("the index was rebuilt from the record: {reason}"));
    }
    if !report.damage.is_empty() {
        inner.warn(format!(
            "{} damaged places were found in the record; what stood there is fetched again from \
             peers. `comity verify` lists them",
            report.damage.len()
        ));
    }
    if random::now_ms() < 1_700_000_000_000 {
        inner.warn("this machine's clock is years behind; times shown will be wrong".to_owned());
    }
}
