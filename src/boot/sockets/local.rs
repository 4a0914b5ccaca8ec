//! The local socket of the admin API: a file that only this user (and root) may open.

use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

/// Its name in the folder that the service manager made for us.
pub const NAME: &str = "admin.sock";
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 32;

/// Binds the socket. One that a dead process left behind is replaced; one that somebody serves is not.
pub fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    let explain = || format!("cannot listen on admin_socket {}", path.display());
    clear(path).with_context(explain)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).with_context(explain)?;
    // Before the file exists, so that nobody else can open it at any moment.
    fchmod(&socket, Mode::RUSR | Mode::WUSR).with_context(explain)?;
    socket.bind(&SockAddr::unix(path).with_context(explain)?).with_context(explain)?;
    socket.listen(BACKLOG).with_context(explain)?;
    socket.set_nonblocking(true).with_context(explain)?;
    Ok(socket.into())
}

/// Where the socket is: as configured, else in the folder of the service manager, else nowhere.
pub fn place(configured: Option<&Path>, runtime: Option<&Path>) -> Option<PathBuf> {
    configured.map(Path::to_owned).or_else(|| Some(runtime?.join(NAME)))
}

fn clear(path: &Path) -> anyhow::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(metadata) if !metadata.file_type().is_socket() => bail!("there is a file of this name that is no socket"),
        Ok(_) => {}
    }
    if UnixStream::connect(path).is_ok() {
        bail!("another process serves it");
    }
    Ok(std::fs::remove_file(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_ours_alone_and_replaces_a_dead_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let first = bind(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let error = bind(&path).unwrap_err();
        assert!(format!("{error:#}").ends_with("admin.sock: another process serves it"), "{error:#}");
        drop(first);
        drop(bind(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        assert!(format!("{:#}", bind(&path).unwrap_err()).contains("no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn the_configuration_says_where_or_the_service_manager_or_nobody() {
        let (mine, runtime) = (Path::new("/x/mine"), Path::new("/run/vallum"));
        assert_eq!(place(Some(mine), Some(runtime)), Some("/x/mine".into()));
        assert_eq!(place(None, Some(runtime)), Some("/run/vallum/admin.sock".into()));
        assert_eq!(place(None, None), None);
    }
}
