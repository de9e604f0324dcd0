"""The configuration and keys of the one-node Ceph cluster in `foodco_storage.testing.ceph`."""

from __future__ import annotations

import base64
import os
import struct
import time
import uuid
from pathlib import Path

# What differs from a real cluster, and why:
# - cephx stays on: with `auth ... = none` radosgw never authenticates.
# - a memstore OSD lives in RAM and RGW keeps deleted data until garbage collection (two hours by
#   default), so a test run could fill it and block every write: hence the size of the device and
#   the two `rgw gc` settings.
# - `paxos propose interval` and `min wait` are pauses (1 s, 50 ms) before every change of a map, so
#   of every pool made.
# - a gateway that was killed leaves a watch behind, and until that has run out (30 s) every other
#   gateway waits for it with each change of a bucket or a user.
# - `mon data avail crit`: the monitor would stop on a disk that is 95 % full.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}]
ms bind msgr1 = false
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {directory}/keyring
run dir = {directory}/run
admin socket = {directory}/run/$name.$pid.asok
pid file = {directory}/run/$name.$pid.pid
log file =
log to stderr = true
crash dir = {directory}/crash
err to stderr = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true

[mon]
mon data = {directory}/mon
mon cluster log file = {directory}/log/cluster.log
mon max pg per osd = 2000
mon data avail crit = 1
paxos propose interval = 0.02
paxos min wait = 0.01

[mgr]
mgr data = {directory}/mgr
mgr initial modules =

[osd]
osd data = {directory}/osd
osd objectstore = memstore
osd client watch timeout = 6
memstore device bytes = {osd_bytes}

[client.rgw]
rgw data = {directory}/rgw
objecter tick interval = 1
rgw gc obj min wait = 5
rgw gc processor period = 5
"""

OSD_BYTES = 4 << 30
"""Upper bound of what the cluster stores, in bytes; RAM is used only for what lies in it."""


def new_key() -> str:
    """A random cephx key, in the form that `ceph-authtool --gen-print-key` prints."""
    secret = os.urandom(16)
    return base64.b64encode(struct.pack("<HIIH", 1, int(time.time()), 0, len(secret)) + secret).decode()


def write_configuration(directory: Path, *, mon_port: int) -> str:
    """Write `ceph.conf` and `keyring`, and make the directories they name.

    Args:
        directory: private to the cluster; everything lies under it. Keep it short: it holds Unix
            sockets, whose paths are limited to 107 bytes.
        mon_port: where the monitor will listen on loopback.

    Returns:
        The id of the cluster.
    """
    fsid = str(uuid.uuid4())
    for name in ("run", "log", "crash", "mon", "mgr", "osd", "rgw"):
        (directory / name).mkdir()
    everything = {"mon": "allow *", "osd": "allow *", "mgr": "allow *", "mds": "allow *"}
    keyring = _section("mon.", {"mon": "allow *"})
    keyring += _section("client.admin", everything)
    keyring += _section("client.rgw", {"mon": "allow *", "osd": "allow *", "mgr": "allow *"})
    keyring += _section("mgr.x", {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"})
    keyring += _section("osd.0", {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"})
    (directory / "keyring").touch(mode=0o600)
    (directory / "keyring").write_text(keyring)
    (directory / "ceph.conf").write_text(
        _CONFIGURATION.format(fsid=fsid, mon_port=mon_port, directory=directory, osd_bytes=OSD_BYTES)
    )
    return fsid


def _section(name: str, capabilities: dict[str, str]) -> str:
    lines = [f"[{name}]", f"\tkey = {new_key()}"]
    lines += [f'\tcaps {service} = "{allowed}"' for service, allowed in capabilities.items()]
    return "\n".join(lines) + "\n"
