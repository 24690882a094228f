# SPDX-License-Identifier: Apache-2.0
"""`imagerctl drives`: the optical drives of this machine, found without the daemon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import BadInput, ExitCode, ImagerdError
from imagerd.cli import knowledge as words
from imagerd.cli import text
from imagerd.cli.catalogs import catalog_options, opened_catalog
from imagerd.cli.failures import finish
from imagerd.cli.output import Output, output_options

if TYPE_CHECKING:
    from imagerd.catalog.records import DriveModel
    from imagerd.devices.drives import DriveNode
    from imagerd.devices.knowledge.record import DriveKnowledge

_Models = Mapping[tuple[str, str, str], "DriveModel"]


@dataclass(frozen=True, slots=True)
class _Drive:
    """One drive. `state` is in words; `problem` says why it could not be asked.

    `read_offset` is that of imagerd's table, `knowledge` what the catalog has of the model.
    """

    address: str
    vendor: str
    product: str
    revision: str
    state: str
    medium: str | None
    links: tuple[str, ...]
    read_offset: int | None
    knowledge: DriveKnowledge | None
    c2: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Drives:
    drives: tuple[_Drive, ...]


@dataclass(frozen=True, slots=True)
class _Probed:
    """A drive that was tried out. `kept`: whether the catalog knows it now."""

    address: str
    vendor: str
    product: str
    revision: str
    read_offset: int | None
    knowledge: DriveKnowledge
    kept: bool


@click.command("drives")
@click.option(
    "--probe",
    "probed",
    metavar="DRIVE",
    help="Try out what this drive can do, on the CD that is in it: half a minute at most.",
)
@click.option(
    "--keep", is_flag=True, help="With --probe: keep what was found in the catalog, for all jobs."
)
@catalog_options
@output_options
def command(
    probed: str | None,
    keep: bool,
    catalog: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the optical drives of this machine.

    Each drive is asked for its state; a drive that another program holds is listed all the same.
    Drives of the daemon, virtual ones among them, are in `imagerctl status`. What a model of drive
    can do, and what imagerd knows of it, is told by `--probe`: the drive must be free, and hold a
    CD that reads well.

    \b
    Examples:
      imagerctl drives
      imagerctl drives --probe /dev/sr0
      imagerctl drives --json | jq -r '.drives[].address'
    """
    output = Output("drives", as_json=as_json, quiet=quiet)
    if probed is None:
        if keep:
            raise BadInput("--keep needs --probe and a drive: what should be kept?")
        output.tell(_Drives(_all(catalog, config)), _lines)
        return
    result = _probe(probed, keep, catalog, config, output)
    output.tell(result, _probed_lines)
    finish(ExitCode.FINDING if result.knowledge.ended else ExitCode.OK)


# -- listing


def _all(catalog: str | None, config: Path | None) -> tuple[_Drive, ...]:
    from imagerd.devices.drives import list_drives

    nodes = list_drives()
    models = _models(catalog, config) if nodes else {}
    return tuple(_ask(node, models) for node in nodes)


def _models(catalog: str | None, config: Path | None) -> _Models:
    """What the catalog knows; drives are listed without it, too, unless it was named."""
    try:
        with opened_catalog(catalog, config) as opened:
            found = opened.models.list()
    except ImagerdError:
        if catalog is not None or config is not None:
            raise
        return {}
    return {(model.vendor, model.product, model.revision): model for model in found}


def _ask(node: DriveNode, models: _Models) -> _Drive:
    from contextlib import closing

    from imagerd.devices.drive import OpticalDrive
    from imagerd.devices.offsets import read_offset
    from imagerd.devices.transport import open_transport

    state, medium, problem = "unknown", None, None
    try:
        # Not exclusively: looking must not disturb whoever uses the drive.
        with closing(OpticalDrive(open_transport(node.address, exclusive=False))) as drive:
            status = drive.status()
            state = status.name.lower().replace("_", " ")
            if state == "ready":
                found = drive.current_medium()
                medium = None if found is None else found.value
    except (ImagerdError, OSError) as error:
        problem = str(error)
    model = models.get((node.vendor, node.product, node.revision))
    return _Drive(
        node.address,
        node.vendor,
        node.product,
        node.revision,
        state,
        medium,
        tuple(map(str, node.by_id)),
        read_offset(node.vendor, node.product),
        None if model is None else model.knowledge,
        None if model is None else model.trust.value,
        problem,
    )


def _lines(result: _Drives) -> Iterator[str]:
    if not result.drives:
        yield "There is no optical drive here."
        yield text.faint("A drive shows as /dev/srN (module sr_mod) or /dev/sgN (module sg).")
        return
    rows = [
        [
            text.strong(drive.address),
            text.clean(f"{drive.vendor} {drive.product}"),
            text.clean(drive.revision),
            "" if drive.read_offset is None else f"{drive.read_offset:+d}",
            "" if drive.knowledge is None else "yes",
            drive.state if drive.medium is None else f"{drive.medium.upper()} in it",
        ]
        for drive in result.drives
    ]
    heads = ["drive", "name", "firmware", ">offset", "known", "state"]
    yield from text.table(rows, heads, indent=0)
    for drive in result.drives:
        if drive.problem:
            yield text.doubtful(f"{drive.address}: {text.clean(drive.problem)}")


# -- trying one out


def _probe(
    name: str, keep: bool, catalog: str | None, config: Path | None, output: Output
) -> _Probed:
    from contextlib import closing

    from imagerd.archive.world import drive_offset
    from imagerd.base.config import catalog_url, load_config
    from imagerd.catalog.catalog import Catalog
    from imagerd.cli.sources import open_drive
    from imagerd.devices.knowledge.forms import features_of
    from imagerd.devices.knowledge.probe import probe

    chosen = load_config(config, client=True)
    with closing(open_drive(name)) as drive:
        who = drive.identity
        known = output.follow(probe(drive), "trying out the drive")
    keep = keep and features_of(known) is not None
    if keep:
        with Catalog.open(catalog_url(catalog) if catalog else chosen.catalog.url) as opened:
            opened.models.learn(who.vendor, who.product, who.revision, known)
    return _Probed(
        who.address, who.vendor, who.product, who.revision, drive_offset(chosen, who), known, keep
    )


def _probed_lines(result: _Probed) -> Iterator[str]:
    known = result.knowledge
    name = text.clean(f"{result.vendor} {result.product}, firmware {result.revision}")
    cost = f"{text.count(known.commands, 'command')}, {known.seconds:.1f} s"
    yield f"{text.strong(result.address)}  {name}  {text.faint(cost)}"
    offset = "not known" if result.read_offset is None else f"{result.read_offset:+d} samples"
    yield from words.lines(known, offset)
    if known.ended:
        yield text.doubtful(f"Not all was asked. {known.ended}")
    if result.kept:
        yield text.faint("Kept in the catalog.")
