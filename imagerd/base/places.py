# SPDX-License-Identifier: Apache-2.0
"""Where the configuration and, without one, everything else lies. Light: nothing is parsed here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEM_FILE = Path("/etc/imagerd/imagerd.toml")
SOCKET = "imagerd.sock"  # in the runtime folder
CATALOG = "catalog.sqlite"  # in the state folder


@dataclass(frozen=True, slots=True)
class Places:
    """Default folders, for a service of the system or for a plain user."""

    state: Path
    runtime: Path
    archive: Path

    @classmethod
    def of_system(cls, environ: Mapping[str, str]) -> Places:
        """The FHS's, or what systemd made for the unit (STATE_DIRECTORY, RUNTIME_DIRECTORY)."""
        state = environ.get("STATE_DIRECTORY", "/var/lib/imagerd").partition(":")[0]
        runtime = environ.get("RUNTIME_DIRECTORY", "/run/imagerd").partition(":")[0]
        return cls(Path(state), Path(runtime), Path("/srv/images"))

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> Places:
        """The XDG base directories."""
        home = Path(environ.get("HOME") or Path.home())
        state = Path(environ.get("XDG_STATE_HOME") or home / ".local/state") / "imagerd"
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share") / "imagerd"
        xdg_runtime = environ.get("XDG_RUNTIME_DIR")
        runtime = Path(xdg_runtime) / "imagerd" if xdg_runtime else state / "run"
        return cls(state, runtime, data / "images")


def config_file(environ: Mapping[str, str]) -> Path | None:
    """The configuration that is used where none is named, if there is one."""
    home = Path(environ.get("HOME") or Path.home())
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "imagerd" / "imagerd.toml"
    candidates = [SYSTEM_FILE] if is_service(environ) else [user, SYSTEM_FILE]
    return next((file for file in candidates if file.is_file()), None)


def is_service(environ: Mapping[str, str]) -> bool:
    """Whether this process is the system's daemon, or root at work."""
    return os.geteuid() == 0 or "STATE_DIRECTORY" in environ


def places_of(file: Path | None, environ: Mapping[str, str], *, client: bool) -> Places:
    """The default folders beside the configuration `file`, or without any.

    A `client` without a configuration means the system's daemon if that runs and the user's own
    does not.
    """
    system = Places.of_system(environ)
    if file == SYSTEM_FILE or is_service(environ):
        return system
    user = Places.of_user(environ)
    if client and file is None and _lives(system) and not _lives(user):
        return system
    return user


def _lives(places: Places) -> bool:
    """Whether a daemon has its socket there."""
    return os.path.lexists(places.runtime / SOCKET)


def plain_catalog(environ: Mapping[str, str]) -> Path | None:
    """A client's catalog where nothing is configured; None where a file or a variable may say.

    Known without reading a configuration, which takes a while to import.
    """
    if environ.get("IMAGERD_CATALOG") or environ.get("IMAGERD_CONFIG") or config_file(environ):
        return None
    return places_of(None, environ, client=True).state / CATALOG


def may_have_catalog(environ: Mapping[str, str]) -> bool:
    """Whether anything says where a catalog is, or one lies at a default place."""
    if environ.get("IMAGERD_CATALOG") or environ.get("IMAGERD_CONFIG") or config_file(environ):
        return True
    places = (Places.of_system(environ), Places.of_user(environ))
    return any((place.state / CATALOG).exists() for place in places)
