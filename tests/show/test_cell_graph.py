"""Genotypes in words, by Graphviz and by hand."""

import os
import stat
import sys
import xml.etree.ElementTree as ElementTree

from dartsedu.published import PUBLISHED
from dartsedu.show.cell_graph import describe_genotype, genotype_dot, genotype_svg
from dartsedu.show.palette import cell_title
from dartsedu.spaces.bench.isomorphism import cell_of_choices


def text(svg):
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_words_say_what_the_cell_does():
    words = describe_genotype(PUBLISHED["darts-v2"])
    assert "Normal cell: node 0 adds sep 3×3 of cₖ₋₂ and sep 3×3 of cₖ₋₁" in words
    assert "node 3 adds skip of cₖ₋₂ and dil 3×3 of 0." in words


def test_a_cell_called_cell_is_said_once():
    cell = cell_of_choices(["nor_conv_3x3"] * 6)
    assert describe_genotype(cell).startswith("Cell: node 1 adds")
    assert "label=cell\n" in genotype_dot(cell).source
    assert [cell_title(name) for name in ("cell", "normal")] == ["cell", "normal cell"]


def test_graphviz_source_holds_every_edge():
    source = genotype_dot(PUBLISHED["darts-v1"]).source
    assert source.count("->") == 16 + 8
    assert 'normal_0 -> normal_3 [label=" skip "' in source


def fake_dot(folder, body):
    """A program called dot, first on the path."""
    program = folder / "dot"
    program.write_text(f"#!{sys.executable}\n{body}")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_graphviz_draws_where_it_is_installed(tmp_path, monkeypatch):
    body = "import sys\nprint('<svg>' + str(sys.stdin.read().count('->')) + '</svg>')"
    monkeypatch.setenv("PATH", fake_dot(tmp_path, body))
    assert genotype_svg(PUBLISHED["darts-v1"]).strip() == b"<svg>24</svg>"


def test_without_graphviz_the_same_cell_is_drawn_by_hand(monkeypatch):
    monkeypatch.setenv("PATH", "")
    drawn = text(genotype_svg(PUBLISHED["amoebanet"]))
    for word in ("normal cell", "reduce cell", "7×1 1×7", "cₖ₋₂", "avg 3×3"):
        assert word in drawn


def test_a_graphviz_that_fails_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake_dot(tmp_path, "raise SystemExit(3)"))
    assert "normal cell" in text(genotype_svg(PUBLISHED["darts-v1"]))
