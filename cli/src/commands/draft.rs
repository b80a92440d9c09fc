//! Certificates that several delegates sign: a file goes from one to the next with `comity sign`.
//!
//! For what must not be proposed before everybody's eyes: spaces of a party that only its own people
//! know, and orders to erase in spaces that only their readers know of.

use crate::{
    app::App, args::space::Sign, desk::parse, error::CommandError, lookup, render, session::Reach,
    ui::sanitize,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client,
    types::{CommunityInfo, PartyInfo, Submit},
};
use comity_protocol::{
    certificate::{self, Certificate, CertificateBody, Declarer},
    entry::Entry,
    id::{EntryId, SpaceId},
    key::{PublicKey, SecretKey, Signature},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;

/// Largest draft that is read, in bytes.
const DRAFT_MAX_BYTES: u64 = 2 * 1024 * 1024;

/// A certificate that is not complete yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Draft {
    /// The version of this form.
    comity_draft: u64,
    /// The community, by id.
    community: String,
    /// The encoded body, base64.
    body: String,
    /// Signatures, base64, by signer.
    signatures: Vec<(String, String)>,
}

impl Draft {
    pub(super) fn new(community: &str, body: &CertificateBody) -> Self {
        Self {
            comity_draft: 1,
            community: community.to_owned(),
            body: STANDARD_NO_PAD.encode(body.encode()),
            signatures: Vec::new(),
        }
    }

    fn read(path: &Path) -> Result<Self, CommandError> {
        let failed = || CommandError::failure(format!("cannot read {} as a draft", path.display()));
        let length = std::fs::metadata(path).map_err(|error| failed().because(&error))?;
        if length.len() > DRAFT_MAX_BYTES {
            return Err(failed().hint("it is far too long"));
        }
        let bytes = std::fs::read(path).map_err(|error| failed().because(&error))?;
        let draft: Self = serde_json::from_slice(&bytes).map_err(|error| {
            failed()
                .because(&error)
                .hint("drafts come from `comity space declare` and `comity erase --order`")
        })?;
        match draft.comity_draft {
            1 => Ok(draft),
            other => Err(failed().hint(format!(
                "it has version {other}: update comity on this machine"
            ))),
        }
    }

    fn body(&self) -> Result<(Vec<u8>, CertificateBody), CommandError> {
        let failed = || CommandError::failure("the draft does not hold a certificate");
        let bytes = STANDARD_NO_PAD
            .decode(&self.body)
            .map_err(|error| failed().because(&error))?;
        let body = CertificateBody::decode(&bytes).map_err(|error| failed().because(&error))?;
        Ok((bytes, body))
    }

    /// Adds a signature; of one by a key that signed already there is nothing to add.
    pub(super) fn sign(&mut self, key: &SecretKey) -> Result<(), CommandError> {
        let (bytes, _) = self.body()?;
        let signer = key.public().to_string();
        if self.signatures.iter().all(|(by, _)| *by != signer) {
            let signature = certificate::sign_body(key, &bytes);
            self.signatures
                .push((signer, STANDARD_NO_PAD.encode(signature.as_bytes())));
        }
        Ok(())
    }

    fn assemble(&self) -> Result<Certificate, CommandError> {
        let (bytes, _) = self.body()?;
        let signatures = self.signatures.iter().map(|(key, signature)| {
            let key: PublicKey = parse(key, "signer")?;
            let signature: Signature = super::join::signature(signature)?;
            Ok((key, signature))
        });
        let signatures = signatures.collect::<Result<Vec<_>, CommandError>>()?;
        let broken = |error: &dyn std::error::Error| {
            CommandError::failure("the draft cannot become a certificate").because(error)
        };
        let assembled = Certificate::assemble(bytes, signatures);
        let assembled = assembled.map_err(|error| broken(&error))?;
        assembled.check().map_err(|error| {
            broken(&error).hint("a signature was changed or is of another draft: begin again")
        })?;
        Ok(assembled)
    }

    /// Hands the certificate in. None: more signatures are needed.
    pub(super) async fn hand_in(&self, client: &Client) -> Result<Option<EntryId>, CommandError> {
        let certificate = self.assemble()?;
        let id = certificate.id();
        let entry = Entry::Certificate(certificate);
        let submit = Submit {
            community: self.community.clone(),
            entries: vec![STANDARD_NO_PAD.encode(entry.encode())],
        };
        let answer = client.submit(&submit).await?;
        let Some(result) = answer.results.first() else {
            return Err(CommandError::internal("the node did not answer"));
        };
        match result.state.as_str() {
            "saved" | "already_present" => Ok(Some(id)),
            "unauthorized" | "pending" => Ok(None),
            _ => {
                let reason = result.reason.as_deref().unwrap_or("it gave no reason");
                Err(CommandError::failure(format!(
                    "the node refuses the certificate: {reason}"
                )))
            }
        }
    }

    /// The space that the certificate declares, or belongs to.
    pub(super) fn space(&self, governance: &str) -> Result<SpaceId, CommandError> {
        Ok(self.assemble()?.home(parse(governance, "space")?))
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Adds one's signature to a draft, and hands it in once there are enough.
pub(super) async fn sign(app: &App, args: &Sign) -> Result<(), CommandError> {
    app.public()?;
    let mut draft = Draft::read(&args.file)?;
    let (_, body) = draft.body()?;
    app.with_node(Reach::Store, async |client| {
        let community = lookup::community(client, Some(&draft.community)).await?;
        app.ui.status(&describe(&body));
        app.ui
            .status(&format!("in {}", sanitize::line(&community.name)));
        must_be_delegate(&body, &community, &app.public()?.root.to_string())?;
        if !args.yes {
            app.confirm("Sign it?")?;
        }
        let identity = app.unlock()?;
        draft.sign(identity.root()?)?;
        write(&args.file, &draft)?;
        let done = draft.hand_in(client).await?;
        if app.ui.is_json() {
            return app.ui.json(&json!({
                "complete": done.is_some(),
                "id": done.map(|it| it.to_string()),
                "signatures": draft.signatures.len(),
            }));
        }
        match done {
            Some(id) => {
                app.ui.status("enough have signed: it is in force");
                app.ui.line(&id.to_string())
            }
            None => {
                let count = render::count(draft.signatures.len() as u64, "signature");
                app.ui.status(&format!("{count} so far; more are needed"));
                app.ui.hint(&format!(
                    "send {} to another delegate: `comity sign FILE`",
                    args.file.display()
                ));
                Ok(())
            }
        }
    })
    .await
}

/// A signature of anybody else would spoil the draft: nobody takes a certificate with it.
fn must_be_delegate(
    body: &CertificateBody,
    community: &CommunityInfo,
    root: &str,
) -> Result<(), CommandError> {
    let of = match body {
        CertificateBody::SpaceDeclaration(it) => match it.declarer {
            Declarer::Party { party, .. } => Some(party.to_string()),
            Declarer::Member { .. } => return Ok(()),
        },
        _ => None,
    };
    let mut parties = community.parties.iter();
    let asked = |it: &&PartyInfo| of.as_ref().is_none_or(|of| it.id == *of);
    let speaks = |it: &PartyInfo| it.delegates.iter().any(|key| key == root);
    match parties.by_ref().filter(asked).any(speaks) {
        true => Ok(()),
        false => Err(CommandError::failure(
            "you cannot sign this draft: only delegates of the party can, and the draft is as it was",
        )
        .hint("`comity party show` lists the delegates: send it to one of them")),
    }
}

fn write(path: &Path, draft: &Draft) -> Result<(), CommandError> {
    std::fs::write(path, format!("{}\n", draft.to_text())).map_err(|error| {
        CommandError::failure(format!("cannot write {}", path.display())).because(&error)
    })
}

fn describe(body: &CertificateBody) -> String {
    match body {
        CertificateBody::SpaceDeclaration(it) => format!(
            "The draft declares the space {:?} for people of one party only.",
            sanitize::line(&it.space.name)
        ),
        CertificateBody::ErasureOrder(it) => format!(
            "The draft orders that the words of {} are erased for good. Reason: {}",
            it.contribution,
            sanitize::line(&it.reason)
        ),
        _ => "The draft is of a type that is proposed and approved in the open.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::{
        certificate::ErasureOrder,
        id::{CommunityId, SpaceId},
    };

    #[test]
    fn a_draft_gathers_signatures_and_a_changed_one_is_noticed() {
        let (ada, bob) = (
            SecretKey::from_seed(&[1; 32]),
            SecretKey::from_seed(&[2; 32]),
        );
        let body = CertificateBody::ErasureOrder(ErasureOrder {
            community: CommunityId::from_bytes([3; 32]),
            charter: EntryId::from_bytes([4; 32]),
            space: SpaceId::from_bytes([5; 32]),
            contribution: EntryId::from_bytes([6; 32]),
            proposer: ada.public(),
            reason: "a home address".into(),
            time_ms: 7,
        });
        let mut draft = Draft::new("ab", &body);
        draft.sign(&ada).unwrap();
        draft.sign(&ada).unwrap();
        draft.sign(&bob).unwrap();
        let mut read: Draft = serde_json::from_str(&draft.to_text()).unwrap();
        let certificate = read.assemble().unwrap();
        assert_eq!(certificate.signers().count(), 2);
        let first = read.signatures[0].1.clone();
        read.signatures[1].1 = first;
        assert!(read.assemble().is_err());
    }
}
