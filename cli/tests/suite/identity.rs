//! A person's folder of keys: what survives, what is noticed, what is refused.

use comity::{
    error::CommandError,
    identity::{
        ChainHead, DisplayName, Environment, Expect, Identity, IdentityError, IdentityFolder,
        KdfParams, Material, Notice, Passphrase, Slot,
    },
};
use comity_protocol::id::{EntryId, SpaceId};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// How long to wait for a lock that was just let go of: a child process that another test is starting
/// holds copies of all open files until it runs its own program.
const PATIENCE: Duration = Duration::from_secs(30);

const KDF: KdfParams = KdfParams::FOR_TESTS;
const SPACE: SpaceId = SpaceId::from_bytes([5; 32]);
const CREATED_MS: u64 = 1_790_000_000_000;

fn passphrase() -> Passphrase {
    Passphrase::from("correct horse")
}

fn head(seq: u64) -> ChainHead {
    ChainHead {
        seq,
        id: EntryId::from_bytes([seq as u8; 32]),
    }
}

fn material() -> Material {
    Material::generate(DisplayName::new("Ada").unwrap(), CREATED_MS).unwrap()
}

/// A folder with Ada's identity, and the folder around it.
struct Home {
    around: TempDir,
    folder: IdentityFolder,
}

impl Home {
    fn empty() -> Self {
        let around = tempfile::tempdir().unwrap();
        let folder = IdentityFolder::at(around.path().join("people/ada"));
        Self { around, folder }
    }

    fn ada() -> (Self, Identity) {
        let home = Self::empty();
        let identity = home.folder.create(material(), &passphrase(), KDF).unwrap();
        (home, identity)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn unlock(&self) -> Result<Identity, IdentityError> {
        self.folder.unlock(&passphrase())
    }
}

/// What a person would see.
fn shown(error: IdentityError) -> (String, Vec<String>) {
    let error = CommandError::from(error);
    assert!(!error.advice().is_empty(), "no advice: {error}");
    (error.to_string(), error.advice().to_vec())
}

fn assert_private(path: &Path, mode: u32) {
    let found = fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(found, mode, "{}", path.display());
}

#[test]
fn what_was_created_is_unlocked_and_private() {
    let (home, made) = Home::ada();
    let back = home.unlock().unwrap();
    assert_eq!(back.public(), made.public());
    assert_eq!(back.device().seed(), made.device().seed());
    assert_eq!(back.root().unwrap().seed(), made.root().unwrap().seed());
    assert_eq!(home.folder.public().unwrap(), *made.public());
    assert_private(home.folder.path(), 0o700);
    for file in ["secret", "identity.json", "chains.json", "lock"] {
        assert_private(&home.file(file), 0o600);
    }
}

#[test]
fn no_secret_stands_in_any_file() {
    let (home, identity) = Home::ada();
    let secrets = [identity.root().unwrap().seed(), identity.device().seed()];
    for entry in fs::read_dir(home.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for secret in secrets {
            let plain = bytes.windows(32).any(|window| window == secret);
            let as_hex = String::from_utf8_lossy(&bytes).contains(&hex::encode(secret));
            assert!(!plain && !as_hex, "{}", path.display());
        }
    }
}

#[test]
fn a_wrong_passphrase_says_so_and_what_to_do() {
    let (home, _) = Home::ada();
    let error = home
        .folder
        .unlock(&Passphrase::from("Correct horse"))
        .unwrap_err();
    let (text, hints) = shown(error);
    assert_eq!(
        text,
        format!(
            "cannot unlock {}: the passphrase is wrong",
            home.file("secret").display()
        )
    );
    assert!(
        hints.iter().any(|hint| hint.contains("--phrase")),
        "{hints:?}"
    );
}

#[test]
fn every_flipped_bit_of_the_secret_is_noticed() {
    let (home, _) = Home::ada();
    let whole = fs::read(home.file("secret")).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(home.file("secret"), flipped).unwrap();
        let error = home.unlock().unwrap_err();
        let noticed = matches!(
            error,
            IdentityError::Damaged { .. } | IdentityError::TooNew { .. }
        );
        assert!(noticed, "bit {bit}: {error}");
    }
}

#[test]
fn every_shortened_secret_is_noticed() {
    let (home, _) = Home::ada();
    let whole = fs::read(home.file("secret")).unwrap();
    for len in 0..whole.len() {
        fs::write(home.file("secret"), &whole[..len]).unwrap();
        let error = home.unlock().unwrap_err();
        assert!(
            matches!(error, IdentityError::Damaged { .. }),
            "{len}: {error}"
        );
    }
    fs::write(home.file("secret"), [&whole[..], b"x"].concat()).unwrap();
    assert!(home.unlock().is_err());
}

#[test]
fn newer_formats_are_told_from_damage() {
    let (home, _) = Home::ada();
    let mut secret = fs::read(home.file("secret")).unwrap();
    secret[16] = 2;
    fs::write(home.file("secret"), secret).unwrap();
    let (text, hints) = shown(home.unlock().unwrap_err());
    assert!(
        text.ends_with("it has format 2, and this program reads formats up to 1"),
        "{text}"
    );
    assert_eq!(hints, ["update comity on this machine"]);

    let newer = r#"{"version": 7, "everything": "else"}"#;
    fs::write(home.file("identity.json"), newer).unwrap();
    let error = home.folder.public().unwrap_err();
    assert!(
        matches!(
            error,
            IdentityError::TooNew {
                found: 7,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_missing_identity_names_the_folder_and_the_way_on() {
    let home = Home::empty();
    for error in [
        home.unlock().unwrap_err(),
        home.folder.public().unwrap_err(),
    ] {
        let (text, hints) = shown(error);
        assert_eq!(
            text,
            format!("there is no identity in {}", home.folder.path().display())
        );
        assert_eq!(hints[0], "make one with `comity init`");
    }
    assert!(
        !home.folder.path().exists(),
        "looking must not create anything"
    );
}

#[test]
fn an_identity_is_never_overwritten() {
    let (home, made) = Home::ada();
    let before = fs::read(home.file("secret")).unwrap();
    let error = home
        .folder
        .create(material(), &passphrase(), KDF)
        .unwrap_err();
    assert!(matches!(error, IdentityError::AlreadyExists(_)), "{error}");
    assert_eq!(fs::read(home.file("secret")).unwrap(), before);
    assert_eq!(home.unlock().unwrap().public(), made.public());
}

#[test]
fn an_interrupted_creation_is_completed_by_the_next_unlock() {
    let (home, made) = Home::ada();
    fs::remove_file(home.file("identity.json")).unwrap();
    assert_eq!(home.unlock().unwrap().public(), made.public());
    assert_eq!(home.folder.public().unwrap(), *made.public());
}

#[test]
fn a_foreign_public_part_is_noticed() {
    let (home, _) = Home::ada();
    let (other, _) = Home::ada();
    fs::copy(other.file("identity.json"), home.file("identity.json")).unwrap();
    let error = home.unlock().unwrap_err();
    assert!(matches!(error, IdentityError::Mismatch(_)), "{error}");
}

#[test]
fn a_damaged_public_part_says_how_to_get_it_back() {
    let (home, _) = Home::ada();
    for damage in ["", "{", r#"{"version":1}"#, r#"{"version":-1}"#] {
        fs::write(home.file("identity.json"), damage).unwrap();
        let (text, hints) = shown(home.unlock().unwrap_err());
        assert!(
            text.contains("identity.json: the file is damaged"),
            "{text}"
        );
        assert!(hints[0].starts_with("move identity.json away"), "{hints:?}");
    }
    fs::remove_file(home.file("identity.json")).unwrap();
    home.unlock().unwrap();
}

#[test]
fn open_permissions_are_warned_about_and_do_not_stop_anything() {
    let (home, identity) = Home::ada();
    let weak = |notice: &Notice| matches!(notice, Notice::WeakKdf(_));
    assert!(identity.notices().iter().all(weak));
    fs::set_permissions(home.file("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let notices = home.unlock().unwrap().notices();
    let open = Notice::OpenToOthers {
        path: home.file("secret"),
        mode: 0o644,
    };
    assert!(notices.contains(&open), "{notices:?}");
    assert!(open.to_string().contains("chmod go="), "{open}");
}

#[test]
fn test_parameters_and_an_empty_passphrase_are_visible() {
    let home = Home::empty();
    let identity = home
        .folder
        .create(material(), &Passphrase::none(), KDF)
        .unwrap();
    let notices = identity.notices();
    assert!(notices.contains(&Notice::NoPassphrase) && notices.contains(&Notice::WeakKdf(KDF)));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(home.file("identity.json")).unwrap()).unwrap();
    assert_eq!(json["protected"], false);
    assert_eq!(json["kdf"]["weak_for_tests_only"], true);
    assert_eq!(json["kdf"]["memory_kib"], 64);
}

#[test]
fn only_the_test_variable_makes_the_derivation_cheap() {
    let mut environment = Environment::default();
    assert_eq!(environment.kdf(), KdfParams::INTERACTIVE);
    environment.fast_kdf = true;
    assert_eq!(environment.kdf(), KdfParams::FOR_TESTS);
    environment.identity = Some("/somewhere/else".into());
    assert_eq!(
        environment.identity_path().unwrap(),
        Path::new("/somewhere/else")
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_written_is_an_error_of_its_own() {
    // Not even root can make a folder here.
    let folder = IdentityFolder::at("/sys/kernel/comity-test");
    let error = folder.create(material(), &passphrase(), KDF).unwrap_err();
    assert!(
        matches!(error, IdentityError::NotWritable { .. }),
        "{error:?}"
    );
    assert!(shown(error).1[0].contains("COMITY_IDENTITY"));
}

#[test]
fn two_processes_do_not_sign_at_once() {
    let (home, one) = Home::ada();
    let two = home.unlock().unwrap();
    let session = one.begin_signing(PATIENCE).unwrap();
    let error = two.begin_signing(Duration::ZERO).unwrap_err();
    assert!(matches!(error, IdentityError::Busy(_)), "{error}");
    drop(session);
    two.begin_signing(PATIENCE).unwrap();
}

#[test]
fn who_waits_for_the_lock_gets_it_and_sees_what_was_signed() {
    let (home, one) = Home::ada();
    let (locked, is_locked) = std::sync::mpsc::sync_channel(0);
    let (release, may_release) = std::sync::mpsc::sync_channel(0);
    std::thread::scope(|scope| {
        // Dropped if this closure panics, so that a failure ends the other thread too.
        let release = release;
        scope.spawn(move || {
            let mut session = one.begin_signing(PATIENCE).unwrap();
            locked.send(()).unwrap();
            may_release.recv().unwrap();
            session.advance(SPACE, head(1));
            session.save().unwrap();
        });
        is_locked.recv().unwrap();
        let two = home.unlock().unwrap();
        assert!(two.begin_signing(Duration::ZERO).is_err());
        release.send(()).unwrap();
        let session = two.begin_signing(Duration::from_secs(30)).unwrap();
        assert_eq!(session.chains().last(&SPACE), Some(head(1)));
    });
}

#[test]
fn a_node_that_lost_data_is_noticed_after_a_restart() {
    let (home, identity) = Home::ada();
    let mut session = identity.begin_signing(PATIENCE).unwrap();
    assert_eq!(
        session.expect_next(&SPACE, None),
        Expect::Next { seq: 1, prev: None }
    );
    session.advance(SPACE, head(1));
    session.advance(SPACE, head(2));
    session.save().unwrap();
    drop(session);

    let identity = home.unlock().unwrap();
    let session = identity.begin_signing(PATIENCE).unwrap();
    let behind = Expect::Behind {
        remembered: head(2),
        node: Some(head(1)),
    };
    assert_eq!(session.expect_next(&SPACE, Some(head(1))), behind);
    let next = Expect::Next {
        seq: 3,
        prev: Some(head(2).id),
    };
    assert_eq!(session.expect_next(&SPACE, Some(head(2))), next);
}

#[test]
fn damaged_chains_stop_signing_rather_than_risk_a_fork() {
    let (home, identity) = Home::ada();
    fs::write(home.file("chains.json"), "{").unwrap();
    let (text, hints) = shown(identity.begin_signing(Duration::ZERO).unwrap_err());
    assert!(text.contains("chains.json: the file is damaged"), "{text}");
    assert!(hints[0].contains("comity sync"), "{hints:?}");
}

#[test]
fn the_passphrase_can_be_changed() {
    let (home, mut identity) = Home::ada();
    let new = Passphrase::from("another one");
    identity.change_passphrase(&new, KDF).unwrap();
    assert!(matches!(
        home.unlock(),
        Err(IdentityError::WrongPassphrase(_))
    ));
    assert_eq!(
        home.folder.unlock(&new).unwrap().public(),
        identity.public()
    );
}

#[test]
fn a_backup_brings_back_the_same_device_with_its_chains_and_a_warning() {
    let (home, identity) = Home::ada();
    let mut session = identity.begin_signing(PATIENCE).unwrap();
    session.advance(SPACE, head(4));
    session.save().unwrap();
    drop(session);
    let file = home.around.path().join("ada.backup");
    let other = Passphrase::from("for the backup");
    identity.backup(&file, &other, KDF, CREATED_MS + 5).unwrap();
    assert_private(&file, 0o600);
    let error = identity
        .backup(&file, &other, KDF, CREATED_MS + 6)
        .unwrap_err();
    assert!(matches!(error, IdentityError::BackupExists(_)), "{error}");

    let new = IdentityFolder::at(home.around.path().join("new"));
    let wrong = new
        .restore_backup(&file, &passphrase(), KDF, CREATED_MS + 9)
        .unwrap_err();
    assert!(
        matches!(wrong, IdentityError::WrongPassphrase(_)),
        "{wrong}"
    );
    let restored = new
        .restore_backup(&file, &other, KDF, CREATED_MS + 9)
        .unwrap();
    assert_eq!(restored.identity.public(), identity.public());
    assert_eq!((restored.made_ms, restored.spaces), (CREATED_MS + 5, 1));
    assert!(restored.warning().contains("comity sync"));

    let mut session = restored.identity.begin_signing(PATIENCE).unwrap();
    assert_eq!(
        session.chains().restored_unconfirmed(),
        Some(CREATED_MS + 9)
    );
    assert_eq!(session.chains().last(&SPACE), Some(head(4)));
    session.confirm_restored();
    session.save().unwrap();
    assert_eq!(
        restored.identity.chains().unwrap().restored_unconfirmed(),
        None
    );
}

#[test]
fn a_backup_and_a_secret_are_not_taken_for_each_other() {
    let (home, identity) = Home::ada();
    let file = home.around.path().join("ada.backup");
    identity
        .backup(&file, &passphrase(), KDF, CREATED_MS)
        .unwrap();
    let new = IdentityFolder::at(home.around.path().join("new"));
    let error = new
        .restore_backup(&home.file("secret"), &passphrase(), KDF, CREATED_MS)
        .unwrap_err();
    assert!(
        shown(error)
            .0
            .contains("it is the secret of an identity folder, not a backup")
    );
    let missing = home.around.path().join("nothing");
    let error = new
        .restore_backup(&missing, &passphrase(), KDF, CREATED_MS)
        .unwrap_err();
    assert!(shown(error).0.starts_with("cannot read"));
    assert!(!new.path().exists());
}

#[test]
fn the_phrase_brings_back_the_person_as_a_new_device() {
    let (home, identity) = Home::ada();
    let phrase = identity.phrase().unwrap();
    assert_eq!(phrase.words().count(), 24);
    let new = IdentityFolder::at(home.around.path().join("new"));
    let restore = |phrase: &str, slot| {
        let name = DisplayName::new("Ada").unwrap();
        new.restore_phrase(phrase, name, slot, &passphrase(), KDF, CREATED_MS)
    };
    let spoiled = phrase
        .as_str()
        .replacen(phrase.words().next().unwrap(), "comity", 1);
    let (text, _) = shown(restore(&spoiled, None).unwrap_err());
    assert!(
        text.contains("word 1, \"comity\", is not in the list of words"),
        "{text}"
    );
    assert!(!new.path().exists());

    let restored = restore(phrase.as_str(), Slot::new(3)).unwrap();
    assert_eq!(restored.public().root, identity.public().root);
    assert_ne!(restored.public().device, identity.public().device);
    assert_eq!(restored.public().slot, Slot::new(3).unwrap());
}

#[test]
fn no_debug_output_shows_a_secret() {
    let (_home, identity) = Home::ada();
    let shown = format!(
        "{identity:?} {:?} {:?}",
        identity.phrase().unwrap(),
        identity.root().unwrap()
    );
    let first_words = identity
        .phrase()
        .unwrap()
        .words()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ");
    assert!(!shown.contains(&first_words), "{shown}");
    assert!(
        !shown.contains(&hex::encode(identity.root().unwrap().seed())),
        "{shown}"
    );
}
