"""Folders of images: what belongs to them, what is read, and what is said of the rest."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import default_loader

from dartsedu.data import image_files
from dartsedu.data.image_files import ImageError, check_images, evenly, find_images, read_image
from dartsedu.data.splits import TaskError
from dartsedu.data.tasks import load_task

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (20, 24, 3), dtype=np.uint8)
FAST = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def encoded(form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, form)
    return file.getvalue()


WHOLE = {form: encoded(form) for form in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM")}


@pytest.fixture
def root(tmp_path):
    """Two classes of four images to train and two to test."""
    for part, count in (("train", 4), ("val", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / "imagenet" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = RANDOM.integers(0, 256, (20, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return tmp_path


def load(root, **how):
    return load_task("imagenet", root=root, image_size=16, **({"workers": 0} | how))


# ---- What belongs to a folder -------------------------------------------------------------------


def test_classes_and_files_are_those_of_torchvision(root):
    (root / "imagenet/train/cat/more/inside").mkdir(parents=True)
    (root / "imagenet/train/cat/more/inside/4.PNG").write_bytes(WHOLE["PNG"])
    theirs = ImageFolder(str(root / "imagenet/train"))
    ours = find_images(root / "imagenet/train")
    assert list(zip(ours.files, ours.targets, strict=True)) == theirs.samples
    assert list(ours.classes) == theirs.classes


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize(
    "place",
    [
        ".ipynb_checkpoints/0-checkpoint.jpg",
        "__MACOSX/cat/0.jpg",
        "cat/.ipynb_checkpoints/0-checkpoint.jpg",
        "cat/__MACOSX/0.jpg",
        "cat/._0.jpg",
        "cat/.DS_Store",
        "cat/Thumbs.db",
        ".DS_Store",
    ],
)
def test_what_a_system_keeps_for_itself_is_no_image(root, part, place):
    before = find_images(root / "imagenet" / part)
    file = root / "imagenet" / part / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\0\5\26\7" + bytes(100))
    assert find_images(root / "imagenet" / part) == before
    assert load(root).classes == 2


def test_a_folder_without_classes_and_a_class_without_images_are_named(tmp_path, root):
    (tmp_path / "imagenet/val/cow").mkdir()
    with pytest.raises(TaskError, match="cow has no images"):
        load(root)
    (tmp_path / "imagenet/val/cow/0.jpg").write_bytes(WHOLE["JPEG"])
    with pytest.raises(TaskError, match="same classes: cow"):
        load(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="one for each class"):
        find_images(tmp_path / "empty")


def test_of_many_files_evenly_spaced_ones_are_looked_into(monkeypatch):
    monkeypatch.setattr(image_files, "CHECKED", 10)
    for count in range(200):
        chosen = evenly(list(map(str, range(count))))
        assert len(chosen) <= 10
        assert len(chosen) == count or len(chosen) > 5


# ---- Reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_images_of_8_bits_are_read_as_torchvision_reads_them(tmp_path, mode):
    form = "tiff" if mode in ("CMYK", "YCbCr") else "png"
    file = str(tmp_path / f"image.{form}")
    Image.fromarray(PIXELS).convert(mode).save(file)
    np.testing.assert_array_equal(read_image(file), default_loader(file))
    check_images([file])


def test_a_palette_with_transparent_colours_is_read_without_a_warning(tmp_path, recwarn):
    file = str(tmp_path / "image.png")
    image = Image.fromarray(PIXELS).quantize(16)
    image.save(file, transparency=bytes(range(16)))
    np.testing.assert_array_equal(read_image(file), image.convert("RGB"))
    assert not recwarn.list


@FAST
@given(
    values=st.lists(st.integers(0, 65535), min_size=1, max_size=30),
    form=st.sampled_from(["png", "tiff", "pgm", "I.tiff", "F.tiff"]),
)
def test_deep_greys_keep_their_scale(tmp_path, values, form):
    grey = np.array([values], dtype=np.uint16)
    pixels = {"I.tiff": grey.astype(np.int32), "F.tiff": (grey / 65535).astype(np.float32)}
    file = str(tmp_path / f"image.{form}")
    Image.fromarray(pixels.get(form, grey)).save(file)
    read = np.asarray(read_image(file))
    np.testing.assert_allclose(read, np.stack([grey / 257] * 3, axis=2), atol=0.51)
    check_images([file])


@pytest.mark.parametrize(
    "pixels",
    [
        np.array([[0, 70_000]], dtype=np.int32),
        np.array([[-1, 3]], dtype=np.int32),
        np.array([[0, 255]], dtype=np.float32),
        np.array([[0, np.nan]], dtype=np.float32),
    ],
)
def test_greys_out_of_range_are_refused_before_a_run(tmp_path, pixels):
    file = str(tmp_path / "image.tiff")
    Image.fromarray(pixels).save(file)
    for read in (read_image, lambda name: check_images([name])):
        with pytest.raises(ImageError, match=r"image\.tiff: its grey values go from"):
            read(file)


# ---- Files that cannot be read ------------------------------------------------------------------


@FAST
@given(form=st.sampled_from(sorted(WHOLE)), kept=st.floats(0, 0.9))
def test_a_cut_file_is_named_before_a_run(tmp_path, form, kept):
    good, cut = tmp_path / "good.jpg", tmp_path / f"cut.{form.lower()}"
    good.write_bytes(WHOLE["JPEG"])
    cut.write_bytes(WHOLE[form][: int(kept * len(WHOLE[form]))])
    with pytest.raises(ImageError, match=r"cut\..*Replace it"):
        check_images([str(good), str(cut)])


@FAST
@given(
    form=st.sampled_from(sorted(WHOLE)),
    places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
)
def test_a_damaged_file_is_read_or_refused_in_words(tmp_path, form, places):
    raw = bytearray(WHOLE[form])
    for place, value in places:
        raw[int(place * len(raw))] = value
    file = tmp_path / f"damaged.{form.lower()}"
    file.write_bytes(raw)
    refusals = []
    for read in (lambda name: check_images([name]), read_image):
        try:
            read(str(file))
        except ImageError as error:
            refusals.append(str(error))
    assert all("damaged." in said for said in refusals)


def test_what_follows_the_end_of_a_file_does_no_harm(tmp_path):
    for form, raw in WHOLE.items():
        (tmp_path / form).write_bytes(raw + b"\0trailing")
        check_images([str(tmp_path / form)])


def test_an_image_of_200_million_pixels_is_refused(root):
    file = root / "imagenet/train/cat/9.png"
    Image.new("1", (20_000, 10_000)).save(file)
    with pytest.raises(TaskError, match=r"9\.png: Image size \(200000000 pixels\) exceeds"):
        load(root)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_lost_during_a_run_is_named(root, workers):
    task = load(root, workers=workers)
    lost = Path(task.weights.files[0])
    lost.write_bytes(WHOLE["JPEG"][:100])
    with pytest.raises(TaskError) as error:
        list(itertools.islice(task.weights.training(2, 0), 4))
    assert str(error.value).startswith(f"cannot read the image {lost}: ")
    assert "Traceback" not in str(error.value)


def test_a_name_that_is_no_text_is_shown_by_its_bytes(root):
    folder = bytes(root / "imagenet/train/cat")
    with open(folder + b"/\xff.jpg", "wb"):  # noqa: PTH123 (a path of bytes)
        pass
    with pytest.raises(TaskError, match=r"\\xff\.jpg"):
        load(root)


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left"),
        RuntimeError("DataLoader worker (pid 5) is killed by signal: Bus error."),
        OSError(28, "No space left on device"),
    ],
)
@pytest.mark.parametrize("after", [0, 1])
def test_workers_without_shared_memory_get_advice(root, monkeypatch, fault, after):
    class Broken:
        def __init__(self, *_, **__):
            pass

        def __iter__(self):
            yield from [[torch.zeros(2, 3, 16, 16), torch.zeros(2)]] * after
            raise fault

    task = load(root, workers=1)
    monkeypatch.setattr(torch.utils.data, "DataLoader", Broken)
    with pytest.raises(TaskError, match=r"/dev/shm.*--set task\.workers=0"):
        list(task.weights.once(2))
