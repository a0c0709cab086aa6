import re
from pathlib import Path

import pytest

import dartsedu
from dartsedu.show.script import script

PACKAGE = Path(dartsedu.__file__).parent


@pytest.mark.parametrize("path", ["dashboard/dashboard.js", "lessons/explorer.js", "lessons/guess.js"])
def test_a_script_needs_no_other_file_and_defines_every_name_once(path):
    text = script(PACKAGE / path)
    assert not re.search(r"^import\b|\bimport\(|^export .*\bfrom [\"']", text, re.MULTILINE)
    names = re.findall(r"^(?:export )?(?:const|let|function|class) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names))
    assert {"put", "html", "svg", "FOCUSABLE", "ownKeys"} <= set(names)
    assert text.count("export default") == 1


def test_a_script_that_imports_otherwise_is_refused(tmp_path):
    path = tmp_path / "other.js"
    path.write_text('import * as all from "../show/elements.js";\n')
    with pytest.raises(ValueError, match=r'other.js has 0 lines such as import \{ … \} from "'):
        script(path)
