//! From "saved here" to "visible there", for contributions that are published one by one.

use crate::{corpus::Corpus, pair::Pair};
use comity_tests::figures::{Figures, Target};
use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

pub(crate) async fn live(pair: &Pair, corpus: &Corpus, from: usize, figures: &mut Figures) {
    let mut events = pair.fresh.client.events(None).await.unwrap();
    while events.next().await.unwrap().unwrap().event != "caught_up" {}
    let fresh = &corpus.contributions[from..];
    // Beside the home, so that it is the same disk; in turns, so that it is the same load.
    let file = pair.full.home().join("fsync-figure");
    let mut file = File::create(file).unwrap();
    let mut syncs = Vec::new();
    let mut visible = Vec::new();
    let mut published = Vec::new();
    for entry in fresh {
        let started = Instant::now();
        pair.full.submit(corpus, std::slice::from_ref(entry)).await;
        let acknowledged = Instant::now();
        published.push(acknowledged - started);
        let id = comity_protocol::entry::Entry::decode(entry).unwrap().id();
        let id = id.to_string();
        loop {
            let event = events.next().await.unwrap().unwrap();
            if event.id.as_ref() == Some(&id) {
                pair.fresh.client.document(&id, &[]).await.unwrap();
                break;
            }
        }
        visible.push(acknowledged.elapsed());
        syncs.push(fsync(&mut file));
        // Not in one go: receipts and news have their own times.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (fsync, trip) = (median(&mut syncs), loopback_trip());
    let p50 = median(&mut visible);
    figures.add(
        "live_publish_p50",
        ms(median(&mut published)),
        "ms",
        Target::None,
    );
    figures.add("live_visible_p50", ms(p50), "ms", Target::AtMost(2.5));
    let p99 = visible[visible.len() * 99 / 100];
    figures.add("live_visible_p99", ms(p99), "ms", Target::None);
    figures.add("fsync_p50", ms(fsync), "ms", Target::None);
    figures.add("loopback_round_trip_p50", ms(trip), "ms", Target::None);
    figures.add(
        "live_visible_over_fsync_and_trip",
        p50.as_secs_f64() / (fsync + trip).as_secs_f64(),
        "ratio",
        Target::AtMost(4.0),
    );
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The middle one; sorts.
fn median(all: &mut [Duration]) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// An append of some 700 bytes, made durable as the record does it.
fn fsync(file: &mut File) -> Duration {
    let started = Instant::now();
    file.write_all(&[7; 700]).unwrap();
    file.sync_data().unwrap();
    started.elapsed()
}

/// A few bytes there and back over TCP on loopback.
fn loopback_trip() -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let echo = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut bytes = [0; 64];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes).unwrap();
        }
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut bytes = [0; 64];
    let mut all: Vec<Duration> = (0..1_000)
        .map(|_| {
            let started = Instant::now();
            stream.write_all(&bytes).unwrap();
            stream.read_exact(&mut bytes).unwrap();
            started.elapsed()
        })
        .collect();
    drop(stream);
    echo.join().unwrap();
    median(&mut all)
}
