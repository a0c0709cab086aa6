import pytest

from dartsedu.presets import PRESETS, changes, describe, load_preset, override, read_settings
from dartsedu.settings import SettingsError


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_survive_json_and_say_whom_they_follow(name):
    settings = load_preset(name)
    assert settings.follows
    assert read_settings(settings.model_dump_json()) == settings


def test_paper_preset_is_the_papers():
    """DARTS appendix A.1: the published numbers, one by one."""
    paper = load_preset("paper")
    search, train = paper.search, paper.train
    assert (paper.supernet.channels, paper.supernet.cells, paper.supernet.nodes) == (16, 8, 4)
    assert paper.supernet.alpha_scale == 0
    assert (search.epochs, search.batch_size) == (50, 64)
    assert (search.weights.learning_rate, search.weights.learning_rate_end) == (0.025, 0)
    assert (search.weights.momentum, search.weights.weight_decay) == (0.9, 3e-4)
    alpha = search.architecture
    assert (alpha.learning_rate, alpha.beta1, alpha.beta2, alpha.weight_decay) == (
        3e-4,
        0.5,
        0.999,
        1e-3,
    )
    assert (search.epsilon_scale, search.xi, search.virtual_momentum) == (0.01, None, False)
    assert (train.channels, train.cells, train.epochs, train.batch_size) == (36, 20, 600, 96)
    assert (train.drop_path, train.auxiliary_weight, train.cutout) == (0.2, 0.4, 16)


def test_official_preset_differs_where_the_authors_code_does():
    paper, official = (
        {n: v for n, v, _ in describe(load_preset(p))} for p in ("paper", "official")
    )
    different = {name for name in paper if paper[name] != official[name]} - {"preset", "follows"}
    assert different == {
        "supernet.alpha_scale",
        "search.virtual_momentum",
        "search.virtual_weight_decay",
        "search.weights.learning_rate_end",
        "search.weights.clip",
    }


def test_imagenet_preset_is_the_papers():
    train = load_preset("imagenet").train
    assert (train.stem, train.channels, train.cells, train.epochs) == ("imagenet", 48, 14, 250)
    assert (train.batch_size, train.label_smoothing, train.decay) == (128, 0.1, 0.97)
    assert (train.weights.learning_rate, train.weights.weight_decay) == (0.1, 3e-5)


def test_any_field_can_be_overridden():
    """Every field of every preset takes its own value back as an override."""
    settings = load_preset("classroom")
    for name, value, _ in describe(settings):
        if name not in ("preset", "follows"):
            text = value.lower() if value in ("True", "False") else value
            assert override(settings, [f"{name}={text}"]) == settings, name
    changed = override(
        settings,
        [
            "search.epochs=3",
            "search.architect=exact",
            "search.weights.clip=2.5",
            'supernet.primitives=["none", "skip_connect"]',
            "task.name=mnist",
        ],
    )
    assert (changed.search.epochs, changed.search.architect) == (3, "exact")
    assert changed.search.weights.clip == 2.5
    assert changed.supernet.primitives == ("none", "skip_connect")
    assert changed.task.name == "mnist"
    assert override(settings, ["search.weights.clip=none"]).search.weights.clip is None
    assert ("search.epochs", "3", "10") in changes(changed)
    assert changes(settings) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("search.epochs", "expected field=value"),
        ("=3", "expected field=value"),
        ("search.epoch=3", "'search.epoch' is not a setting; the settings are: preset"),
        ("searches.epochs=3", "not a setting"),
        ("search.epochs.more=3", "'epochs' has no fields"),
        ("search.epochs=0", r"settings.search.epochs: .*greater than or equal to 1 \(given: 0\)"),
        ("search.epochs=many", "valid integer"),
        ("search.architect=third", "'first-order', 'finite-difference' or 'exact'"),
        ("search.rule=best", "unknown derivation rule; expected one of: paper"),
        ("search.weights.learning_rate=nan", "finite number"),
        ("search=3", "valid dictionary"),
        ("preset=paper", "cannot be set"),
        ("task.name=letters", "unknown task; expected one of: digits"),
        ("task.split_seed=4294967296", "less than 4294967296"),
        ("supernet.cells=2", "greater than or equal to 3"),
        ("supernet.primitives=[]", "at least 1 item"),
    ],
)
def test_wrong_overrides_are_explained(text, words):
    with pytest.raises(SettingsError, match=words):
        load_preset("classroom", [text])


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(SettingsError, match="classroom, paper, official, imagenet"):
        load_preset("papers")
