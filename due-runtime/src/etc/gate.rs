#[cfg(any(feature = "tcp", feature = "ws", feature = "kcp"))]
use super::bindable;
use super::report::Report;
use super::{Etc, EtcError, Setting, Typed, With, is_ephemeral};
use crate::cluster::Balance;
use crate::gate::{DuplicateLogin, Gate, GateBuilder, HeartbeatMechanism};
use crate::session::OutboxLimits;

const WIRES: [&str; 3] = ["tcp", "ws", "kcp"];
const DEFAULT_ADDR: &str = ":3553";

impl Etc {
    /// A gate with its listeners: `cluster.gate`, `network.{tcp,ws,kcp}.server` and `shutdownMaxWaitTime`.
    ///
    /// # Errors
    /// Listeners that are not compiled in or contradict each other, certificates that cannot be used.
    pub fn gate(&self) -> Result<GateBuilder, EtcError> {
        let mut report = Report::default();
        let settings = &self.settings;
        let wires = self.wires();
        self.check_addresses(&wires, &mut report);
        let mut gate = Gate::builder()
            .with(settings.text("cluster.gate.id"), GateBuilder::id)
            .with(settings.text("cluster.gate.name"), GateBuilder::name)
            .with(settings.pairs("cluster.gate.metadata"), |gate, pairs| {
                pairs.iter().fold(gate, |gate, (key, value)| gate.metadata(key, value))
            })
            .with(settings.text("cluster.gate.dispatch"), |gate, word| {
                gate.balance(match word {
                    "random" => Balance::Random,
                    "wrr" => Balance::Weighted,
                    _ => Balance::RoundRobin,
                })
            })
            .with(settings.text("cluster.gate.duplicateLogin"), |gate, word| {
                gate.duplicate_login(if word == "keep" { DuplicateLogin::Keep } else { DuplicateLogin::Close })
            })
            .with(settings.bool("cluster.gate.reusePort"), GateBuilder::reuse_port)
            .with(settings.time("cluster.gate.linger"), GateBuilder::linger)
            .with(self.drain(), GateBuilder::drain)
            .with(self.sessions(&wires), GateBuilder::max_sessions);
        if let Some(Typed::Time(time)) = self.agreed("heartbeatInterval", &wires, &mut report) {
            gate = gate.heartbeat_interval(*time);
        }
        if let Some(Typed::Text(word)) = self.agreed("heartbeatMechanism", &wires, &mut report) {
            let is_tick = word == "tick";
            gate = gate.heartbeat_mechanism(if is_tick { HeartbeatMechanism::Tick } else { HeartbeatMechanism::Resp });
        }
        if let Some(Typed::Time(time)) = self.agreed("authorizeTimeout", &wires, &mut report) {
            gate = gate.authorize_timeout(*time);
        }
        let mut outbox = OutboxLimits::default();
        if let Some(Typed::Int(packets)) = self.agreed("writeQueueSize", &wires, &mut report) {
            outbox.packets = *packets as usize;
        }
        if let Some(Typed::Time(time)) = self.agreed("writeTimeout", &wires, &mut report)
            && !time.is_zero()
        {
            outbox.patience = *time;
        }
        gate = gate.outbox(outbox);
        for wire in wires {
            gate = match wire {
                "tcp" => self.tcp(gate, &mut report),
                "ws" => self.ws(gate, &mut report),
                _ => self.kcp(gate, &mut report),
            };
        }
        report.finish()?;
        Ok(gate)
    }

    /// What the gate listens on, in the order in which the program sees the addresses.
    fn wires(&self) -> Vec<&'static str> {
        let chosen = self.settings.texts("cluster.gate.listen");
        let is_wanted = |wire: &&str| match chosen {
            Some(chosen) => chosen.iter().any(|chosen| chosen == wire),
            None => self.settings.place_of(&format!("network.{wire}.server")).is_some(),
        };
        WIRES.into_iter().filter(is_wanted).collect()
    }

    fn check_addresses(&self, wires: &[&str], report: &mut Report) {
        let [tcp, ws] = ["tcp", "ws"].map(|wire| wires.contains(&wire).then(|| self.addr(wire)));
        if let (Some(tcp), Some(ws)) = (tcp, ws)
            && tcp == ws
            && !is_ephemeral(tcp)
        {
            let text = format!(
                "`etc.network.tcp.server` and `etc.network.ws.server` both listen on {tcp}; give one another `addr`, or say \
                 which by `etc.cluster.gate.listen`"
            );
            report.error(&self.place("network.ws.server.addr"), text);
        }
    }

    fn addr(&self, wire: &str) -> &str {
        self.settings.text(&format!("network.{wire}.server.addr")).unwrap_or(DEFAULT_ADDR)
    }

    /// Every listener of due counts for itself.
    fn sessions(&self, wires: &[&str]) -> Option<usize> {
        let of = |wire: &&str| self.settings.int::<usize>(&format!("network.{wire}.server.maxConnNum"));
        let each: Vec<Option<usize>> = wires.iter().map(of).collect();
        let is_said = each.iter().any(Option::is_some);
        is_said.then(|| each.iter().map(|sessions| sessions.unwrap_or(5000)).sum())
    }

    /// What all listeners that say it say.
    fn agreed(&self, key: &str, wires: &[&str], report: &mut Report) -> Option<&Typed> {
        let of = |wire: &&str| {
            // The outbox of kcp is the gate's like any other, only due has no keys for it.
            let path = format!("network.{wire}.server.{key}");
            if *wire == "kcp" && matches!(key, "writeQueueSize" | "writeTimeout") {
                None
            } else {
                Some((self.settings.get(&path)?, path))
            }
        };
        let mut said = wires.iter().filter_map(of);
        let (first, path): (&Setting, String) = said.next()?;
        for (other, other_path) in said {
            if other.value != first.value {
                let text = format!(
                    "`etc.{other_path}` is {}, but `etc.{path}` is {} ({}), and a gate has one for all its listeners",
                    other.shown(),
                    first.shown(),
                    first.at
                );
                report.error(&other.at, text);
            }
        }
        Some(&first.value)
    }

    #[cfg(feature = "tcp")]
    fn tcp(&self, gate: GateBuilder, report: &mut Report) -> GateBuilder {
        use crate::transport::tcp::Tcp;

        let tls = self.tls("network.tcp.server", report);
        gate.listen(bindable(self.addr("tcp")), move |addr, shared| async move {
            let tcp = if shared { Tcp::bind_shared(addr).await? } else { Tcp::bind(addr).await? };
            #[cfg(feature = "tls")]
            let tcp = tcp.with(tls, Tcp::tls);
            #[cfg(not(feature = "tls"))]
            debug_assert!(tls.is_none());
            Ok(tcp)
        })
    }

    #[cfg(not(feature = "tcp"))]
    fn tcp(&self, gate: GateBuilder, report: &mut Report) -> GateBuilder {
        report.error(
            &self.section_place("network.tcp.server"),
            super::backends::needs("`etc.network.tcp.server`", "tcp"),
        );
        gate
    }

    #[cfg(feature = "ws")]
    fn ws(&self, gate: GateBuilder, report: &mut Report) -> GateBuilder {
        use crate::transport::ws::Ws;

        let addr = bindable(self.addr("ws"));
        let path = self.settings.text("network.ws.server.path").map(str::to_owned);
        let origins = self.settings.texts("network.ws.server.origins").map(<[String]>::to_vec);
        let tls = self.tls("network.ws.server", report);
        gate.listen(addr, move |addr, shared| async move {
            let ws = if shared { Ws::bind_shared(addr).await? } else { Ws::bind(addr).await? };
            let ws = ws.with(path, Ws::path).with(origins, Ws::origins);
            #[cfg(feature = "tls")]
            let ws = ws.with(tls, Ws::tls);
            #[cfg(not(feature = "tls"))]
            debug_assert!(tls.is_none());
            Ok(ws)
        })
    }

    #[cfg(not(feature = "ws"))]
    fn ws(&self, gate: GateBuilder, report: &mut Report) -> GateBuilder {
        report.error(&self.section_place("network.ws.server"), super::backends::needs("`etc.network.ws.server`", "ws"));
        gate
    }

    #[cfg(feature = "kcp")]
    fn kcp(&self, gate: GateBuilder, _: &mut Report) -> GateBuilder {
        use std::time::Duration;

        use crate::transport::kcp::{Kcp, Settings};

        let settings = &self.settings;
        let pace = Settings::new()
            .with(settings.int("network.kcp.server.mtu"), Settings::mtu)
            .with(settings.ints("network.kcp.server.noDelay"), |pace, numbers| match *numbers {
                [no_delay, interval, resend, no_congestion] => pace
                    .no_delay(no_delay != 0)
                    .interval(Duration::from_millis(interval.unsigned_abs()))
                    .fast_resend(resend as u8)
                    .congestion_control(no_congestion == 0),
                _ => pace,
            })
            .with(settings.bool("network.kcp.server.ackNoDelay"), Settings::ack_no_delay)
            .with(settings.bool("network.kcp.server.writeDelay"), Settings::write_delay)
            .with(settings.ints("network.kcp.server.windowSize"), |pace, numbers| match *numbers {
                [send, receive] => pace.windows(send as u16, receive as u16),
                _ => pace,
            })
            .with(settings.int("network.kcp.server.readBuffer"), Settings::receive_buffer)
            .with(settings.int("network.kcp.server.writeBuffer"), Settings::send_buffer);
        gate.listen(bindable(self.addr("kcp")), move |addr, _| async move { Ok(Kcp::bind(addr).await?.settings(pace)) })
    }

    #[cfg(not(feature = "kcp"))]
    fn kcp(&self, gate: GateBuilder, report: &mut Report) -> GateBuilder {
        report.error(
            &self.section_place("network.kcp.server"),
            super::backends::needs("`etc.network.kcp.server`", "kcp"),
        );
        gate
    }

    #[cfg(all(feature = "tls", any(feature = "tcp", feature = "ws")))]
    fn tls(&self, section: &str, report: &mut Report) -> Option<crate::transport::tls::TlsServer> {
        let (cert, key) = self.cert_files(section, report)?;
        let tls = crate::transport::tls::TlsServer::from_pem_files(cert, key);
        let place = self.place(&format!("{section}.certFile"));
        tls.map_err(|error| report.error(&place, format!("`etc.{section}`: {}", super::backends::chain(&error)))).ok()
    }

    #[cfg(all(not(feature = "tls"), any(feature = "tcp", feature = "ws")))]
    fn tls(&self, section: &str, report: &mut Report) -> Option<std::convert::Infallible> {
        if self.cert_files(section, report).is_some() {
            let path = format!("{section}.certFile");
            report.error(&self.place(&path), super::backends::needs(&format!("`etc.{path}`"), "tls"));
        }
        None
    }
}
