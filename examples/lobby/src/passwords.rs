//! Passwords: what is stored of them, and how one is compared with it.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinError;
use tokio::time::timeout;

/// How long a player waits for his turn, when many log in at once.
const TURN: Duration = Duration::from_secs(3);

/// Argon2id with the crate's defaults, 19 MiB and two passes each, on threads of its own. As many at a time as there are
/// processors.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// What a password is compared with where there is no account, so that this takes as long.
    decoy: Arc<str>,
}

/// Why a password was neither hashed nor compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Too many wait already.
    #[error("no turn within {TURN:?}")]
    Busy,
    /// The system has no randomness, or the stored hash is none.
    #[error("the password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    /// The thread ended.
    #[error("the thread that hashed ended")]
    Thread(#[from] JoinError),
}

impl Passwords {
    /// Takes as long as one login.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn new() -> Result<Self, PasswordError> {
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { turns: Arc::new(Semaphore::new(turns)), decoy: hash("decoy")?.into() })
    }

    /// What to store: in the PHC format, with a salt of its own.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let _turn = self.turn().await?;
        tokio::task::spawn_blocking(move || hash(&password)).await?
    }

    /// Whether it is the password that was stored. Without an account: no.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, PasswordError> {
        let _turn = self.turn().await?;
        let decoy = Arc::clone(&self.decoy);
        let compare = move || {
            let against = stored.as_deref().unwrap_or(&decoy);
            match Argon2::default().verify_password(password.as_bytes(), against) {
                Ok(()) => Ok(stored.is_some()),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(PasswordError::Hash(error)),
            }
        };
        tokio::task::spawn_blocking(compare).await?
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, PasswordError> {
        let turn = timeout(TURN, self.turns.acquire()).await.map_err(|_| PasswordError::Busy)?;
        Ok(turn.expect("the semaphore is never closed"))
    }
}

fn hash(password: &str) -> Result<String, PasswordError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("123456".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash("123456".to_owned()).await.unwrap(), "each has a salt of its own");
        let is = async |password: &str, stored| passwords.verify(password.to_owned(), stored).await.unwrap();
        assert!(is("123456", Some(stored.clone())).await);
        assert!(!is("1234567", Some(stored)).await);
        assert!(!is("decoy", None).await, "nobody has no account");
    }
}
