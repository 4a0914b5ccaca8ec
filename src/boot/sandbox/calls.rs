//! System calls (seccomp): what this program never calls, an intruder would. They fail with EPERM.
//!
//! It is a list of what is refused, not of what is allowed: the latter is the service manager's (`SystemCallFilter=` in
//! `systemd/vallum.service`), who can be told otherwise on a machine whose C library does something new. Operations that
//! go through a ring are not seen here; Landlock and the cgroup's rules see those.

use std::collections::BTreeMap;

use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// New programs, other processes, the kernel's own settings, and the ways around file permissions.
#[rustfmt::skip]
const REFUSED: &[libc::c_long] = &[
    libc::SYS_execve, libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_getfd, libc::SYS_kcmp,
    // Identities and namespaces.
    libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_setresuid,
    libc::SYS_setresgid, libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_setgroups, libc::SYS_capset,
    libc::SYS_setns, libc::SYS_unshare, libc::SYS_chroot, libc::SYS_pivot_root, libc::SYS_personality,
    // Mounts and devices.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_move_mount, libc::SYS_open_tree, libc::SYS_mount_setattr,
    libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_mknodat, libc::SYS_swapon,
    libc::SYS_swapoff, libc::SYS_quotactl, libc::SYS_acct, libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at,
    // The kernel.
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_kexec_load, libc::SYS_reboot,
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd, libc::SYS_add_key, libc::SYS_request_key,
    libc::SYS_keyctl, libc::SYS_syslog, libc::SYS_vhangup, libc::SYS_fanotify_init, libc::SYS_settimeofday,
    libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex, libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// What x86-64 has besides.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_mknod, libc::SYS_kexec_file_load,
    libc::SYS_fork, libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallsError {
    #[error("no filter can be made for this processor: {0}")]
    Filter(#[from] BackendError),
    #[error(transparent)]
    Install(#[from] seccompiler::Error),
}

/// Holds every thread of the process to it.
pub(super) fn restrict() -> Result<String, CallsError> {
    let refused = REFUSED.iter().chain(REFUSED_HERE);
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> = refused.map(|call| (*call, Vec::new())).collect();
    let count = rules.len();
    let here: TargetArch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, here)?.try_into()?;
    seccompiler::apply_filter_all_threads(&program)?;
    Ok(format!("{count} calls refused"))
}
