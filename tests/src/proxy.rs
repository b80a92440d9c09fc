//! A relay on loopback that counts what passes, and cuts when it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Such a relay. It ends with its runtime.
pub struct Proxy {
    port: u16,
    brought: Arc<AtomicU64>,
    cut_at: watch::Sender<u64>,
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
        };
        let (brought, cut_at) = (proxy.brought.clone(), proxy.cut_at.subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let relayed = relay(near, port, brought.clone(), cut_at.clone());
                tokio::spawn(relayed);
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

    /// Cuts all connections once so many bytes were brought, and every later one at once.
    pub fn cut_at(&self, bytes: u64) {
        self.cut_at.send_replace(bytes);
    }
}

async fn relay(near: TcpStream, port: u16, brought: Arc<AtomicU64>, cut_at: watch::Receiver<u64>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let up = async move {
        // However it ends, the connection is over.
        let _ = tokio::io::copy(&mut from_near, &mut to_far).await;
    };
    let down = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = from_far.read(&mut buffer).await
            && count > 0
            && brought.load(Ordering::SeqCst) < *cut_at.borrow()
            && to_near.write_all(&buffer[..count]).await.is_ok()
        {
            brought.fetch_add(count as u64, Ordering::SeqCst);
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
