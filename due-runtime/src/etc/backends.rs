use super::report::{Place, Report};
use super::{Etc, EtcError, With};
use crate::cluster::Backends;
#[cfg(feature = "link")]
use crate::cluster::TcpLink;
use crate::packet::{ByteOrder, Format, HeartbeatTime, RouteWidth, SeqWidth};
#[cfg(feature = "link")]
use crate::registry::Kind;

/// Where instances are registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    Memory,
    Dir,
    Etcd,
    Consul,
}

impl Etc {
    /// What the servers share: the packet format; the registry of `registry.etcd` or `registry.consul`, or the directory of
    /// `cluster.dir`, else memory; the locator of `locate.redis`, and the event bus of `eventbus.redis` or `eventbus.nats`;
    /// the encryptor that `crypto.encryptor` names.
    /// Where the registry is not in memory, a `TcpLink` with the settings of `cluster.gate` and `cluster.node`.
    ///
    /// # Errors
    /// A backend that is not compiled in, two registries, two event buses, addresses and certificates that cannot be used.
    pub fn backends(&self) -> Result<Backends, EtcError> {
        let mut report = Report::default();
        let choice = self.registry_choice(&mut report);
        let backends = match choice {
            Choice::Memory => Backends::memory(),
            Choice::Dir => self.dir_backends(&mut report),
            Choice::Etcd => self.etcd(self.linked(choice, &mut report), &mut report),
            Choice::Consul => self.consul(self.linked(choice, &mut report), &mut report),
        };
        let backends = self.locator(backends, &mut report);
        let backends = self.redis_bus(backends, &mut report);
        let backends = self.nats_bus(backends, &mut report);
        let backends = self.encryptor(backends, &mut report);
        report.finish()?;
        Ok(backends.format(self.format()))
    }

    /// Whether nobody but the servers of this process is found, since no registry and no `cluster.dir` is named.
    pub fn is_in_memory(&self) -> bool {
        // What is wrong with it is said by `backends`.
        self.registry_choice(&mut Report::default()) == Choice::Memory
    }

    pub(super) fn format(&self) -> Format {
        let settings = &self.settings;
        let number = |path| settings.text(path).and_then(|text| text.parse::<u8>().ok());
        // The schema lets only those through that exist.
        Format::new()
            .with(settings.text("packet.byteOrder").and_then(|text| text.parse::<ByteOrder>().ok()), Format::byte_order)
            .with(number("packet.routeBytes").and_then(|width| RouteWidth::try_from(width).ok()), Format::route_width)
            .with(number("packet.seqBytes").and_then(|width| SeqWidth::try_from(width).ok()), Format::seq_width)
            .with(settings.int("packet.bufferBytes"), Format::buffer_bytes)
            .with(settings.bool("packet.heartbeatTime"), |format, on| {
                format.heartbeat_time(if on { HeartbeatTime::Nanos } else { HeartbeatTime::Off })
            })
    }

    pub(super) fn registry_choice(&self, report: &mut Report) -> Choice {
        let settings = &self.settings;
        if let Some(choice) = settings.text("cluster.registry") {
            return match choice {
                "dir" => Choice::Dir,
                "etcd" => Choice::Etcd,
                "consul" => Choice::Consul,
                _ => Choice::Memory,
            };
        }
        let etcd = settings.place_of("registry.etcd");
        let consul = settings.place_of("registry.consul");
        let dir = settings.text("cluster.dir").map(|_| self.place("cluster.dir"));
        let found = [
            (Choice::Etcd, "`etc.registry.etcd`", etcd),
            (Choice::Consul, "`etc.registry.consul`", consul),
            (Choice::Dir, "`etc.cluster.dir`", dir.as_ref()),
        ];
        let mut found = found.into_iter().filter_map(|(choice, name, place)| Some((choice, name, place?)));
        let Some((choice, first, _)) = found.next() else { return Choice::Memory };
        if let Some((_, second, place)) = found.next() {
            report
                .error(place, format!("{first} and {second} are both registries; say which by `etc.cluster.registry`"));
        }
        choice
    }

    fn dir_backends(&self, report: &mut Report) -> Backends {
        let Some(_dir) = self.settings.text("cluster.dir") else {
            report.error(
                &self.place("cluster.registry"),
                "`etc.cluster.registry` is dir, but there is no `etc.cluster.dir`",
            );
            return Backends::memory();
        };
        #[cfg(feature = "link")]
        {
            Backends::dir(_dir).link(self.link(TcpLink::new().addr("127.0.0.1:0"), report))
        }
        #[cfg(not(feature = "link"))]
        {
            report.error(&self.place("cluster.dir"), needs("`etc.cluster.dir`", "link"));
            Backends::memory()
        }
    }

    /// Backends in memory, of which servers of other processes are in reach.
    fn linked(&self, _choice: Choice, _report: &mut Report) -> Backends {
        #[cfg(feature = "link")]
        {
            Backends::memory().link(self.link(TcpLink::new(), _report))
        }
        #[cfg(not(feature = "link"))]
        {
            let section = if _choice == Choice::Etcd { "registry.etcd" } else { "registry.consul" };
            _report.error(&self.section_place(section), needs(&format!("`etc.{section}`"), "link"));
            Backends::memory()
        }
    }

    #[cfg(feature = "link")]
    fn link(&self, base: TcpLink, report: &mut Report) -> TcpLink {
        let base = self.guarded(base, report);
        [("cluster.gate", Kind::Gate), ("cluster.node", Kind::Node)].into_iter().fold(base, |link, (section, kind)| {
            let (settings, path) = (&self.settings, |key: &str| format!("{section}.{key}"));
            link.of(kind, |link| {
                link.with(settings.text(&path("addr")), TcpLink::addr)
                    .with(settings.text(&path("expose")), TcpLink::advertise)
                    .with(settings.int(&path("connNum")), TcpLink::connections)
                    .with(settings.time(&path("callTimeout")), TcpLink::call_timeout)
                    .with(settings.time(&path("dialTimeout")), TcpLink::dial_timeout)
            })
        })
    }

    #[cfg(feature = "etcd")]
    fn etcd(&self, backends: Backends, report: &mut Report) -> Backends {
        use crate::registry::EtcdRegistry;

        let settings = &self.settings;
        let (user, password) = (settings.text("registry.etcd.username"), settings.text("registry.etcd.password"));
        if password.is_some() && user.is_none() {
            report.error(
                &self.place("registry.etcd.password"),
                "`etc.registry.etcd.password` is there, but no `username`",
            );
        }
        let registry = EtcdRegistry::new()
            .with(settings.texts("registry.etcd.addrs"), |registry, addrs| registry.addrs(addrs.to_vec()))
            .with(settings.time("registry.etcd.dialTimeout"), EtcdRegistry::dial_timeout)
            .with(settings.text("registry.etcd.namespace"), EtcdRegistry::namespace)
            .with(settings.time("registry.etcd.timeout"), EtcdRegistry::timeout)
            .with(user, |registry, user| registry.user(user, password.unwrap_or_default()))
            .with(settings.time("registry.etcd.retryInterval"), EtcdRegistry::retry_interval)
            .with(self.registry_tls("registry.etcd", report), EtcdRegistry::tls);
        backends.registry(registry)
    }

    #[cfg(not(feature = "etcd"))]
    fn etcd(&self, backends: Backends, report: &mut Report) -> Backends {
        report.error(&self.section_place("registry.etcd"), needs("`etc.registry.etcd`", "etcd"));
        backends
    }

    #[cfg(feature = "consul")]
    fn consul(&self, backends: Backends, report: &mut Report) -> Backends {
        use crate::registry::ConsulRegistry;

        let settings = &self.settings;
        let registry = ConsulRegistry::new()
            .with(settings.text("registry.consul.addr"), ConsulRegistry::addr)
            .with(settings.text("registry.consul.token"), ConsulRegistry::token)
            .with(self.registry_tls("registry.consul", report), ConsulRegistry::tls)
            .with(settings.bool("registry.consul.healthCheck"), ConsulRegistry::health_check)
            .with(settings.time("registry.consul.healthCheckInterval"), ConsulRegistry::health_check_interval)
            .with(settings.time("registry.consul.healthCheckTimeout"), ConsulRegistry::health_check_timeout)
            .with(settings.bool("registry.consul.heartbeatCheck"), ConsulRegistry::heartbeat_check)
            .with(settings.time("registry.consul.heartbeatCheckInterval"), ConsulRegistry::heartbeat_check_interval)
            .with(
                settings.time("registry.consul.deregisterCriticalServiceAfter"),
                ConsulRegistry::deregister_critical_service_after,
            );
        backends.registry(registry)
    }

    #[cfg(not(feature = "consul"))]
    fn consul(&self, backends: Backends, report: &mut Report) -> Backends {
        report.error(&self.section_place("registry.consul"), needs("`etc.registry.consul`", "consul"));
        backends
    }

    #[cfg(feature = "redis")]
    fn locator(&self, backends: Backends, report: &mut Report) -> Backends {
        use crate::locator::RedisLocator;

        let prefix = self.settings.get("locate.redis.prefix").map(super::Setting::shown);
        backends.with(self.redis("locate.redis", report), |backends, redis| {
            backends.locator(match prefix {
                Some(prefix) => RedisLocator::with_prefix(&redis, prefix),
                None => RedisLocator::new(&redis),
            })
        })
    }

    #[cfg(feature = "redis")]
    fn redis_bus(&self, backends: Backends, report: &mut Report) -> Backends {
        use crate::event::RedisBus;

        let prefix = self.settings.get("eventbus.redis.prefix").map(super::Setting::shown);
        backends.with(self.redis("eventbus.redis", report), |backends, redis| {
            backends.event_bus(match prefix {
                Some(prefix) => RedisBus::with_prefix(&redis, prefix),
                None => RedisBus::new(&redis),
            })
        })
    }

    #[cfg(feature = "nats")]
    fn nats_bus(&self, backends: Backends, report: &mut Report) -> Backends {
        let Some(place) = self.nats_place(report) else { return backends };
        let bus = self.nats_builder(report).build();
        let bus = bus.map_err(|error| report.error(place, format!("`etc.eventbus.nats`: {}", chain(&error)))).ok();
        backends.with(bus, Backends::event_bus)
    }

    #[cfg(feature = "nats")]
    pub(super) fn nats_builder(&self, report: &mut Report) -> crate::event::NatsBuilder {
        use crate::event::{NatsBuilder, NatsBus};

        let settings = &self.settings;
        NatsBus::builder()
            .with(settings.text("eventbus.nats.url"), NatsBuilder::url)
            .with(settings.time("eventbus.nats.timeout"), NatsBuilder::timeout)
            .with(settings.get("eventbus.nats.prefix").map(super::Setting::shown), NatsBuilder::prefix)
            .with(settings.text("eventbus.nats.caFile"), NatsBuilder::ca_file)
            .with(self.cert_files("eventbus.nats", report), |nats, (cert, key)| nats.cert_files(cert, key))
    }

    #[cfg(not(feature = "nats"))]
    fn nats_bus(&self, backends: Backends, report: &mut Report) -> Backends {
        if let Some(place) = self.nats_place(report) {
            report.error(place, needs("`etc.eventbus.nats`", "nats"));
        }
        backends
    }

    fn nats_place(&self, report: &mut Report) -> Option<&Place> {
        let place = self.settings.place_of("eventbus.nats")?;
        if self.settings.place_of("eventbus.redis").is_some() {
            report.error(place, "`etc.eventbus.redis` and `etc.eventbus.nats` are both event buses; leave one out");
        }
        Some(place)
    }

    #[cfg(feature = "redis")]
    fn redis(&self, section: &str, report: &mut Report) -> Option<crate::redis::Redis> {
        let place = self.settings.place_of(section)?;
        let redis = self.redis_builder(section, report).build();
        redis.map_err(|error| report.error(place, format!("`etc.{section}`: {}", chain(&error)))).ok()
    }

    #[cfg(feature = "redis")]
    pub(super) fn redis_builder(&self, section: &str, report: &mut Report) -> crate::redis::RedisBuilder {
        use crate::redis::{Redis, RedisBuilder};

        let (settings, path) = (&self.settings, |key: &str| format!("{section}.{key}"));
        Redis::builder()
            .with(settings.texts(&path("addrs")), |redis, addrs| redis.addrs(addrs.to_vec()))
            .with(settings.int(&path("db")), RedisBuilder::db)
            .with(settings.text(&path("username")), RedisBuilder::username)
            .with(settings.text(&path("password")), RedisBuilder::password)
            .with(settings.text(&path("caFile")), RedisBuilder::ca_file)
            .with(self.cert_files(section, report), |redis, (cert, key)| redis.cert_files(cert, key))
            .with(settings.int(&path("maxRetries")), RedisBuilder::max_retries)
    }

    #[cfg(not(feature = "redis"))]
    fn locator(&self, backends: Backends, report: &mut Report) -> Backends {
        if let Some(place) = self.settings.place_of("locate.redis") {
            report.error(place, needs("`etc.locate.redis`", "redis"));
        }
        backends
    }

    #[cfg(not(feature = "redis"))]
    fn redis_bus(&self, backends: Backends, report: &mut Report) -> Backends {
        if let Some(place) = self.settings.place_of("eventbus.redis") {
            report.error(place, needs("`etc.eventbus.redis`", "redis"));
        }
        backends
    }
}

/// What is said of a part that is not compiled in.
#[allow(dead_code, reason = "with all features there is none")]
pub(super) fn needs(part: &str, feature: &str) -> String {
    format!("{part} needs the cargo feature `{feature}` of due-runtime")
}

/// An error with its causes.
#[allow(dead_code, reason = "without redis and TLS there is none")]
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
