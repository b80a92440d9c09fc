//! `comity identity …`

use super::input;
use crate::{
    app::App,
    args::membership::{IdentityCommand, RestoreIdentity},
    error::CommandError,
    identity::{
        DisplayName, Identity, IdentityError, PassphraseOptions, RecoveryPhrase,
        passphrase::Purpose,
    },
    moment::{self, now_ms},
};
use serde_json::json;
use std::path::Path;

/// Runs a command about the identity.
pub(super) fn run(app: &App, command: IdentityCommand) -> Result<(), CommandError> {
    match command {
        IdentityCommand::Backup { file } => backup(app, &file),
        IdentityCommand::Restore(args) => restore(app, &args),
        IdentityCommand::Phrase => phrase(app),
        IdentityCommand::Passphrase {
            new_passphrase_file,
            no_passphrase,
        } => change_passphrase(
            app,
            &PassphraseOptions {
                file: new_passphrase_file,
                none: no_passphrase,
            },
        ),
    }
}

/// The backup opens with the passphrase of the identity, so there is one to remember.
fn backup(app: &App, file: &Path) -> Result<(), CommandError> {
    let identity = app.unlock()?;
    let passphrase = if identity.public().protected {
        // Asked again, so that nobody seals a backup with a passphrase they do not know.
        let passphrase = app.passphrase(Purpose::Unlock, false)?;
        identity.folder().unlock(&passphrase)?;
        passphrase
    } else {
        crate::identity::Passphrase::none()
    };
    identity.backup(file, &passphrase, app.environment.kdf(), now_ms())?;
    if app.ui.is_json() {
        return app.ui.json(&json!({ "backup": file }));
    }
    app.ui
        .status("backup written; it opens with the passphrase of this identity");
    app.ui.line(&file.display().to_string())
}

fn restore(app: &App, args: &RestoreIdentity) -> Result<(), CommandError> {
    let folder = app.identity_folder()?;
    if folder.is_taken() {
        return Err(IdentityError::AlreadyExists(folder.path().to_owned()).into());
    }
    let kdf = app.environment.kdf();
    if let Some(file) = &args.file {
        // An unprotected backup opens with the empty passphrase: try it before asking.
        let none = crate::identity::Passphrase::none();
        let restored = match folder.restore_backup(file, &none, kdf, now_ms()) {
            Err(IdentityError::WrongPassphrase(_)) => {
                let passphrase = app.passphrase(Purpose::Unlock, false)?;
                folder.restore_backup(file, &passphrase, kdf, now_ms())?
            }
            other => other?,
        };
        let made = moment::show(restored.made_ms);
        app.ui
            .status(&format!("restored from the backup of {made}"));
        app.ui.warning(&restored.warning());
        return tell(app, &restored.identity);
    }
    let words = match &args.phrase_file {
        Some(file) => input::read(&file.to_string_lossy())?,
        None => input::read("-")?,
    };
    // The words first: nobody should choose a passphrase for words that are wrong.
    RecoveryPhrase::parse(&words).map_err(IdentityError::from)?;
    let name = args.name.as_deref().ok_or_else(|| {
        CommandError::usage("say your name, as others will see it").hint("add --name NAME")
    })?;
    let name = DisplayName::new(name).map_err(IdentityError::from)?;
    let passphrase = app.passphrase(Purpose::New, args.no_passphrase)?;
    let identity = folder.restore_phrase(&words, name, None, &passphrase, kdf, now_ms())?;
    app.ui
        .status("you are back, with a new device; it is linked to you when it first writes");
    tell(app, &identity)
}

fn tell(app: &App, identity: &Identity) -> Result<(), CommandError> {
    for notice in identity.notices() {
        app.ui.warning(&notice.to_string());
    }
    let public = identity.public();
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "name": public.name.as_str(),
            "root": public.root.to_string(),
            "device": public.device.to_string(),
            "identity": identity.folder().path(),
        }));
    }
    app.ui.line(&public.root.to_string())
}

fn phrase(app: &App) -> Result<(), CommandError> {
    let phrase = app.unlock()?.phrase()?;
    if app.ui.is_json() {
        return app.ui.json(&json!({ "phrase": phrase.as_str() }));
    }
    app.ui
        .warning("whoever has these words is you: write them on paper and show them to nobody");
    app.ui.line(phrase.as_str())
}

fn change_passphrase(app: &App, new: &PassphraseOptions) -> Result<(), CommandError> {
    let mut identity = app.unlock()?;
    let passphrase = app.passphrase_from(new, Purpose::New)?;
    identity.change_passphrase(&passphrase, app.environment.kdf())?;
    for notice in identity.notices() {
        app.ui.warning(&notice.to_string());
    }
    if app.ui.is_json() {
        return app
            .ui
            .json(&json!({ "protected": identity.public().protected }));
    }
    app.ui
        .status("the passphrase is changed; backups made before keep the old one");
    Ok(())
}
