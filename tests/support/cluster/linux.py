"""The system calls that containers are made of, which Python 3.11 does not offer."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

NEW_MOUNTS = 0x00020000
NEW_HOSTNAME = 0x04000000
NEW_IPC = 0x08000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000
BIND = 0x1000
RECURSIVE = 0x4000
PRIVATE = 0x40000
NO_SUID = 0x2
NO_DEVICES = 0x4

_CAPABILITIES = 64
_MOUNT_SETATTR = 442  # one number on every architecture
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_ATTR_READ_ONLY = 0x1
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def unshare(kinds: int) -> None:
    """Leave the namespaces of these kinds for new ones; that of process ids is only for children."""
    _check(_libc.unshare(kinds), "unshare")


def enter(namespace: str | Path) -> None:
    """Enter the namespace that this file stands for."""
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        _check(_libc.setns(descriptor, 0), f"setns {namespace}")
    finally:
        os.close(descriptor)


def mount(source: str | Path, target: str | Path, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount `source` on `target`."""
    words = [os.fsencode(word) for word in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), data.encode()), f"mount {source} on {target}")


def make_read_only(target: str | Path, *, recursive: bool = True) -> None:
    """Nothing can be written below this mount from now on."""
    attributes = _MountAttributes(attr_set=_ATTR_READ_ONLY)
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    done = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), flags, ctypes.byref(attributes), size)
    _check(done, f"read-only {target}")


def die_with_parent() -> None:
    """Be killed when the parent ends; to be said again after a change of user."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def drop_capabilities() -> None:
    """No program that is started from here on holds any capability, not even as root."""
    for capability in range(_CAPABILITIES):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails where the kernel knows no such capability


def refuse_new_privileges() -> None:
    """No set-user-ID program gains anything from here on."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def may_change_user() -> bool:
    """Whether this process is root of a machine, and not only of a user namespace with one user."""
    return os.geteuid() == 0 and int(Path("/proc/self/uid_map").read_text().split()[2]) > 65536


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
