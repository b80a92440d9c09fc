//! A relay on loopback that counts what passes, and holds it back or cuts when it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Such a relay. It ends with its runtime.
pub struct Proxy {
    port: u16,
    brought: Arc<AtomicU64>,
    cut_at: watch::Sender<u64>,
    held: watch::Sender<bool>,
}

impl Proxy {
    /// A relay to a port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            brought: Arc::default(),
            cut_at: watch::Sender::new(u64::MAX),
            held: watch::Sender::new(false),
        };
        let down = Down {
            brought: proxy.brought.clone(),
            cut_at: proxy.cut_at.subscribe(),
            held: proxy.held.subscribe(),
        };
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(relay(near, port, down.clone()));
            }
        });
        proxy
    }

    /// Its own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes brought to those who dialled it.
    pub fn brought(&self) -> u64 {
        self.brought.load(Ordering::SeqCst)
    }

    /// Holds back what is for those who dialled it, or lets it go on.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Cuts all connections once so many bytes were brought, and every later one at once.
    pub fn cut_at(&self, bytes: u64) {
        self.cut_at.send_replace(bytes);
    }
}

/// The way to those who dialled.
#[derive(Clone)]
struct Down {
    brought: Arc<AtomicU64>,
    cut_at: watch::Receiver<u64>,
    held: watch::Receiver<bool>,
}

impl Down {
    async fn bring(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = from.read(&mut buffer).await
            && count > 0
            && self.brought.load(Ordering::SeqCst) < *self.cut_at.borrow()
            && self.held.wait_for(|held| !held).await.is_ok()
            && to.write_all(&buffer[..count]).await.is_ok()
        {
            self.brought.fetch_add(count as u64, Ordering::SeqCst);
        }
    }
}

async fn relay(near: TcpStream, port: u16, down: Down) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut from_near, to_near) = near.into_split();
    let (from_far, mut to_far) = far.into_split();
    let up = async move {
        // However it ends, the connection is over.
        let _ = tokio::io::copy(&mut from_near, &mut to_far).await;
    };
    tokio::select! {
        () = up => {}
        () = down.bring(from_far, to_near) => {}
    }
}
