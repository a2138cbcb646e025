//! Secrets, certificates and keys.

use super::Etc;
use super::report::Report;
#[cfg(feature = "link")]
use crate::cluster::TcpLink;

impl Etc {
    /// The link with `cluster.secret`, and with TLS by `cluster.caFile`, `certFile` and `keyFile`.
    #[cfg(feature = "link")]
    pub(super) fn guarded(&self, link: TcpLink, report: &mut Report) -> TcpLink {
        let link = match self.settings.text("cluster.secret") {
            Some(secret) => link.secret(secret).unwrap_or_else(|error| {
                report.error(&self.place("cluster.secret"), format!("`etc.cluster.secret`: {error}"));
                TcpLink::new()
            }),
            None => link,
        };
        self.link_tls(link, report)
    }

    #[cfg(all(feature = "link", feature = "tls"))]
    fn link_tls(&self, link: TcpLink, report: &mut Report) -> TcpLink {
        use crate::transport::tls::TlsPeer;

        let identity = self.cert_files("cluster", report);
        match (self.settings.text("cluster.caFile"), identity) {
            (Some(roots), Some((chain, key))) => match TlsPeer::from_pem_files(chain, key, roots) {
                Ok(tls) => link.tls(tls),
                Err(error) => {
                    let text = format!("`etc.cluster`: {}", super::backends::chain(&error));
                    report.error(&self.place("cluster.caFile"), text);
                    link
                }
            },
            (Some(_), None) => {
                let text =
                    "`etc.cluster.caFile` is there, but no `certFile` and `keyFile`: both sides show a certificate";
                report.error(&self.place("cluster.caFile"), text);
                link
            }
            (None, Some(_)) => {
                let text = "`etc.cluster.certFile` is there, but no `caFile`: whose certificates are believed?";
                report.error(&self.place("cluster.certFile"), text);
                link
            }
            (None, None) => link,
        }
    }

    #[cfg(all(feature = "link", not(feature = "tls")))]
    fn link_tls(&self, link: TcpLink, report: &mut Report) -> TcpLink {
        for key in ["cluster.caFile", "cluster.certFile", "cluster.keyFile"] {
            if self.settings.text(key).is_some() {
                report.error(&self.place(key), super::backends::needs(&format!("`etc.{key}`"), "tls"));
            }
        }
        link
    }

    /// `caFile`, and `certFile` with `keyFile`, of the section of a registry.
    #[cfg(any(feature = "etcd", feature = "consul"))]
    pub(super) fn registry_tls(&self, section: &str, report: &mut Report) -> Option<crate::registry::RegistryTls> {
        use crate::registry::RegistryTls;

        let identity = self.cert_files(section, report);
        let key = format!("{section}.caFile");
        let Some(roots) = self.settings.text(&key) else {
            if identity.is_some() {
                let text =
                    format!("`etc.{section}.certFile` is there, but no `caFile`: whose certificates are believed?");
                report.error(&self.place(&format!("{section}.certFile")), text);
            }
            return None;
        };
        let roots = self.pem(&key, roots, report)?;
        let tls = RegistryTls::from_pem(&roots).and_then(|tls| {
            let Some((chain, private)) = identity else { return Ok(Some(tls)) };
            let chain = self.pem(&format!("{section}.certFile"), chain, report);
            let private = self.pem(&format!("{section}.keyFile"), private, report);
            chain.zip(private).map(|(chain, private)| tls.identity(&chain, &private)).transpose()
        });
        tls.unwrap_or_else(|error| {
            report.error(&self.place(&key), format!("`etc.{section}`: {}", super::backends::chain(&error)));
            None
        })
    }

    #[cfg(any(feature = "etcd", feature = "consul"))]
    fn pem(&self, key: &str, path: &str, report: &mut Report) -> Option<Vec<u8>> {
        let failed = |error| report.error(&self.place(key), format!("`etc.{key}`: cannot read {path}: {error}"));
        super::source::read_bytes(path.as_ref()).map_err(failed).ok()
    }

    /// `certFile` and `keyFile` of a section: both or none.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without TLS the link has no certificates"))]
    pub(super) fn cert_files(&self, section: &str, report: &mut Report) -> Option<(&str, &str)> {
        let (cert, key) = (format!("{section}.certFile"), format!("{section}.keyFile"));
        match (self.settings.text(&cert), self.settings.text(&key)) {
            (Some(cert), Some(key)) => return Some((cert, key)),
            (None, None) => {}
            (Some(_), None) => report.error(&self.place(&cert), format!("`etc.{cert}` is there, but no `keyFile`")),
            (None, Some(_)) => report.error(&self.place(&key), format!("`etc.{key}` is there, but no `certFile`")),
        }
        None
    }
}
