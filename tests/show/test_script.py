import re
from pathlib import Path

import pytest

import dartsedu
from dartsedu.show.script import script

PACKAGE = Path(dartsedu.__file__).parent


@pytest.mark.parametrize(
    "path", ["dashboard/dashboard.js", "lessons/explorer.js", "lessons/guess.js"]
)
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
    with pytest.raises(ValueError, match=r'other.js has no line such as import \{ … \} from "'):
        script(path)


def test_what_two_modules_import_stands_there_once_and_before_them(tmp_path):
    for name, text in {
        "ground.js": "export const ground = 1;\n",
        "one.js": 'import { ground } from "./ground.js";\nexport const one = ground;\n',
        "two.js": 'import { ground } from "./ground.js";\n'
        'import { one } from "./one.js";\nexport default one + ground;\n',
    }.items():
        (tmp_path / name).write_text(text)
    lines = [line for line in script(tmp_path / "two.js").splitlines() if line]
    assert lines == ["const ground = 1;", "const one = ground;", "export default one + ground;"]
