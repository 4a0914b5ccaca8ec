//! What an update changes: the machine's disk, and the boot files in its EFI system partition.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

/// The steps that an update is made of. The power may fail during any of them: what was written to the disk and not
/// synced is then lost or not, in any order; what happens to a boot file has reached the disk once the call returns.
pub trait Medium {
    /// Length of the disk.
    fn disk_bytes(&self) -> io::Result<u64>;
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    /// Names of all files beside the boot files.
    fn boot_files(&self) -> io::Result<Vec<String>>;
    /// Writes a file from the beginning of `from`.
    fn write_boot_file(&mut self, name: &str, from: &mut File) -> io::Result<()>;
    fn rename_boot_file(&mut self, from: &str, to: &str) -> io::Result<()>;
    fn remove_boot_file(&mut self, name: &str) -> io::Result<()>;
}

/// The medium of this machine.
pub struct Own {
    pub disk: File,
    pub boot_folder: PathBuf,
}

impl Own {
    /// All that is known of the EFI system partition reaches its disk: a folder's own sync leaves out its tables on some
    /// file systems.
    fn sync_boot_folder(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.boot_folder)?)?)
    }
}

impl Medium for Own {
    fn disk_bytes(&self) -> io::Result<u64> {
        // A block device has no length in its metadata.
        (&self.disk).seek(SeekFrom::End(0))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.read_exact_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.sync_all()
    }

    fn boot_files(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().into_string().unwrap_or_default());
        fs::read_dir(&self.boot_folder)?.map(name).collect()
    }

    fn write_boot_file(&mut self, name: &str, from: &mut File) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.boot_folder.join(name))?;
        from.seek(SeekFrom::Start(0))?;
        io::copy(&mut from.take(u64::MAX), &mut file)?;
        file.sync_all()?;
        self.sync_boot_folder()
    }

    fn rename_boot_file(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.boot_folder.join(from), self.boot_folder.join(to))?;
        self.sync_boot_folder()
    }

    fn remove_boot_file(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.boot_folder.join(name))?;
        self.sync_boot_folder()
    }
}
