import json
from contextlib import suppress
from copy import deepcopy
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dartsedu.derivation import RULES, derive
from dartsedu.genotype import Genotype, GenotypeError, random_genotype
from dartsedu.published import PUBLISHED
from dartsedu.spaces.cnn import OPERATIONS, cnn_space
from dartsedu.spaces.cnn.words import VOCABULARY

SPACE = cnn_space(nodes=2)
NONE, MAX, AVG, SKIP, SEP3, SEP5, DIL3, DIL5 = range(8)


def alphas(**entries):
    """α of ``SPACE``, zero but for ``normal={(row, column): value}``."""
    found = {cell.name: np.zeros(SPACE.shape(cell.name)) for cell in SPACE.cells}
    for cell, values in entries.items():
        for place, value in values.items():
            found[cell][place] = value
    return found


def normal(genotype):
    return [[(e.primitive, e.source) for e in node] for node in genotype["normal"].nodes]


# ---- The value and its JSON form ----------------------------------------------------------------


def test_vocabulary_is_what_can_be_built():
    assert VOCABULARY.primitives == tuple(OPERATIONS)


@given(nodes=st.integers(1, 6), keep=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_every_genotype_survives_json(nodes, keep, seed):
    genotype = random_genotype(cnn_space(nodes, keep), seed)
    again = Genotype.from_json(genotype.to_json())
    assert again == genotype
    assert hash(again) == hash(genotype)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_cells_survive_files(name, tmp_path):
    PUBLISHED[name].save(tmp_path / "cell.json")
    assert Genotype.load(tmp_path / "cell.json") == PUBLISHED[name]


def test_a_genotype_cannot_be_changed():
    genotype = PUBLISHED["darts-v2"]
    with pytest.raises(ValidationError):
        genotype.space = "rnn"
    with pytest.raises(ValidationError):
        genotype["normal"].nodes[0][0].primitive = "none"


def broken(change):
    """The JSON of DARTS' cell after ``change`` had its way with it."""
    value = json.loads(PUBLISHED["darts-v2"].to_json())
    change(value)
    return json.dumps(value)


def edge(value, **fields):
    value["cells"][0]["nodes"][1][0].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: edge(v, primitive="sep_conv_9x9"), "unknown primitive 'sep_conv_9x9'"),
        (lambda v: edge(v, source=7), "missing predecessor 7; expected an earlier state, 0 to 2"),
        (lambda v: edge(v, source=-1), "greater than or equal to 0"),
        (lambda v: edge(v, source="0"), "valid integer"),
        (lambda v: edge(v, weight=1), r"nodes\[1\]\[0\].weight: unknown field"),
        (lambda v: v["cells"][0]["nodes"][2].pop(), "node 2 has 1 edges, expected keep = 2"),
        (lambda v: v["cells"][0]["nodes"].append([]), "node 4 has 0 edges"),
        (lambda v: v["cells"][0].update(nodes=[]), "at least 1 item"),
        (lambda v: v["cells"][0].pop("nodes"), "Field required"),
        (lambda v: v["cells"][0].update(outputs=[2, 2]), "name a state twice"),
        (lambda v: v["cells"][0].update(outputs=[2, 9]), r"outputs name states \[9\]"),
        (lambda v: v["cells"][0].update(outputs=[0, 2]), r"\[0\]; expected nodes, 2 to 5"),
        (
            lambda v: v["cells"][0].update(inputs=3, outputs=[5]),
            "3 inputs; a cell of space 'cnn' has 2",
        ),
        (lambda v: v.pop("version"), "it lacks version"),
        (lambda v: v["cells"].pop(), "has the cells normal, reduce, once each"),
        (lambda v: v["cells"].append(v["cells"][0]), "once each"),
        (lambda v: v.update(space="gnn"), "unknown space 'gnn'"),
        (lambda v: v.update(version=2), "version"),
        (lambda v: v.update(format="other"), "format"),
        (lambda v: v.update(author="me"), "genotype.author: unknown field"),
    ],
)
def test_malformed_genotypes_are_refused_with_the_place_and_the_reason(change, words):
    with pytest.raises(GenotypeError, match=words):
        Genotype.from_json(broken(change))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"cells": NaN}'])
def test_what_is_no_genotype_at_all_is_refused(text):
    with pytest.raises(GenotypeError, match="genotype is not valid"):
        Genotype.from_json(text)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(data=st.data())
def test_any_damage_gives_an_error_of_ours_or_a_genotype(data):
    """Replace one random place of a valid file by anything: never another exception."""
    value = json.loads(PUBLISHED["nasnet"].to_json())
    place = value
    for _ in range(data.draw(st.integers(0, 5))):
        inner = data.draw(
            st.sampled_from(list(place) if isinstance(place, dict) else range(len(place)))
        )
        if not isinstance(place[inner], dict | list) or not place[inner]:
            break
        place = place[inner]
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    place[key] = data.draw(LEAVES | st.lists(LEAVES) | st.dictionaries(st.text(), LEAVES))
    with suppress(GenotypeError):
        Genotype.from_json(json.dumps(value))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(GenotypeError, match=r"absent\.json"):
        Genotype.load(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GenotypeError, match=r"binary\.json"):
        Genotype.load(tmp_path / "binary.json")


def test_check_tells_whether_a_genotype_is_in_a_space():
    random_genotype(SPACE, 0).check(SPACE)
    with pytest.raises(GenotypeError, match="4 nodes; the space has 2 and 2"):
        PUBLISHED["darts-v1"].check(SPACE)
    with pytest.raises(GenotypeError, match=r"gives the concat of states \(4, 5, 6\)"):
        PUBLISHED["amoebanet"].check(cnn_space(nodes=5))
    with pytest.raises(GenotypeError, match="does not offer"):
        PUBLISHED["darts-v1"].check(cnn_space(primitives=("none", "skip_connect")))


# ---- Derivation ---------------------------------------------------------------------------------


def test_the_papers_rule_by_hand():
    """Node 0 has no choice of predecessors; node 1 must drop the weakest of three edges."""
    given_ = alphas(
        normal={(0, SEP3): 1.0, (1, SKIP): 2.0, (2, MAX): 1.0, (3, DIL5): 3.0, (4, AVG): 2.0}
    )
    assert normal(derive(SPACE, given_)) == [
        [("skip_connect", 1), ("sep_conv_3x3", 0)],
        [("dil_conv_5x5", 1), ("avg_pool_3x3", 2)],
    ]


def test_none_never_wins_but_weakens_its_edge():
    """Edge 2 has the largest α of an operation (2.0), but none takes most of its softmax."""
    given_ = alphas(normal={(2, SEP3): 2.0, (2, NONE): 6.0, (3, MAX): 1.0, (4, SKIP): 1.5})
    paper = normal(derive(SPACE, given_, "paper"))[1]
    assert paper == [("skip_connect", 2), ("max_pool_3x3", 1)]
    for rule in ("raw-alpha", "none-excluded"):
        assert normal(derive(SPACE, given_, rule))[1] == [("sep_conv_3x3", 0), ("skip_connect", 2)]


def test_none_excluded_differs_from_raw_alpha():
    """Raw α 1.0 beats 0.9, but the first edge is torn between two operations."""
    given_ = alphas(normal={(2, SEP3): 1.0, (2, SEP5): 1.0, (2, DIL3): 1.0, (3, MAX): 0.9})
    assert normal(derive(SPACE, given_, "raw-alpha"))[1][0] == ("sep_conv_3x3", 0)
    assert normal(derive(SPACE, given_, "none-excluded"))[1][0] == ("max_pool_3x3", 1)


def test_shared_predecessor_may_take_both_edges_from_one_state():
    given_ = alphas(normal={(3, SEP3): 3.0, (3, SEP5): 2.9})
    found = normal(derive(SPACE, given_, "shared-predecessor"))[1]
    assert found == [("sep_conv_3x3", 1), ("sep_conv_5x5", 1)]


def test_argmax_keeps_every_edge_and_none_may_win():
    found = normal(derive(SPACE, alphas(normal={(2, NONE): 1.0, (3, SKIP): 1.0}), "argmax"))
    assert [len(node) for node in found] == [2, 3]
    assert found[1][:2] == [("none", 0), ("skip_connect", 1)]


def test_threshold_keeps_what_is_sure_and_leaves_a_node_empty_otherwise():
    genotype = derive(SPACE, alphas(normal={(0, SEP3): 2.0, (1, SEP3): 1.0}), "threshold")
    assert normal(genotype) == [[("sep_conv_3x3", 0)], [("none", 0)]]
    assert genotype["normal"].keep is None


def test_ties_go_to_the_earlier_edge_and_primitive():
    assert normal(derive(SPACE, alphas())) == [
        [("max_pool_3x3", 0), ("max_pool_3x3", 1)],
        [("max_pool_3x3", 0), ("max_pool_3x3", 1)],
    ]


@given(seed=st.integers(0, 2**32), rule=st.sampled_from(sorted(RULES)))
def test_what_is_derived_is_in_the_space_and_valid(seed, rule):
    generator = np.random.default_rng(seed)
    given_ = {cell.name: generator.normal(size=SPACE.shape(cell.name)) for cell in SPACE.cells}
    genotype = derive(SPACE, given_, rule)
    genotype.check(SPACE)
    assert Genotype.from_json(genotype.to_json()) == genotype
    if rule not in ("argmax", "threshold"):
        assert all(cell.count("none") == 0 for cell in genotype.cells)
    if rule in ("paper", "raw-alpha", "none-excluded"):
        for cell in genotype.cells:
            assert all(len({e.source for e in node}) == 2 for node in cell.nodes)


def test_derivation_refuses_what_it_cannot_read():
    with pytest.raises(
        GenotypeError, match="unknown derivation rule 'best'; expected one of: paper"
    ):
        derive(SPACE, alphas(), "best")
    wrong = deepcopy(alphas())
    wrong["reduce"] = np.zeros((3, 8))
    with pytest.raises(GenotypeError, match=r"α of cell 'reduce' has shape \(3, 8\)"):
        derive(SPACE, wrong)
    with pytest.raises(GenotypeError, match="not finite"):
        derive(SPACE, alphas(normal={(0, 0): np.nan}))
    only = cnn_space(primitives=("none",))
    with pytest.raises(GenotypeError, match="only primitive is 'none'"):
        derive(only, {c.name: np.zeros(only.shape(c.name)) for c in only.cells})
    bare = cnn_space(primitives=("skip_connect",))
    with pytest.raises(GenotypeError, match="choose another rule"):
        derive(bare, {c.name: np.zeros(bare.shape(c.name)) for c in bare.cells}, "threshold")


def test_random_genotypes_cover_the_space_evenly():
    """Each of the 7 operations and each pair of predecessors about equally often."""
    genotypes = [random_genotype(SPACE, seed) for seed in range(700)]
    assert genotypes[3] == random_genotype(SPACE, 3)
    edges = [e for g in genotypes for node in g["normal"].nodes for e in node]
    counts = {p: sum(e.primitive == p for e in edges) / len(edges) for p in SPACE.primitives}
    assert counts.pop("none") == 0
    assert all(abs(share - 1 / 7) < 0.03 for share in counts.values())
    pairs = [tuple(e.source for e in g["normal"].nodes[1]) for g in genotypes]
    assert all(abs(pairs.count(p) / 700 - 1 / 3) < 0.06 for p in [(0, 1), (0, 2), (1, 2)])


# ---- Derivation against its definition, in both relaxations -------------------------------------


def weights_by_definition(row, relaxation, without=()):
    """Mixture weights of one edge, in plain Python."""
    if relaxation == "sigmoid":
        return [1 / (1 + exp(-a)) for a in row]
    total = sum(exp(a) for k, a in enumerate(row) if k not in without)
    return [exp(a) / total for a in row]


def kept_by_definition(rule, rows, none, keep, relaxation):
    """Pairs (row, column) that a rule keeps, strongest first; of equals the earlier."""
    choices = [k for k in range(len(rows[0])) if k != none]
    if rule == "argmax":
        return [(i, max(range(len(row)), key=row.__getitem__)) for i, row in enumerate(rows)]
    if rule == "raw-alpha":
        strength = rows
    elif rule == "threshold":
        strength = [weights_by_definition(row, "sigmoid") for row in rows]
    else:
        without = (none,) if rule == "none-excluded" else ()
        strength = [weights_by_definition(row, relaxation, without) for row in rows]
    pairs = [(i, k) for i in range(len(rows)) for k in choices]
    if rule != "shared-predecessor":
        pairs = [(i, max(choices, key=strength[i].__getitem__)) for i in range(len(rows))]
    if rule == "threshold":
        pairs = [(i, k) for i, k in pairs if strength[i][k] >= 0.85] or [(0, none)]
    return sorted(pairs, key=lambda pair: -strength[pair[0]][pair[1]])[
        : keep if pairs != [(0, none)] else 1
    ]


@given(
    seed=st.integers(0, 2**32),
    rule=st.sampled_from(sorted(RULES)),
    relaxation=st.sampled_from(["softmax", "sigmoid"]),
    keep=st.integers(1, 3),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_every_rule_is_its_definition_in_both_relaxations(seed, rule, relaxation, keep, scale):
    space = cnn_space(nodes=3, keep=keep).model_copy(update={"relaxation": relaxation})
    generator = np.random.default_rng(seed)
    drawn = {
        cell.name: scale * generator.normal(size=space.shape(cell.name)) for cell in SPACE.cells
    }
    genotype = derive(space, drawn, rule)
    for topology in space.cells:
        for node, edges in enumerate(genotype[topology.name].nodes):
            rows = [list(map(float, drawn[topology.name][row])) for row in topology.rows(node)]
            assert [(edge.source, space.primitives.index(edge.primitive)) for edge in edges] == [
                (topology.predecessors[node][row], column)
                for row, column in kept_by_definition(rule, rows, NONE, keep, relaxation)
            ]


def test_in_a_sigmoid_space_primitives_do_not_compete():
    """Edge 2 has the largest weight; softmax would share it with its likes."""
    space = SPACE.model_copy(update={"relaxation": "sigmoid"})
    given_ = alphas(
        normal={(2, SEP3): 2.0, (2, SEP5): 2.0, (2, NONE): 3.0, (3, MAX): 1.5, (4, SKIP): 1.0}
    )
    for rule in ("paper", "raw-alpha", "none-excluded"):
        assert normal(derive(space, given_, rule))[1] == [("sep_conv_3x3", 0), ("max_pool_3x3", 1)]
    assert normal(derive(SPACE, given_, "paper"))[1] == [("max_pool_3x3", 1), ("skip_connect", 2)]


def test_alphas_and_genotypes_of_another_space_are_refused_with_a_sentence():
    of_text = {"recurrent": np.zeros((36, 5))}
    with pytest.raises(
        GenotypeError, match=r"α of cell 'normal' is missing; given are .*recurrent"
    ):
        derive(SPACE, of_text)
    with pytest.raises(GenotypeError, match="not a matrix of numbers"):
        derive(SPACE, alphas() | {"reduce": [[0.0], [1.0, 2.0]]})
    with pytest.raises(GenotypeError, match="a genotype of 'rnn' does not fit space 'cnn'"):
        PUBLISHED["enas"].check(SPACE)
    other = SPACE.model_copy(update={"cells": (SPACE["normal"].model_copy(update={"name": "up"}),)})
    with pytest.raises(GenotypeError, match="a cell 'up'; the genotype has: normal, reduce"):
        PUBLISHED["darts-v2"].check(other)
