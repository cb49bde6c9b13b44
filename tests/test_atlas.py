"""Tables of the atlas: what they show is what the library answers, and every part of the page has its place."""

from __future__ import annotations

import math
import re

import pytest

import replicas as rp
from replicas import atlas, atlas_page, atlas_tables, plotting


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def test_every_table_and_figure_has_one_place_on_the_page():
    assert len(set(atlas.ORDER)) == len(atlas.ORDER)
    assert set(atlas.ORDER) == {*atlas.SECTIONS, *plotting.FIGURES, "finite-n-table", "derivations"}


@pytest.mark.parametrize("name", atlas.DERIVATIONS)
def test_derivations_name_a_model_and_an_ansatz(name):
    _, kind, arguments, ansatz = atlas.DERIVATIONS[name]
    assert getattr(rp, kind)(**arguments).describe() if kind != "Perceptron" else rp.Perceptron(**arguments)
    assert ansatz in ("rs", "1rsb", "krsb")


@pytest.mark.slow
def test_table_of_wide_committees(monkeypatch):
    monkeypatch.setattr(atlas_tables, "ACTIVATIONS", ("relu", "quadratic", "sign"))
    monkeypatch.setattr(atlas_tables, "ANSATZES", ("rs", "1rsb"))
    kept = []
    table = atlas_tables.wide(lambda result: kept.append(result) or result)
    relu, quadratic, sign = ([plain(cell) for cell in row] for row in table.rows)
    assert float(relu[1].split("(")[0]) == pytest.approx(2 / (1 - 1 / math.pi), abs=1e-14)
    assert relu[2].startswith("2.66428005658")
    assert quadratic[1].startswith("4.00000000") and quadratic[1].endswith("a")
    assert quadratic[-1].endswith("b")  # binary, unstable at the zero of its entropy
    assert sign[1] == "∞c" and sign[2] == "∞" and sign[-1].startswith("0.9469524268")
    assert "q = 0" in table.notes[0] and "unstable" in table.notes[1] and "any load" in table.notes[2]
    assert len(kept) == 9


@pytest.mark.slow
def test_table_of_fully_connected_committees(monkeypatch):
    monkeypatch.setattr(atlas_tables, "LEARNING_COMMITTEES", (("spherical", (2, math.inf)), ("binary", (math.inf,))))
    two, many, binary = ([plain(cell) for cell in row] for row in atlas_tables.shared(lambda result: result).rows)
    assert two[:2] == ["spherical", "2"] and two[2].startswith("1.02619121487") and two[3].startswith("–") and two[4] == "–"
    assert many[1] == "∞" and many[2].startswith("–")
    assert many[3].startswith("7.6802212702") and many[4].startswith("7.1692393035")
    assert binary[3].startswith("1.6175822200")
    page = atlas_page.page("", atlas_tables.shared(lambda result: result).html("Fully connected committees"))
    assert "continuously" in page and "locally stable at every load" in page
