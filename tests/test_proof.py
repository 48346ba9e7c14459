from __future__ import annotations

from pathlib import Path

import pytest

from decontam import manifest


def test_what_is_compiled_is_no_part_of_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python and numba write beside the source while a run is on; the code is what was installed."""
    package = tmp_path / "decontam"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr("decontam.__file__", str(package / "__init__.py"))
    manifest._code.cache_clear()
    before = manifest._code()
    (package / "__pycache__").mkdir()
    for name in ("a.cpython-311.pyc", "a.kernel-1.py311.1.nbc", "a.kernel-1.py311.nbi"):
        (package / "__pycache__" / name).write_bytes(b"compiled")
    manifest._code.cache_clear()
    after = manifest._code()
    (package / "b.py").write_text("")
    manifest._code.cache_clear()
    changed = manifest._code()
    manifest._code.cache_clear()

    assert before == after != changed
