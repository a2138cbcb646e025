//! What the connections of the link ask of the system.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::time::Duration;

use tokio::net::TcpStream;

/// Bytes that the machine of the other side does not confirm for so long end a connection (`TCP_USER_TIMEOUT`, on Linux):
/// it is gone, or the way there. Without it the system tries for a quarter of an hour, and those who wait for answers wait
/// as long. As long as servers listen to silence.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNCONFIRMED: Duration = Duration::from_secs(20);

pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNCONFIRMED))?;
    Ok(())
}
