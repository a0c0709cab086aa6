"""Working copies: clean, complete, and never written over a learner's own."""

import nbformat
from build_lessons import NOTEBOOKS, sources
from working_copies import copy_lessons


def test_copies_are_clean_and_nobodys_work_is_lost(tmp_path):
    made = copy_lessons(NOTEBOOKS, tmp_path / "mine")
    assert [path.stem for path in made] == [source.stem for source in sources()]
    for path in made:
        copy, lesson = (nbformat.read(p, as_version=4) for p in (path, NOTEBOOKS / path.name))
        assert [c.source for c in copy.cells] == [c.source for c in lesson.cells]
        assert not any(c.get("outputs") or c.get("execution_count") for c in copy.cells)
    made[0].write_text("mine")
    made[1].unlink()
    assert copy_lessons(NOTEBOOKS, tmp_path / "mine") == [made[1]]
    assert made[0].read_text() == "mine"


def test_links_of_a_copy_lead_where_those_of_the_lesson_do():
    """``my_lessons`` stands beside ``notebooks``, so relative links need no change."""
    from working_copies import COPIES

    assert COPIES.parent == NOTEBOOKS.parent
