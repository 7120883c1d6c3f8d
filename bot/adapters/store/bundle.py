"""What is in a backup, and is it whole?

A tar of `backup.json`, `netdiag.db`, `audit.pub`, `heads.log`, and `audit.key` only where somebody asked for it. The
first names the format and every other file with its size and SHA-256, so that what was cut short or rotted is found.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot.adapters.store import tables
from bot.adapters.store.copying import settle
from bot.adapters.store.keys import KEY, PUBLIC
from bot.adapters.store.place import DATABASE, create
from bot.adapters.store.seal import HEADS
from bot.core.errors import ConfigError

FORMAT = "netdiag.backup/1"
MANIFEST = "backup.json"
NEEDED, WHOLE = (DATABASE, PUBLIC, HEADS), (DATABASE, PUBLIC, HEADS, KEY)
_LARGEST = 1 << 20
"""Bytes of a manifest: what is larger is none."""


@dataclass(frozen=True, slots=True)
class About:
    """What a database says of itself: its schema, the log's epoch, and the log's length."""

    schema: int
    epoch: str
    entries: int


def about(database: Path) -> About:
    """Look into an SQLite store without changing it. Raises ConfigError when it is damaged or not netdiag's."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as opened:
            return look(opened, database)
    except sqlite3.Error as fault:
        raise ConfigError(f"{database}: cannot be opened ({fault})") from fault


def look(opened: sqlite3.Connection, database: Path) -> About:
    """As `about`, over a connection that is open already."""
    try:
        (sound,) = opened.execute("PRAGMA quick_check(1)").fetchone()
        known = dict(opened.execute("SELECT key, value FROM meta").fetchall())
        (entries,) = opened.execute("SELECT seq FROM tail WHERE id = 1").fetchone()
        found = About(int(known["schema"]), str(known["epoch"]), int(entries))
    except (sqlite3.Error, KeyError, TypeError, ValueError) as fault:
        raise ConfigError(f"{database}: damaged, or not netdiag's store ({fault})") from fault
    if sound != "ok":
        raise ConfigError(f"{database}: damaged ({sound})")
    return found


def pack(directory: Path, file: Path, made: str) -> None:
    """Write the files of a directory as a backup that appears whole or not at all, and never over another.

    Raises FileExistsError, and OSError when the disk does not take it.
    """
    names = [name for name in WHOLE if (directory / name).exists()]
    files = {name: {"size": (directory / name).stat().st_size, "sha256": _sum(directory / name)} for name in names}
    manifest = {"format": FORMAT, "made": made, "schema": about(directory / DATABASE).schema, "files": files}
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=2))
    draft = directory / "draft.tar"
    os.close(create(draft, os.O_WRONLY, 0o600))  # whoever reads it reads the log, and perhaps the key
    with tarfile.open(draft, "w") as tar:
        for name in (MANIFEST, *names):
            tar.add(directory / name, name, recursive=False, filter=_anonymous)
    settle(draft)
    os.link(draft, file)
    settle(file.parent)


def unpack(file: Path, into: Path, modes: Mapping[str, int]) -> frozenset[str]:
    """Take a backup's files out, each with its mode; the names of those that are there.

    Raises ConfigError when it is no backup, not whole, or of a newer netdiag.
    """
    try:
        with tarfile.open(file, "r:") as tar:
            members = {member.name: member for member in tar.getmembers() if member.isreg()}
            manifest = _manifest(tar, members, file)
            for name, told in manifest.items():
                source = tar.extractfile(members[name])
                assert source is not None  # a regular file
                with open(create(into / name, os.O_WRONLY, modes[name]), "wb") as target:
                    shutil.copyfileobj(source, target)
                if (into / name).stat().st_size != told["size"] or _sum(into / name) != told["sha256"]:
                    raise ConfigError(f"{file}: {name} in it is not what was backed up; take another backup")
                settle(into / name)
    except (tarfile.TarError, EOFError, KeyError, TypeError, ValueError) as fault:
        raise ConfigError(f"{file}: not a whole backup of netdiag ({fault}); take another one") from fault
    except OSError as fault:
        raise ConfigError(f"{file}: cannot be read or unpacked ({fault.strerror or fault})") from fault
    return frozenset(manifest)


def _manifest(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], file: Path) -> Mapping[str, Any]:
    if MANIFEST not in members or members[MANIFEST].size > _LARGEST:
        raise ConfigError(f"{file}: not a backup of netdiag; `netdiag backup FILE` makes one")
    source = tar.extractfile(members[MANIFEST])
    assert source is not None  # a regular file
    manifest = json.loads(source.read())
    if manifest["format"] != FORMAT:
        raise ConfigError(f"{file}: a backup of the format {manifest['format']!r}, not {FORMAT}; use its own netdiag")
    if int(manifest["schema"]) > tables.SCHEMA:
        newer = f"{file}: its store is of schema {manifest['schema']}, this program knows {tables.SCHEMA}"
        raise ConfigError(f"{newer}: install the newer netdiag")
    files: Mapping[str, Any] = manifest["files"]
    wrong = {name for name in (*NEEDED, *files) if name not in members or name not in files or name not in WHOLE}
    if wrong:
        raise ConfigError(f"{file}: not a whole backup of netdiag ({', '.join(sorted(wrong))}); take another one")
    return files


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
