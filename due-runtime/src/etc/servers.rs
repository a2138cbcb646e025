use std::time::Duration;

use super::report::Report;
use super::{Etc, EtcError, With};
use crate::codec::Codec;
use crate::node::{Node, NodeBuilder};

impl Etc {
    /// A node: `cluster.node` and `shutdownMaxWaitTime`.
    ///
    /// # Errors
    /// A codec that nobody has [registered](Codec::register).
    pub fn node(&self) -> Result<NodeBuilder, EtcError> {
        let settings = &self.settings;
        let codec = self.codec_of("cluster.node.codec")?;
        Ok(Node::builder()
            .with(settings.text("cluster.node.id"), NodeBuilder::id)
            .with(settings.text("cluster.node.name"), NodeBuilder::name)
            .with(settings.pairs("cluster.node.metadata"), |node, pairs| {
                pairs.iter().fold(node, |node, (key, value)| node.metadata(key, value))
            })
            .with(codec, NodeBuilder::codec)
            .with(settings.int("cluster.node.weight"), NodeBuilder::weight)
            .with(self.drain(), NodeBuilder::drain))
    }

    /// A mesh: `cluster.mesh`, `transport.grpc.server` or `transport.rpcx.server`, and `shutdownMaxWaitTime`.
    ///
    /// # Errors
    /// Certificates: there is no TLS between servers yet. A transporter that is not compiled in.
    #[cfg(feature = "mesh")]
    pub fn mesh(&self) -> Result<crate::mesh::MeshBuilder, EtcError> {
        use super::backends::Choice;
        use super::{bindable, is_ephemeral};
        use crate::mesh::{Mesh, MeshBuilder};

        let mut report = Report::default();
        let settings = &self.settings;
        let transporter = self.transporter(&mut report);
        let section = format!("transport.{}.server", transporter.as_str());
        let path = |key: &str| format!("{section}.{key}");
        if self.cert_files(&section, &mut report).is_some() {
            let text = format!("`etc.{section}.certFile` asks for TLS, which meshes do not have yet");
            report.error(&self.place(&path("certFile")), text);
        }
        // What is wrong with it is said by `backends`.
        let choice = self.registry_choice(&mut Report::default());
        let is_far = matches!(choice, Choice::Etcd | Choice::Consul);
        let addr = settings.text(&path("addr")).or(is_far.then_some(":0"));
        let advertised = settings.text(&path("expose")).and_then(|host| {
            let port = addr.and_then(|addr| addr.rsplit_once(':')).map_or("0", |(_, port)| port);
            if addr.is_none_or(is_ephemeral) {
                let text = format!("`etc.{section}.expose` needs a fixed port in `etc.{section}.addr`");
                report.error(&self.place(&path("expose")), text);
                return None;
            }
            Some(format!("{host}:{port}"))
        });
        report.finish()?;
        let mesh = Mesh::builder()
            .transporter(transporter)
            .with(settings.text("cluster.mesh.id"), MeshBuilder::id)
            .with(settings.text("cluster.mesh.name"), MeshBuilder::name)
            .with(settings.pairs("cluster.mesh.metadata"), |mesh, pairs| {
                pairs.iter().fold(mesh, |mesh, (key, value)| mesh.metadata(key, value))
            })
            .with(addr.map(bindable), MeshBuilder::addr)
            .with(advertised, MeshBuilder::advertise)
            .with(self.drain(), MeshBuilder::drain);
        #[cfg(feature = "rpcx")]
        let mesh = mesh.with(settings.text("transport.rpcx.server.token"), MeshBuilder::token);
        Ok(mesh)
    }

    #[cfg(feature = "mesh")]
    #[cfg_attr(feature = "rpcx", allow(unused_variables))]
    fn transporter(&self, report: &mut Report) -> crate::mesh::Transporter {
        use crate::mesh::Transporter;

        const CHOICE: &str = "cluster.mesh.transporter";
        let settings = &self.settings;
        let has = |section: &str| settings.place_of(section).is_some();
        let is_rpcx = match settings.text(CHOICE) {
            Some(choice) => choice == "rpcx",
            None => has("transport.rpcx.server") && !has("transport.grpc.server"),
        };
        match is_rpcx {
            false => Transporter::Grpc,
            #[cfg(feature = "rpcx")]
            true => Transporter::Rpcx,
            #[cfg(not(feature = "rpcx"))]
            true => {
                let place = match settings.get(CHOICE) {
                    Some(setting) => setting.at.clone(),
                    None => self.section_place("transport.rpcx.server"),
                };
                report.error(&place, super::backends::needs("a mesh of rpcx", "rpcx"));
                Transporter::Grpc
            }
        }
    }

    /// A master: `cluster.master`, and `config.file` if there is such a section.
    ///
    /// # Errors
    /// A codec that nobody has [registered](Codec::register).
    #[cfg(feature = "master")]
    pub fn master(&self) -> Result<crate::master::MasterBuilder, EtcError> {
        use super::bindable;
        use crate::config::DirConfig;
        use crate::master::{Master, MasterBuilder};

        let settings = &self.settings;
        let config =
            settings.place_of("config.file").or_else(|| Some(&settings.get("config.file.path")?.at)).map(|_| {
                let config = DirConfig::new(settings.text("config.file.path").unwrap_or("./config"));
                let is_writable = settings.text("config.file.mode").is_some_and(|mode| mode != "read-only");
                if is_writable { config.writable() } else { config }
            });
        Ok(Master::builder()
            .with(settings.text("cluster.master.addr").map(bindable), MasterBuilder::listen)
            .with(settings.text("cluster.master.token").filter(|token| !token.is_empty()), MasterBuilder::token)
            .with(self.codec_of("cluster.master.codec")?, MasterBuilder::codec)
            .with(config, MasterBuilder::config))
    }

    fn codec_of(&self, path: &str) -> Result<Option<Codec>, EtcError> {
        let mut report = Report::default();
        let codec = self.settings.text(path).and_then(|name| {
            let unknown = |error: crate::codec::UnknownCodec| {
                report.error(&self.place(path), format!("`etc.{path}`: {error}"));
            };
            Codec::named(name).map_err(unknown).ok()
        });
        report.finish()?;
        Ok(codec)
    }

    /// Zero, due's default, stands for the builders' own: due waits for clients to leave, we send them away.
    pub(super) fn drain(&self) -> Option<Duration> {
        self.settings.time("shutdownMaxWaitTime").filter(|time| !time.is_zero())
    }
}
