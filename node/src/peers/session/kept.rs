//! Writing frames whose words may be erased while they wait for a slow reader.

use crate::archive::Archive;
use comity_net::FrameWriter;
use comity_protocol::{entry::Entry, sync::Message};
use std::{sync::Arc, time::Duration};
use tokio::{io::AsyncWrite, sync::watch};

const ERASED: &str = "words that waited to be sent were erased";

/// Writes a frame, and says how many bytes it has. Gives up, and the stream with it, once words in it are erased here: nothing tells
/// how much of it is on its way, and what is left of it must not follow (I6). Whoever was to get it
/// compares anew on the next stream.
pub(super) async fn write_kept<W: AsyncWrite + Unpin>(
    writer: &mut FrameWriter<W>,
    message: Arc<Message>,
    archive: &Archive,
    erasures: &mut watch::Receiver<u64>,
    patience: Duration,
) -> Result<u64, String> {
    let frame = message.encode();
    let mut writing = std::pin::pin!(writer.write(&frame, patience));
    loop {
        let happened = *erasures.borrow_and_update() > 0;
        if happened && !is_as_kept(archive, &message).await {
            return Err(ERASED.to_owned());
        }
        tokio::select! {
            biased;
            Ok(()) = erasures.changed() => {}
            written = &mut writing => {
                let bytes = frame.len() as u64;
                return written.map(|()| bytes).map_err(|error| error.to_string());
            }
        }
    }
}

/// Whether what a frame holds of erased contributions is what this node would hand out now.
async fn is_as_kept(archive: &Archive, message: &Arc<Message>) -> bool {
    let (archive, message) = (archive.clone(), message.clone());
    let looking = tokio::task::spawn_blocking(move || match &*message {
        Message::Entries { entries, .. } => entries.iter().all(|it| is_kept(&archive, it)),
        _ => true,
    });
    // What cannot be told is not sent.
    looking.await.unwrap_or(false)
}

fn is_kept(archive: &Archive, bytes: &[u8]) -> bool {
    let Some((_, key)) = Entry::peek(bytes) else {
        return false;
    };
    match archive.erasure_of(&key.id) {
        Ok(None) => true,
        Ok(Some(_)) => {
            matches!(archive.get(&key.id), Ok(Some(entry)) if entry.encode() == bytes)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        archive::to_store,
        projection::EntryProjection,
        store::{MemoryStore, Store},
    };
    use comity_net::FrameReader;
    use comity_protocol::id::SpaceId;
    use comity_tests::community::{Signer, topic};
    use tokio::io::{AsyncReadExt, DuplexStream};

    const SECRET: &str = "the words that nobody is to get";
    const PATIENCE: Duration = Duration::from_secs(5);
    const SPACE: SpaceId = SpaceId::from_bytes([3; 32]);

    /// An author, what they wrote, and an archive that holds it.
    struct Kept {
        author: Signer,
        posts: [Entry; 2],
        archive: Archive,
        erasures: watch::Sender<u64>,
    }

    impl Kept {
        fn new() -> Self {
            let mut author = Signer::new("kept/author");
            let long = "A line of some length. ".repeat(8_000);
            let posts =
                [SECRET, "other words"].map(|title| author.create(SPACE, &topic(title, &long)));
            let store = MemoryStore::new(Arc::new(EntryProjection));
            store
                .commit(posts.iter().map(|it| to_store(it, SPACE)).collect())
                .unwrap();
            Self {
                author,
                posts,
                archive: Archive::new(Arc::new(store)),
                erasures: watch::Sender::new(0),
            }
        }

        fn frame_of(&self, post: usize) -> Arc<Message> {
            let entry = self.archive.get(&self.posts[post].id()).unwrap().unwrap();
            Arc::new(Message::Entries {
                space: SPACE,
                round: 0,
                entries: vec![entry.encode()],
            })
        }

        /// As ingest does it.
        fn erase(&mut self, post: usize) {
            let id = self.posts[post].id();
            let erasure = self.author.erase(SPACE, id);
            let store = self.archive.store();
            store.commit(vec![to_store(&erasure, SPACE)]).unwrap();
            store.erase_words(&id).unwrap();
            self.erasures.send_modify(|count| *count += 1);
        }

        /// Starts to write a frame to a peer that reads a little of it and stops.
        async fn half_written(
            &self,
            post: usize,
        ) -> (tokio::task::JoinHandle<Result<u64, String>>, DuplexStream) {
            let (ours, mut theirs) = tokio::io::duplex(1 << 10);
            let (archive, message) = (self.archive.clone(), self.frame_of(post));
            let mut erasures = self.erasures.subscribe();
            let writing = tokio::spawn(async move {
                let mut writer = FrameWriter::new(ours, 1 << 20);
                write_kept(&mut writer, message, &archive, &mut erasures, PATIENCE).await
            });
            theirs.read_exact(&mut [0; 4]).await.unwrap();
            (writing, theirs)
        }
    }

    async fn rest_of(mut theirs: DuplexStream) -> Vec<u8> {
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        rest
    }

    #[tokio::test]
    async fn a_frame_whose_words_are_erased_half_way_is_broken_off() {
        let mut kept = Kept::new();
        let whole = kept.frame_of(0).encode().len();
        let (writing, theirs) = kept.half_written(0).await;
        kept.erase(0);
        // Nobody reads: only the erasure can end this.
        assert_eq!(writing.await.unwrap(), Err(ERASED.to_owned()));
        assert!(rest_of(theirs).await.len() < whole / 2);
    }

    #[tokio::test]
    async fn a_frame_loaded_before_an_erasure_is_not_begun_after_it() {
        let mut kept = Kept::new();
        let message = kept.frame_of(0);
        let mut erasures = kept.erasures.subscribe();
        kept.erase(0);
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let mut writer = FrameWriter::new(ours, 1 << 20);
        let written = write_kept(&mut writer, message, &kept.archive, &mut erasures, PATIENCE);
        assert_eq!(written.await, Err(ERASED.to_owned()));
        drop(writer);
        assert_eq!(rest_of(theirs).await, Vec::<u8>::new());
    }

    #[tokio::test]
    async fn other_frames_and_the_erased_form_pass() {
        let mut kept = Kept::new();
        let (writing, mut theirs) = kept.half_written(1).await;
        kept.erase(0);
        let rest = rest_of_one(&mut theirs, kept.frame_of(1).encode().len()).await;
        assert_eq!(rest, kept.frame_of(1).encode());
        writing.await.unwrap().unwrap();
        // Loaded after the erasure.
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let mut writer = FrameWriter::new(ours, 1 << 20);
        let mut erasures = kept.erasures.subscribe();
        let message = kept.frame_of(0);
        write_kept(
            &mut writer,
            message.clone(),
            &kept.archive,
            &mut erasures,
            PATIENCE,
        )
        .await
        .unwrap();
        let frame = FrameReader::new(theirs, 1 << 20)
            .read(PATIENCE)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(frame, message.encode());
        assert!(
            !frame
                .windows(SECRET.len())
                .any(|it| it == SECRET.as_bytes())
        );
    }

    async fn rest_of_one(theirs: &mut DuplexStream, bytes: usize) -> Vec<u8> {
        let mut rest = vec![0; bytes];
        theirs.read_exact(&mut rest).await.unwrap();
        rest
    }
}
