"""The benchmarks' own machinery; what they measure is never asserted."""

import json
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def test_results_of_other_cases_are_kept(tmp_path: Path) -> None:
    from run import save

    save("first", {"ours": 1}, tmp_path / "build" / "bench.json")
    save("second", {"ours": 2}, tmp_path / "build" / "bench.json")
    save("first", {"ours": 3}, tmp_path / "build" / "bench.json")
    assert json.loads((tmp_path / "build" / "bench.json").read_text()) == {"first": {"ours": 3}, "second": {"ours": 2}}


def test_an_unknown_case_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    from run import CASES, main

    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "no case nothing: choose from" in capsys.readouterr().err
    assert "ingest_l2a_full" in CASES


def test_work_is_measured_in_a_process_of_its_own() -> None:
    from measure import measure

    cost = measure(bytearray, 300_000_000)
    assert len(cost.result) == 300_000_000
    assert cost.memory > 250
    assert cost.wall > 0
    assert cost.cpu > 0
