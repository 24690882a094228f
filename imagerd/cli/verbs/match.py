# SPDX-License-Identifier: Apache-2.0
"""`imagerctl match`: which known dump an image is."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagerd.base.errors import (
    BadInput,
    ExitCode,
    ImagerdError,
    InternalError,
    NotAvailable,
    OperatorError,
)
from imagerd.cli import failures, text
from imagerd.cli.accounts import Accounts, account_options
from imagerd.cli.catalogs import located, opened_catalog
from imagerd.cli.matches import Matched, MatchesTold, lines
from imagerd.cli.output import Output, output_options
from imagerd.cli.renames import rename
from imagerd.cli.sources import is_drive, opened

if TYPE_CHECKING:
    from imagerd.catalog.catalog import Catalog
    from imagerd.catalog.dat_library import DatLibrary
    from imagerd.toolkit.match.records import Heard, SameSound, Sound
    from imagerd.toolkit.match.results import MatchResult


@click.command("match")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--dat", "dats", multiple=True, metavar="NAME", help="Only in this DAT; repeatable.")
@click.option(
    "--rename",
    "template",
    metavar="TEMPLATE",
    help="Rename what has a match: {name}, {system}, {dat}, {version}; [{track}] for files of one"
    " track; / makes folders.",
)
@click.option("--dry-run", is_flag=True, help="With --rename: only tell the new names.")
@click.option("--offsets", is_flag=True, help="Look for audio at other offsets in any case.")
@account_options
@output_options
def command(
    paths: tuple[str, ...],
    dats: tuple[str, ...],
    template: str | None,
    dry_run: bool,
    offsets: bool,
    catalog: str | None,
    config: Path | None,
    no_catalog: bool,
    no_map: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Name discs by the DATs in the catalog, whatever their container.

    PATH is an image, a folder (all images below it) or a drive. Its tracks are hashed as Redump
    does and looked up; an image is matched where every track is the same. Where none is, it tells
    what comes near: tracks that are missing, more or different, audio at another offset, bytes too
    many or too few at an end.

    \b
    Examples:
      imagerctl dat import redump.zip
      imagerctl match game.cue
      imagerctl match discs/ --rename "{system}/{name}" --dry-run
      imagerctl match --json discs/ | jq -r '.images[].result.candidates[0].name'

    Exit code: 1 if an image has no match, or was not renamed; 2 if one could not be opened.
    """
    from imagerd.toolkit.match.gather import gather
    from imagerd.toolkit.match.template import Template

    if dry_run and template is None:
        raise click.UsageError("--dry-run is for --rename.")
    names = None if template is None else Template.parse(template)
    output = Output("match", as_json=as_json, quiet=quiet)
    drives = [path for path in paths if is_drive(path)]
    found = gather(Path(path) for path in paths if path not in drives)
    sources = [*drives, *(str(path) for path in found)]
    if not sources:
        raise BadInput("There is no image in " + ", ".join(paths) + ".")
    accounts = Accounts(catalog, config, no_catalog, no_map)
    with opened_catalog(catalog, config) as known:
        if not known.dats.list():
            output.note("The catalog has no DAT; `imagerctl dat import FILE` takes one in.")
        library = known.dats.library(known.dats.find(name) for name in dats)
        matcher = _Matcher(known, library, accounts, output, offsets)
        images = [matcher.match(source, alone=len(sources) == 1) for source in sources]
        refused = None
        if names is not None:
            try:
                images = rename(images, names, matcher.in_catalog, output, dry_run=dry_run)
            except OperatorError as error:  # what was found is told all the same
                refused = error
    matcher.remember(catalog, config)
    output.tell(MatchesTold(tuple(images)), lines)
    if refused is not None:
        raise refused
    failures.finish(_exit_code(images))


def _exit_code(images: Sequence[Matched]) -> ExitCode:
    if any(image.error is not None for image in images):
        return ExitCode.OPERATOR
    good = all(image.named and not image.kept_name for image in images)
    return ExitCode.OK if good else ExitCode.FINDING


class _Matcher:
    """Matches one image after the other, and remembers what they sound like."""

    def __init__(
        self,
        catalog: Catalog,
        library: DatLibrary,
        accounts: Accounts,
        output: Output,
        offsets: bool,
    ) -> None:
        self._catalog = catalog
        self._library = library
        self._accounts = accounts
        self._output = output
        self._offsets = offsets
        self._heard: list[Heard] = []
        self._sounds: dict[int, Mapping[int, Sound]] = {}  # to be remembered, by the image's id

    def match(self, source: str, *, alone: bool) -> Matched:
        """Match one image; what keeps it from being opened is told, or raised if it is `alone`."""
        claimed = self._as_chd(source)
        if claimed is not None and claimed.verdict.value == "match":
            return Matched(source, claimed)
        try:
            result = self._matched(source)
        except InternalError:
            raise
        except ImagerdError as error:
            if claimed is not None:
                return Matched(source, claimed)
            if alone:
                raise
            return Matched(source, error=str(error))
        if claimed is not None and not result.candidates:
            result = replace(result, verdict=claimed.verdict, candidates=claimed.candidates)
        return Matched(source, result, self._same_sound(source, result))

    def _matched(self, source: str) -> MatchResult:
        from imagerd.toolkit.match.engine import match_source

        with opened(source, self._accounts) as disc:
            for remark in disc.remarks:
                self._output.note(text.clean(remark))
            task = match_source(disc.source, self._library, offsets=self._offsets)
            return self._output.follow(task, source)

    def _as_chd(self, source: str) -> MatchResult | None:
        """What a CHD is as a whole, which lists of MAME know; None for all else."""
        from imagerd.toolkit.match.chd import SUFFIX, match_chd
        from imagerd.toolkit.match.results import MatchResult

        path = Path(source)
        if path.suffix.lower() != SUFFIX or not path.is_file():
            return None
        found = self._output.follow(match_chd(path, self._library), source)
        return MatchResult(found[0].verdict, found) if found else None

    def _same_sound(self, source: str, result: MatchResult) -> tuple[SameSound, ...]:
        from imagerd.toolkit.match.records import Heard, SameSound

        sound = result.sounds.get(0)
        if sound is None:
            return ()
        image = self.in_catalog(source)
        if image is not None and self._catalog.sounds.of_image(image) != result.sounds:
            self._sounds[image] = result.sounds
        others = [
            *(heard for heard in self._heard if heard.sound.sha1 == sound.sha1),
            *(heard for heard in self._catalog.sounds.like(sound) if heard.image != image),
        ]
        apart = {heard.path: heard for heard in others}
        self._heard.append(Heard(source, sound, image))
        return tuple(
            SameSound(heard.path, heard.image, sound.lead - heard.sound.lead)
            for heard in apart.values()
        )

    def in_catalog(self, source: str) -> int | None:
        """The id of the image in the catalog, if it is one of it."""
        if is_drive(source):
            return None
        for path in dict.fromkeys((Path(source).absolute(), Path(source).resolve())):
            with contextlib.suppress(BadInput):
                return self._catalog.images.find(str(path)).id
        return None

    def remember(self, catalog: str | None, config: Path | None) -> None:
        """Keep the sound of images of the catalog; where it cannot be written, that is told."""
        if not self._sounds:
            return
        from imagerd.catalog.catalog import Catalog

        try:
            with Catalog.open(located(catalog, config)) as opened_for_writing:
                for image, sounds in self._sounds.items():
                    opened_for_writing.sounds.remember(image, sounds)
        except NotAvailable as error:
            self._output.note(f"What the images sound like was not kept: {error}")
