# SPDX-License-Identifier: Apache-2.0
"""The map of a disc's surface: no bad sector is hidden in any output, and each lies in its place.

Places are judged by a formula of their own (`where`), pictures by decoders of their own.
"""

from __future__ import annotations

import math
import re
import struct
import time
import xml.etree.ElementTree as ET
import zlib
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import Index, Layout, Medium, Session, Track, TrackMode, single_track
from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import ErrorRange, Why
from imagerd.recovery.picture.lettering import lettered
from imagerd.recovery.picture.png import paint, png
from imagerd.recovery.picture.polar import Grid
from imagerd.recovery.picture.scheme import EFFORTS, PLATE, STATES, Effort, Mark, Rgb, Scheme
from imagerd.recovery.picture.surface import Picture, effort_picture, state_picture
from imagerd.recovery.picture.svg import hexed, svg
from imagerd.recovery.picture.terminal import Depth, Terminal, drawn, fitting, indexed
from imagerd.recovery.sectormap import SectorMap
from tests.damaged import damaged

SVG = "{http://www.w3.org/2000/svg}"
SPIRALS = {  # metres: radius of LBA 0, track pitch, length of a sector
    Medium.CD: (0.025, 1.6e-6, 1.3 / 75),
    Medium.DVD: (0.024, 0.74e-6, 3.49 / 676.1),
    Medium.BD: (0.024, 0.32e-6, 4.917 / 2195),
}


def two_sessions() -> Layout:
    tracks = (
        Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 9_000),
        Track(2, 2, TrackMode.AUDIO, (Index(1, 20_400),), 60_000),
    )
    return Layout(Medium.CD, (Session(1, tracks[:1], 9_000), Session(2, tracks[1:], 60_000)))


LAYOUTS = {
    "one sector": single_track(1, TrackMode.MODE1),
    "a few turns": single_track(100, TrackMode.AUDIO),
    "cd": single_track(330_000, TrackMode.MODE1),
    "overburnt": single_track(445_000, TrackMode.MODE1),
    "two sessions": two_sessions(),
    "dvd": single_track(1_000_000, TrackMode.BLOCKS, medium=Medium.DVD),
    "two layers": single_track(3_900_000, TrackMode.BLOCKS, medium=Medium.DVD, layers=(2_000_000,)),
    "tiny layers": single_track(7, TrackMode.BLOCKS, medium=Medium.BD, layers=(5,)),
}
NOT_GOOD = (SectorState.UNREAD, SectorState.FAILED, SectorState.SUSPECT)
MARKS = {
    SectorState.UNREAD: Mark.UNREAD,
    SectorState.FAILED: Mark.FAILED,
    SectorState.SUSPECT: Mark.SUSPECT,
}
Spots = dict[int, SectorState]


def where(layout: Layout, lba: float) -> tuple[int, float, float]:
    """Layer, turns from the inner edge, angle in turns clockwise; by the book."""
    inner, pitch, length = SPIRALS[layout.medium]
    layer = sum(lba >= bound for bound in layout.layers)
    along = lba
    if layer:
        since = lba - layout.layers[layer - 1]
        along = max(layout.layers[0] - since, 0) if layer % 2 else since
    radius = math.sqrt(inner**2 + along * length * pitch / math.pi)
    turns = (radius - inner) / pitch
    return layer, turns, (-turns if layer % 2 else turns) % 1


def mapped(layout: Layout, spots: Spots, base: SectorState = SectorState.PROVEN) -> SectorMap:
    sectors = SectorMap(layout.ranges())
    for area in sectors.areas:
        states = np.full(len(area), base, np.uint8)
        for lba, state in spots.items():
            if lba in area:
                states[lba - area.start] = state
        sectors.raise_to(area.start, states)
    return sectors


@st.composite
def cases(draw: st.DrawFn) -> tuple[Layout, Spots]:
    layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    lbas = st.one_of(*(st.integers(area.start, area.stop - 1) for area in layout.ranges()))
    return layout, draw(st.dictionaries(lbas, st.sampled_from(NOT_GOOD), min_size=1, max_size=12))


def place(picture: Picture, layout: Layout, lba: float) -> tuple[int, float, float]:
    """Layer, mm from the centre as drawn, angle in turns."""
    layer, turns, angle = where(layout, lba)
    most = max(where(layout, edge)[1] for edge in edges(layout))
    per = -(-max(math.ceil(most), 1) // len(picture.discs[0].cells))
    whole = per * len(picture.discs[0].cells)
    return layer, picture.inner + turns / whole * (picture.outer - picture.inner), angle


def edges(layout: Layout) -> list[float]:
    return [0, layout.end - 1e-9, *(bound - 1e-9 for bound in layout.layers), layout.end]


# -- the grid ----------------------------------------------------------------------------------


@given(
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 16),
    st.lists(st.tuples(st.floats(0, 45), st.floats(0, 12)), max_size=6),
)
def test_a_stretch_covers_the_cells_that_it_touches_and_no_others(
    rings: int, per: int, cells: int, stretches: list[tuple[float, float]]
) -> None:
    expected = np.zeros(rings * per * cells, bool)
    for begin, length in stretches:
        first = min(math.floor(begin * cells), len(expected) - 1)
        last = max(math.ceil((begin + length) * cells), first + 1)
        expected[first:last] = True
    found = Grid(rings, per, cells).covered(
        [begin for begin, _ in stretches], [begin + length for begin, length in stretches]
    )
    assert (found == expected.reshape(rings, per, cells).any(axis=1)).all()


@given(st.floats(0.01, 2e5), st.integers(1, 400))
def test_a_ring_is_one_turn_where_there_is_room(turns: float, most: int) -> None:
    grid = Grid.of(turns, most, 720)
    assert 1 <= grid.rings <= most
    assert grid.rings * grid.per >= turns
    assert grid.per == 1 or math.ceil(turns) > most


# -- the picture -------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(cases())
def test_the_cell_of_every_bad_sector_says_so(case: tuple[Layout, Spots]) -> None:
    layout, spots = case
    picture = state_picture(mapped(layout, spots), layout)
    for lba, state in spots.items():
        layer, mm, angle = place(picture, layout, lba + 0.5)
        cells = picture.discs[layer].cells
        ring = int((mm - picture.inner) / (picture.outer - picture.inner) * len(cells))
        value = cells[ring, int(angle * cells.shape[1])]
        assert value >= MARKS[state], f"LBA {lba} is hidden"


def test_only_cells_of_bad_sectors_stand_out() -> None:
    layout = LAYOUTS["cd"]
    picture = state_picture(mapped(layout, {200_000: SectorState.FAILED}), layout)
    loud = np.argwhere(picture.discs[0].cells > STATES.calm)
    assert len({ring for ring, _ in loud.tolist()}) <= 2
    assert len(loud) <= 720 / 15 + 2  # a sector is a fifteenth of a turn there, or less


def test_where_no_sector_lies_nothing_is_shown() -> None:
    layout = two_sessions()
    cells = state_picture(mapped(layout, {}), layout).discs[0].cells
    _, turns, _ = where(layout, 15_000)
    assert (cells[int(turns / where(layout, 60_000)[1] * len(cells))] == Mark.NOTHING).all()
    assert (cells == Mark.PROVEN).any()


def test_layers_lie_side_by_side_and_the_second_is_read_inward() -> None:
    layout = LAYOUTS["two layers"]
    spots = {0: SectorState.FAILED, 3_899_999: SectorState.FAILED, 2_000_000: SectorState.SUSPECT}
    picture = state_picture(mapped(layout, spots), layout)
    assert [disc.caption for disc in picture.discs] == [
        "layer 0, read outward",
        "layer 1, read inward",
    ]
    outer = [np.flatnonzero((disc.cells > STATES.calm).any(axis=1)) for disc in picture.discs]
    assert outer[0].tolist() == [0]
    assert picture.discs[1].cells[outer[1][-1]].max() == Mark.SUSPECT
    assert outer[1][-1] == len(picture.discs[1].cells) - 1
    assert outer[1][0] < len(picture.discs[1].cells) / 10


def test_counts_are_of_sectors_and_repaired_ones_are_told_apart() -> None:
    layout = single_track(1000, TrackMode.MODE1)
    sectors = mapped(layout, {5: SectorState.FAILED, 7: SectorState.UNREAD})
    sectors.repaired.add(range(100, 120))
    picture = state_picture(sectors, layout)
    assert picture.counts == (978, 0, 20, 0, 1, 1)
    for tries, lba in ((1, 5), (3, 7), (40, 300)):
        sectors.errors.add(ErrorRange(lba, 2, Why.MEDIUM, None, tries, 0, 1.0, 1.0))
    assert effort_picture(sectors, layout).counts == (994, 2, 2, 0, 0, 2)


@pytest.mark.parametrize("level", [level for level in Effort if level > Effort.NONE])
def test_effort_counts_failed_attempts(level: Effort) -> None:
    layout = single_track(1000, TrackMode.MODE1)
    sectors = mapped(layout, {})
    sectors.errors.add(ErrorRange(9, 1, Why.EDC, None, level.least, 0, 1.0, 1.0))
    assert effort_picture(sectors, layout).discs[0].cells.max() == level


# -- SVG ---------------------------------------------------------------------------------------


def arcs(text: str, disc: int) -> list[tuple[int, float, float, float]]:
    """(value, mm, first angle, last angle) of what stands out, out of the file itself."""
    found = []
    for path in ET.fromstring(text).iter(f"{SVG}path"):
        name = path.get("id")
        if name is None or not name.startswith(f"m{disc}-"):
            continue
        for move in path.get("d", "").split("M")[1:]:
            x, y, r, *_ = numbers = [float(n) for n in re.findall(r"-?[\d.]+", move)]
            first = math.atan2(x, -y) / math.tau % 1
            last = math.atan2(numbers[7], -numbers[8]) / math.tau % 1
            whole = len(numbers) > 9
            large = numbers[5] == 1
            length = 1.0 if whole else (last - first) % 1
            assert whole or large == (length > 0.5) or abs(length - 0.5) < 0.01
            found.append((int(name.split("-")[1]), r / 10, first, first + length))
    return found


@settings(deadline=None, max_examples=40)
@given(cases())
def test_the_svg_has_an_arc_over_every_bad_sector(case: tuple[Layout, Spots]) -> None:
    layout, spots = case
    picture = state_picture(mapped(layout, spots), layout)
    text = svg(picture)
    for lba, state in spots.items():
        layer, mm, angle = place(picture, layout, lba + 0.5)
        half = (picture.outer - picture.inner) / len(picture.discs[layer].cells) / 2
        assert any(
            value >= MARKS[state]
            and abs(r - mm) <= half + 0.01
            and (angle - first + 0.002) % 1 <= last - first + 0.004
            for value, r, first, last in arcs(text, layer)
        ), f"LBA {lba} is hidden"


def test_a_disc_that_is_ruined_all_over_makes_a_file_of_bounded_size() -> None:
    layout = LAYOUTS["cd"]
    rng = np.random.default_rng(1)
    sectors = SectorMap(layout.ranges())
    sectors.raise_to(0, rng.integers(0, 5, layout.end).astype(np.uint8))
    assert len(svg(state_picture(sectors, layout))) < 1_000_000
    sectors.raise_to(0, rng.choice([3, 4], layout.end, p=[0.98, 0.02]).astype(np.uint8))
    assert len(svg(state_picture(sectors, layout))) < 1_000_000


def test_a_perfect_disc_is_a_few_circles() -> None:
    layout = LAYOUTS["cd"]
    assert len(svg(state_picture(mapped(layout, {}), layout))) < 2000


@settings(deadline=None)
@given(st.text(), st.booleans())
def test_a_hostile_title_stays_a_text(title: str, inline: bool) -> None:
    layout = single_track(40, TrackMode.MODE1)
    picture = state_picture(mapped(layout, {3: SectorState.FAILED}), layout, title)
    root = ET.fromstring(svg(picture, inline=inline))
    known = {"svg", "title", "style", "rect", "g", "text", "tspan", "circle", "defs", "path", "use"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= known
    assert all(element.get("href", "#").startswith("#") for element in root.iter())


# -- PNG ---------------------------------------------------------------------------------------


def decoded(data: bytes) -> npt.NDArray[np.uint8]:
    """(height, width, 3); filters "none" and "up" of 8-bit RGB, CRCs checked."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, body, size = 8, b"", (0, 0)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, chunk = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + chunk)
        if kind == b"IHDR":
            assert chunk[8:] == bytes((8, 2, 0, 0, 0))
            size = struct.unpack(">II", chunk[:8])
        body += chunk if kind == b"IDAT" else b""
        at += 12 + length
    assert data[-8:-4] == b"IEND"
    width, height = size
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 3 * width)
    image = np.zeros((height, 3 * width), np.uint8)
    for row in range(height):
        above = image[row - 1] if row and rows[row, 0] == 2 else 0
        image[row] = rows[row, 1:] + above
    return image.reshape(height, width, 3)


def test_what_is_painted_comes_out_of_the_png_again() -> None:
    layout = LAYOUTS["two layers"]
    spots = {100_000: SectorState.FAILED, 3_000_000: SectorState.UNREAD}
    picture = state_picture(mapped(layout, spots), layout, "Ä disc ☃")
    assert (decoded(png(picture, 400)) == paint(picture, 400)).all()


@settings(deadline=None, max_examples=12)
@given(cases(), st.sampled_from([400, 1200]))
def test_the_png_shows_every_bad_sector(case: tuple[Layout, Spots], size: int) -> None:
    layout, spots = case
    picture = state_picture(mapped(layout, spots), layout)
    image = paint(picture, size)
    for lba, state in spots.items():
        layer, mm, angle = place(picture, layout, lba + 0.5)
        x = 40 + layer * (size + 40) + size / 2 + mm * math.sin(math.tau * angle) * size / 120
        y = 40 + size / 2 - mm * math.cos(math.tau * angle) * size / 120
        near = image[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].reshape(-1, 3)
        worse = [STATES.tone(value).colour for value in range(MARKS[state], Mark.FAILED + 1)]
        assert any(tuple(pixel) in worse for pixel in near.tolist()), f"LBA {lba} is hidden"


def test_every_sign_has_its_own_shape() -> None:
    signs = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    shapes = [lettered(sign).tobytes() for sign in signs]
    assert len(set(shapes)) == len(signs)
    assert all(lettered(sign).any() for sign in signs)
    assert not lettered(" ").any()
    assert (lettered("é–☃") == lettered("e-?")).all()


# -- terminal ----------------------------------------------------------------------------------


def characters(lines: list[str]) -> list[list[tuple[str, str, str]]]:
    """(sign, ink, ground) of each character, as a terminal would have them."""
    rows = []
    for line in lines:
        row, ink, ground = [], "", ""
        for escape, sign in re.findall(r"\x1b\[([\d;]*)m|(.)", line):
            if sign:
                row.append((sign, ink, ground))
            elif escape == "0":
                ink = ground = ""
            elif escape.startswith("38"):
                ink = escape.partition(";")[2]
            else:
                ground = escape.partition(";")[2]
        rows.append(row)
    return rows


def code(colour: Rgb, depth: Depth) -> str:
    return f"5;{indexed(colour)}" if depth is Depth.INDEXED else "2;{};{};{}".format(*colour)


@settings(deadline=None, max_examples=30)
@given(cases(), st.sampled_from(list(Depth)), st.integers(40, 200), st.integers(10, 60))
def test_the_terminal_shows_every_bad_sector(
    case: tuple[Layout, Spots], depth: Depth, columns: int, lines: int
) -> None:
    layout, spots = case
    picture = state_picture(mapped(layout, spots), layout)
    terminal = Terminal(columns, lines, depth)
    rows = characters(drawn(picture, terminal))
    size, _ = fitting(picture, terminal)
    for lba, state in spots.items():
        layer, mm, angle = place(picture, layout, lba + 0.5)
        x = layer * (size + 2) + size / 2 + mm * math.sin(math.tau * angle) * size / 120
        y = (size / 2 - mm * math.cos(math.tau * angle) * size / 120) / 2
        near = [
            rows[row][column]
            for row in range(max(int(y) - 1, 0), min(int(y) + 2, size // 2))
            for column in range(max(int(x) - 1, 0), min(int(x) + 2, len(rows[row])))
        ]
        tones = [STATES.tone(value) for value in range(MARKS[state], Mark.FAILED + 1)]
        if depth is Depth.PLAIN:
            shown = any(sign in {tone.sign for tone in tones} for sign, *_ in near)
        else:
            worse = {code(tone.colour, depth) for tone in tones}
            shown = any(ink in worse or ground in worse for _, ink, ground in near)
        assert shown, f"LBA {lba} is hidden"


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("name", ["one sector", "cd", "two layers", "tiny layers"])
@pytest.mark.parametrize(("columns", "lines"), [(80, 23), (60, 40), (100, 12)])
def test_the_lines_fit_the_terminal(name: str, columns: int, lines: int, depth: Depth) -> None:
    layout = LAYOUTS[name]
    picture = state_picture(mapped(layout, {0: SectorState.FAILED}), layout, "TITLE" * 50)
    rows = characters(drawn(picture, Terminal(columns, lines, depth)))
    assert len(rows) <= lines
    assert max(map(len, rows)) <= columns


def test_without_colours_all_is_ascii() -> None:
    layout = LAYOUTS["two layers"]
    sectors = mapped(layout, {0: SectorState.FAILED})
    sectors.errors.add(ErrorRange(5, 9, Why.MEDIUM, None, 3, 0, 1.0, 1.0))
    for picture in (state_picture(sectors, layout, "T"), effort_picture(sectors, layout)):
        assert "\n".join(drawn(picture, Terminal(80, 24, Depth.PLAIN))).isascii()


def test_a_hostile_title_cannot_control_the_terminal() -> None:
    layout = LAYOUTS["one sector"]
    picture = state_picture(mapped(layout, {}), layout, "a\x1b]0;b\x07\nc")
    assert "\x07" not in "".join(drawn(picture, Terminal(80, 24, Depth.TRUE)))
    assert "\x1b]" not in "".join(drawn(picture, Terminal(80, 24, Depth.TRUE)))


# -- colours -----------------------------------------------------------------------------------

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
BLIND = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
    "total": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
}  # fmt: skip


def lab(colour: Rgb, eye: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIE L*a*b* of an sRGB colour as that eye sees it."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    seen = np.clip(eye @ linear, 0, 1)
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ seen / np.array([0.9505, 1.0, 1.089])  # fmt: skip
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", [eye for eye in BLIND if eye != "total"])
@pytest.mark.parametrize("scheme", [STATES, EFFORTS], ids=lambda scheme: scheme.name)
def test_colours_stay_apart_for_every_eye(scheme: Scheme, eye: str) -> None:
    tones = {tone.name: tone.colour for tone in scheme.tones} | {"plate": PLATE}
    for (name, one), (other, two) in combinations(tones.items(), 2):
        apart = np.linalg.norm(lab(one, BLIND[eye]) - lab(two, BLIND[eye]))
        assert apart > 15, f"{name} and {other} are {apart:.0f} apart"


def test_what_is_bad_stands_out_of_the_ground_without_any_colour() -> None:
    for scheme in (STATES, EFFORTS):
        for calm in scheme.tones[: scheme.calm]:
            for loud in scheme.tones[scheme.calm :]:
                grey = BLIND["total"]
                apart = np.linalg.norm(lab(calm.colour, grey) - lab(loud.colour, grey))
                assert apart > 8, f"{loud.name} on {calm.name}: {apart:.0f}"


def test_colours_and_signs_are_all_different_on_poor_terminals_too() -> None:
    for scheme in (STATES, EFFORTS):
        colours = [tone.colour for tone in scheme.tones]
        assert len({indexed(colour) for colour in [*colours, PLATE]}) == len(colours) + 1
        assert len({tone.sign for tone in scheme.tones}) == len(colours)
        assert not {tone.sign for tone in scheme.tones} & {".", " "}
        assert len({hexed(colour) for colour in colours}) == len(colours)


# -- time --------------------------------------------------------------------------------------


def test_a_whole_bd_is_drawn_in_two_seconds() -> None:
    layout = single_track(12_219_392, TrackMode.BLOCKS, medium=Medium.BD)
    rng = np.random.default_rng(1)
    states = np.full(layout.end, SectorState.READ, np.uint8)
    states[rng.integers(0, layout.end, 100_000)] = SectorState.FAILED
    sectors = SectorMap(layout.ranges())
    sectors.raise_to(0, states)
    for began in range(0, 100_000, 2):
        sectors.errors.add(ErrorRange(began, 1, Why.MEDIUM, None, 3, 1, 1.0, 1.0))
    begin = time.process_time()
    picture = state_picture(sectors, layout)
    effort_picture(sectors, layout)
    svg(picture)
    png(picture)
    drawn(picture, Terminal(200, 60, Depth.TRUE))
    assert time.process_time() - begin < 2


def test_a_scratch_looks_like_one() -> None:
    layout = LAYOUTS["cd"]
    cells = state_picture(damaged(layout), layout).discs[0].cells
    middle = cells[80:250]  # between the hub and the rot at the rim
    hit = np.isin(middle, (Mark.SUSPECT, Mark.FAILED))
    assert 10 < hit.any(axis=0).sum() < 500
