//! Frames over an in-memory duplex: no swarm involved.

use std::time::Duration;

use comity_net::frame::framed;
use comity_net::{FrameError, FrameReader, FrameWriter};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::harness::PATIENCE;

const SHORT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn frames_arrive_whole_and_in_order_then_the_close_is_seen() {
    let (left, right) = duplex(64);
    let (_, mut writer) = framed(left, 100_000);
    let (mut reader, _) = framed(right, 100_000);
    let writing = tokio::spawn(async move {
        for length in [0_usize, 1, 63, 64, 65, 100_000] {
            writer
                .write(&vec![7; length], PATIENCE)
                .await
                .expect("writes");
        }
        writer.close(PATIENCE).await.expect("closes");
    });
    for length in [0_usize, 1, 63, 64, 65, 100_000] {
        let frame = reader.read(PATIENCE).await.expect("reads").expect("open");
        assert_eq!(frame, vec![7; length]);
    }
    writing.await.expect("writer ends");
    assert!(reader.read(PATIENCE).await.expect("clean close").is_none());
}

#[tokio::test]
async fn a_length_of_4_gib_is_refused_before_allocation() {
    let (mut hostile, stream) = duplex(64);
    hostile
        .write_all(&u32::MAX.to_be_bytes())
        .await
        .expect("writes");
    let mut reader = FrameReader::new(stream, 1_000);
    match reader.read(PATIENCE).await {
        Err(FrameError::TooLarge {
            announced_bytes: 4_294_967_295,
            max_bytes: 1_000,
        }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        reader.read(PATIENCE).await,
        Err(FrameError::Broken)
    ));
}

#[tokio::test]
async fn one_byte_over_the_maximum_is_refused_on_either_side() {
    let (left, right) = duplex(64);
    let mut writer = FrameWriter::new(left, 10);
    let refused = writer.write(&[0; 11], PATIENCE).await;
    assert!(matches!(
        refused,
        Err(FrameError::TooLarge {
            announced_bytes: 11,
            ..
        })
    ));
    writer
        .write(&[1; 10], PATIENCE)
        .await
        .expect("still usable, nothing was written");
    let mut reader = FrameReader::new(right, 9);
    assert!(matches!(
        reader.read(PATIENCE).await,
        Err(FrameError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_frame_is_an_error() {
    for sent in [&[0_u8, 0][..], &[0, 0, 0, 9][..], &[0, 0, 0, 9, 1, 2][..]] {
        let (mut peer, stream) = duplex(64);
        peer.write_all(sent).await.expect("writes");
        drop(peer);
        match FrameReader::new(stream, 100).read(PATIENCE).await {
            Err(FrameError::Truncated { received_bytes }) => assert_eq!(received_bytes, sent.len()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_read_that_timed_out_goes_on_where_it_stopped() {
    let (mut peer, stream) = duplex(64);
    let mut reader = FrameReader::new(stream, 100);
    for part in [&[0_u8, 0][..], &[0, 3, 10][..], &[20][..]] {
        peer.write_all(part).await.expect("writes");
        assert!(matches!(
            reader.read(SHORT).await,
            Err(FrameError::TimedOut { .. })
        ));
    }
    peer.write_all(&[30, 0, 0, 0, 0]).await.expect("writes");
    assert_eq!(
        reader.read(PATIENCE).await.expect("reads"),
        Some(vec![10, 20, 30])
    );
    assert_eq!(reader.read(PATIENCE).await.expect("reads"), Some(vec![]));
}

#[tokio::test]
async fn a_write_that_timed_out_breaks_the_writer() {
    let (left, mut right) = duplex(8);
    let mut writer = FrameWriter::new(left, 100);
    assert!(matches!(
        writer.write(&[1; 50], SHORT).await,
        Err(FrameError::TimedOut { .. })
    ));
    let mut drained = [0; 8];
    right.read_exact(&mut drained).await.expect("reads");
    assert!(matches!(
        writer.write(&[1], PATIENCE).await,
        Err(FrameError::Broken)
    ));
}

proptest! {
    #[test]
    fn any_bytes_give_frames_or_an_error_and_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        max_bytes in 0_usize..100,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("builds");
        runtime.block_on(async {
            let mut reader = FrameReader::new(bytes.as_slice(), max_bytes);
            let mut consumed = 0;
            while let Ok(Some(frame)) = reader.read(PATIENCE).await {
                assert!(frame.len() <= max_bytes);
                assert_eq!(&bytes[consumed + 4..consumed + 4 + frame.len()], frame.as_slice());
                consumed += 4 + frame.len();
            }
            assert!(consumed <= bytes.len());
        });
    }
}

#[tokio::test]
async fn a_stream_may_be_idle_for_long_and_a_frame_that_has_begun_may_not() {
    let (mut slow, stream) = duplex(64);
    let (mut reader, _) = framed(stream, 1_000);
    let (idle, frame) = (SHORT, SHORT * 2);
    let waited = reader.read_begun(idle, frame).await;
    assert!(matches!(waited, Err(FrameError::TimedOut { .. })));
    // Nothing was begun, so nothing is lost.
    slow.write_all(&[0, 0, 0, 1, 7]).await.expect("writes");
    let whole = reader.read_begun(idle, frame).await.expect("reads");
    assert_eq!(whole, Some(vec![7]));
    slow.write_all(&[0]).await.expect("writes");
    let slowly = reader.read_begun(idle, frame).await;
    assert!(matches!(slowly, Err(FrameError::TooSlow { .. })));
    let broken = reader.read_begun(idle, frame).await;
    assert!(matches!(broken, Err(FrameError::Broken)));
}
