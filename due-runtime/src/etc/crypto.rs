use super::Etc;
#[cfg(not(all(feature = "rsa", feature = "ecc")))]
use super::backends::needs;
use super::report::Report;
#[cfg(any(feature = "rsa", feature = "ecc"))]
use super::{EtcError, With, backends::chain};
use crate::cluster::Backends;
#[cfg(any(feature = "rsa", feature = "ecc"))]
use crate::crypto::{CryptoError, Hash};

impl Etc {
    /// The encryptor of `crypto.rsa.encryptor`, as due's `rsa.NewEncryptor` reads it. Without a public key, that of the private
    /// one.
    ///
    /// # Errors
    /// No private key, keys that cannot be read, settings that do not fit them.
    #[cfg(feature = "rsa")]
    pub fn rsa_encryptor(&self) -> Result<crate::crypto::RsaEncryptor, EtcError> {
        use crate::crypto::{RsaEncryptor, RsaEncryptorBuilder, RsaPadding};

        let (settings, section) = (&self.settings, "crypto.rsa.encryptor");
        let padding = settings.text("crypto.rsa.encryptor.padding").map(|padding| match padding {
            "OAEP" => RsaPadding::Oaep,
            _ => RsaPadding::Normal,
        });
        let (public, private) = self.rsa_keys(section)?;
        let encryptor = RsaEncryptor::builder(public, private)
            .with(padding, RsaEncryptorBuilder::padding)
            .with(self.hash(section), RsaEncryptorBuilder::hash)
            .with(settings.text("crypto.rsa.encryptor.label"), RsaEncryptorBuilder::label)
            .with(settings.int("crypto.rsa.encryptor.blockSize"), RsaEncryptorBuilder::block_size)
            .build();
        self.usable(section, encryptor)
    }

    /// The signer of `crypto.rsa.signer`, likewise.
    ///
    /// # Errors
    /// No private key, keys that cannot be read, settings that do not fit them.
    #[cfg(feature = "rsa")]
    pub fn rsa_signer(&self) -> Result<crate::crypto::RsaSigner, EtcError> {
        use crate::crypto::{RsaSigner, RsaSignerBuilder, RsaSigning};

        let section = "crypto.rsa.signer";
        let padding = self.settings.text("crypto.rsa.signer.padding").map(|padding| match padding {
            "PKCS" => RsaSigning::Pkcs1v15,
            _ => RsaSigning::Pss,
        });
        let (public, private) = self.rsa_keys(section)?;
        let signer = RsaSigner::builder(public, private)
            .with(padding, RsaSignerBuilder::padding)
            .with(self.hash(section), RsaSignerBuilder::hash)
            .build();
        self.usable(section, signer)
    }

    /// The encryptor of `crypto.ecc.encryptor`, as due's `ecc.NewEncryptor` reads it. Without a public key, that of the private
    /// one.
    ///
    /// # Errors
    /// No private key, keys that cannot be read or are of a curve that cannot encrypt.
    #[cfg(feature = "ecc")]
    pub fn ecc_encryptor(&self) -> Result<crate::crypto::EccEncryptor, EtcError> {
        use crate::crypto::{EccEncryptor, EccEncryptorBuilder};

        let (settings, section) = (&self.settings, "crypto.ecc.encryptor");
        let (public, private) = self.ecc_keys(section)?;
        let encryptor = EccEncryptor::builder(public, private)
            .with(settings.text("crypto.ecc.encryptor.s1"), EccEncryptorBuilder::s1)
            .with(settings.text("crypto.ecc.encryptor.s2"), EccEncryptorBuilder::s2)
            .build();
        self.usable(section, encryptor)
    }

    /// The signer of `crypto.ecc.signer`; without that section, of `crypto.rsa.signer`, where due's `ecc.NewSigner` looks.
    ///
    /// # Errors
    /// No private key, keys that cannot be read, a delimiter that cannot be one.
    #[cfg(feature = "ecc")]
    pub fn ecc_signer(&self) -> Result<crate::crypto::EccSigner, EtcError> {
        use crate::crypto::{EccSigner, EccSignerBuilder};

        let is_there = self.settings.place_of("crypto.ecc.signer").is_some();
        let section = if is_there { "crypto.ecc.signer" } else { "crypto.rsa.signer" };
        let (public, private) = self.ecc_keys(section)?;
        let delimiter = format!("{section}.delimiter");
        let signer = EccSigner::builder(public, private)
            .with(self.hash(section), EccSignerBuilder::hash)
            .with(self.settings.text(&delimiter), EccSignerBuilder::delimiter)
            .build();
        self.usable(section, signer)
    }

    /// What `crypto.encryptor` names.
    pub(super) fn encryptor(&self, backends: Backends, report: &mut Report) -> Backends {
        match self.settings.text("crypto.encryptor") {
            Some("rsa") => self.rsa(backends, report),
            Some("ecc") => self.ecc(backends, report),
            _ => backends,
        }
    }

    #[cfg(feature = "rsa")]
    fn rsa(&self, backends: Backends, report: &mut Report) -> Backends {
        backends.with(self.rsa_encryptor().map_err(|error| report.take(error)).ok(), Backends::encryptor)
    }

    #[cfg(not(feature = "rsa"))]
    fn rsa(&self, backends: Backends, report: &mut Report) -> Backends {
        report.error(&self.place("crypto.encryptor"), needs("`etc.crypto.encryptor` = rsa", "rsa"));
        backends
    }

    #[cfg(feature = "ecc")]
    fn ecc(&self, backends: Backends, report: &mut Report) -> Backends {
        backends.with(self.ecc_encryptor().map_err(|error| report.take(error)).ok(), Backends::encryptor)
    }

    #[cfg(not(feature = "ecc"))]
    fn ecc(&self, backends: Backends, report: &mut Report) -> Backends {
        report.error(&self.place("crypto.encryptor"), needs("`etc.crypto.encryptor` = ecc", "ecc"));
        backends
    }

    #[cfg(feature = "rsa")]
    fn rsa_keys(&self, section: &str) -> Result<(crate::crypto::RsaPublicKey, crate::crypto::RsaPrivateKey), EtcError> {
        use crate::crypto::{RsaPrivateKey, RsaPublicKey};

        self.keys(section, RsaPublicKey::load, RsaPrivateKey::load, RsaPrivateKey::public_key)
    }

    #[cfg(feature = "ecc")]
    fn ecc_keys(&self, section: &str) -> Result<(crate::crypto::EccPublicKey, crate::crypto::EccPrivateKey), EtcError> {
        use crate::crypto::{EccPrivateKey, EccPublicKey};

        self.keys(section, EccPublicKey::load, EccPrivateKey::load, EccPrivateKey::public_key)
    }

    /// Both keys of a section, each as PEM text or the name of a file.
    #[cfg(any(feature = "rsa", feature = "ecc"))]
    fn keys<P, S>(
        &self,
        section: &str,
        public: impl Fn(&str) -> Result<P, CryptoError>,
        private: impl Fn(&str) -> Result<S, CryptoError>,
        public_of: impl Fn(&S) -> P,
    ) -> Result<(P, S), EtcError> {
        let (public_path, private_path) = (format!("{section}.publicKey"), format!("{section}.privateKey"));
        let told = |path: &str, error: CryptoError| {
            EtcError::one(&self.place(path), format!("`etc.{path}`: {}", chain(&error)))
        };
        let source = self.settings.text(&private_path);
        let source = source.ok_or_else(|| CryptoError::Key("there is none; PEM text, or the name of a file".into()));
        let private = source.and_then(private).map_err(|error| told(&private_path, error))?;
        let public = match self.settings.text(&public_path) {
            Some(source) => public(source).map_err(|error| told(&public_path, error))?,
            None => public_of(&private),
        };
        Ok((public, private))
    }

    #[cfg(any(feature = "rsa", feature = "ecc"))]
    fn hash(&self, section: &str) -> Option<Hash> {
        // The schema lets only those through that exist.
        self.settings.text(&format!("{section}.hash")).and_then(|name| name.parse().ok())
    }

    #[cfg(any(feature = "rsa", feature = "ecc"))]
    fn usable<T>(&self, section: &str, built: Result<T, CryptoError>) -> Result<T, EtcError> {
        built
            .map_err(|error| EtcError::one(&self.section_place(section), format!("`etc.{section}`: {}", chain(&error))))
    }
}
