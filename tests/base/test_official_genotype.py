"""Genotypes from elsewhere: the authors' printed form, other encodings, files that ask too much."""

import codecs
import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dartsedu.base.values import LARGEST
from dartsedu.genotype import Genotype, GenotypeError, random_genotype
from dartsedu.published import PUBLISHED
from dartsedu.spaces.cnn import cnn_space
from dartsedu.spaces.rnn import rnn_space
from dartsedu.topology import SearchSpace, Topology

RANDOM = settings(derandomize=True, deadline=None, max_examples=60)
EDGES = {"normal": "normal_concat", "reduce": "reduce_concat", "recurrent": "concat"}


def as_authors_print(genotype, outputs=list):
    """The representation of the named tuple that their code prints, written here by itself."""
    fields = []
    for cell in genotype.cells:
        fields.append(f"{cell.name}={[(e.primitive, e.source) for _, e in cell.edges]}")
        fields.append(f"{EDGES[cell.name]}={outputs(cell.outputs)}")
    return f"Genotype({', '.join(fields)})"


def as_range(outputs):
    return range(outputs[0], outputs[-1] + 1)


# Their form has two edges for every node.
@pytest.mark.parametrize("name", [n for n, g in PUBLISHED.items() if g.cells[0].keep is not None])
def test_published_cells_are_read_as_printed(name):
    assert Genotype.from_official(as_authors_print(PUBLISHED[name])) == PUBLISHED[name]


@given(nodes=st.integers(1, 12), seed=st.integers(0, 2**32), recurrent=st.booleans())
@RANDOM
def test_any_cell_is_read_as_printed(nodes, seed, recurrent):
    genotype = random_genotype(rnn_space(nodes), seed) if recurrent else None
    if genotype is None:  # Their cells keep two edges a node, in twos.
        genotype = random_genotype(cnn_space(nodes, 2), seed)
    assert Genotype.from_official(as_authors_print(genotype, as_range)) == genotype


@pytest.mark.parametrize("before", ["DARTS = ", "07/10 10:00:01 AM genotype = ", "\n  "])
def test_a_line_of_their_log_or_source_is_read(before, tmp_path):
    (tmp_path / "cell.txt").write_text(before + as_authors_print(PUBLISHED["darts-rnn-v2"]))
    assert Genotype.load(tmp_path / "cell.txt") == PUBLISHED["darts-rnn-v2"]


ONE = "recurrent=[('tanh', 0), ('relu', 1)], concat=range(1, 3)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"Genotype({ONE})\nGenotype({ONE})", "keep the line of one genotype"),
        (f"import os\nG = Genotype({ONE})", "keep the line of one genotype"),
        (f"Genotype({ONE}, reduce=[])", "expected normal, normal_concat, reduce"),
        ("Genotype()", "it has nothing"),
        ("Genotype(1)", "named fields alone"),
        (f"Genotype(**dict({ONE}))", "each once"),
        (f"Genotype({ONE}) + 1", "named fields alone"),
        (f"Genotype({ONE}", "was never closed"),
        (f"Genotype({ONE}, concat=[1])", "each once"),
        (f"Genotype({ONE})".replace("'tanh'", "'tan'"), "unknown primitive 'tan'"),
        (f"Genotype({ONE})".replace("1)]", "7)]"), "missing predecessor 7"),
        (f"Genotype({ONE})".replace("1)]", "True)]"), "has True; expected the number of a state"),
        (f"Genotype({ONE})".replace("1)]", "-1)]"), "has -1; expected the number of a state"),
        (f"Genotype({ONE})".replace("('tanh', 0)", "tanh()"), r"tanh\(\); expected \('primitive'"),
        (f"Genotype({ONE})".replace("3)", f"{10**40})"), "more than 1000 states"),
        (f"Genotype({ONE})".replace("range(1, 3)", "open('x', 'w')"), "expected a list"),
        (
            as_authors_print(PUBLISHED["darts-v2"]).replace("('dil_conv_3x3', 2)", ""),
            "normal has 7 edges; expected 2 for each node",
        ),
        *(
            ("Genotype(" + nested, "authors' form of a genotype is not valid")
            for nested in ("(" * 9000, "-" * 9000 + "1)", "a." * 9000 + "a)", "\0)", "1" * 9000)
        ),
        ("Genotype(recurrent=" + "1+" * 9000 + "1, concat=[])", "not valid"),
        ("Genotype(" + " " * 200_000 + ")", "expected at most 100,000"),
    ],
)
def test_anything_else_in_that_form_is_refused_and_not_executed(text, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GenotypeError, match=words):
        Genotype.from_official(text)
    assert not list(tmp_path.iterdir())


@given(place=st.integers(0, 10**4), put=st.text(max_size=3), taken=st.integers(0, 3))
@RANDOM
def test_any_damage_to_that_form_gives_an_error_of_ours_or_a_genotype(place, put, taken):
    text = as_authors_print(PUBLISHED["nasnet"])
    place %= len(text)
    with suppress(GenotypeError):
        found = Genotype.from_official(text[:place] + put + text[place + taken :])
        assert Genotype.from_json(found.to_json()) == found


# ---- Encodings ----------------------------------------------------------------------------------

MARKS = {
    "utf-8": b"",
    "utf-8-sig": b"",  # Python writes the mark itself.
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("encoding", MARKS)
@pytest.mark.parametrize("written", [Genotype.to_json, as_authors_print])
def test_a_byte_order_mark_tells_the_encoding(encoding, written, tmp_path):
    cell = PUBLISHED["darts-v1"]
    (tmp_path / "cell").write_bytes(MARKS[encoding] + written(cell).encode(encoding))
    assert Genotype.load(tmp_path / "cell") == cell


@pytest.mark.parametrize("data", [b"{\xe4", codecs.BOM_UTF16_LE + b"{", codecs.BOM_UTF8 + b"\xff"])
def test_bytes_that_are_no_text_are_refused_with_a_way_out(data, tmp_path):
    (tmp_path / "cell.json").write_bytes(data)
    with pytest.raises(GenotypeError, match=r"cell\.json: not text in UTF.*save it as UTF-8"):
        Genotype.load(tmp_path / "cell.json")


# ---- Files that ask for more than a machine can hold --------------------------------------------


def counts(value, path=()):
    """The place of every number, name and list in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from counts(part, (*path, key))


JSON = json.loads(PUBLISHED["darts-rnn-v1"].to_json())
SPACE = json.loads(rnn_space(3).model_dump_json())


def enlarged(part):
    """The same kind of thing, absurdly large."""
    if isinstance(part, str):
        return part * 10**6
    if isinstance(part, list):
        return part * 3000
    return 10**9 if isinstance(part, int) else part


@pytest.mark.parametrize("path", list(counts(JSON)), ids=lambda p: ".".join(map(str, p)))
def test_a_genotype_with_anything_enlarged_is_refused_at_once(path):
    changed, place = deepcopy(JSON), JSON
    for key in path[:-1]:
        place = place[key]
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = enlarged(place[path[-1]])
    if isinstance(place[path[-1]], dict):
        return
    with pytest.raises(GenotypeError) as caught:
        Genotype.from_json(json.dumps(changed))
    assert len(str(caught.value)) < 10_000


@pytest.mark.parametrize("path", list(counts(SPACE)), ids=lambda p: ".".join(map(str, p)))
def test_a_space_with_anything_enlarged_is_refused_or_small(path):
    changed = deepcopy(SPACE)
    target = changed
    for key in path[:-1]:
        target = target[key]
    if isinstance(target[path[-1]], dict):
        return
    target[path[-1]] = enlarged(target[path[-1]])
    with suppress(ValueError):
        space = SearchSpace.model_validate_json(json.dumps(changed))
        # How many edges a node keeps, say, costs nothing.
        assert sum(len(cell.edges) for cell in space.cells) < 1000


@pytest.mark.parametrize(
    "sizes", [{"nodes": 10**12}, {"inputs": 10**12}, {"nodes": 0}, {"inputs": -1}]
)
def test_a_dense_cell_is_refused_before_its_edges_are_made(sizes):
    with pytest.raises(ValueError, match="a cell has 1 to 1000"):
        Topology.dense("normal", **sizes)


def test_all_alphas_together_are_bounded():
    cells = (Topology.dense("cell", nodes=500),)
    with pytest.raises(ValueError, match="more than the 10,000,000 entries that α may have"):
        SearchSpace(name="toy", primitives=tuple(f"p{i}" for i in range(90)), cells=cells)


@pytest.mark.parametrize("start", ["[", '{"cells":', '{"cells":['])
def test_deeply_nested_files_are_refused(start):
    with pytest.raises(GenotypeError, match="recursion limit"):
        Genotype.from_json(start * 10**5)


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path):
    path = Path(tmp_path / "cell.json")
    with path.open("wb") as file:
        file.truncate(100 * LARGEST)  # A hole: no space is taken.
    with pytest.raises(GenotypeError, match="more than 10,000,000 bytes"):
        Genotype.load(path)
