"""What the tasks do, called as Airflow calls them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ingest import tasks
from ingest.outcome import Outcome


def outcome(source, state="published", reason=None):
    items = (f"sentinel-2-l2a/{source}",) if state == "published" else ()
    return Outcome(source=source, product=source, state=state, reason=reason, items=items).as_dict()


def test_discover_wants_a_folder_that_exists(tmp_path):
    with pytest.raises(tasks.WrongInputError, match=r"nowhere does not exist.*INGEST_INBOX"):
        tasks.discover(str(tmp_path / "nowhere"), 8)


def test_an_empty_inbox_is_no_work_and_no_error(tmp_path):
    assert tasks.discover(str(tmp_path), 8) == []
    assert tasks.verdict(tasks.summarise([], [])) == "0 products: nothing to do"


def test_a_run_with_a_refused_product_names_it_and_counts_the_others():
    batches = [["a", "b"], ["c"]]
    results = [[outcome("a"), outcome("b", "invalid", "B02 is missing")], [outcome("c", "unchanged", "held already")]]
    summary = json.loads(json.dumps(tasks.summarise(batches, results)))
    assert summary["states"] == {"invalid": 1, "published": 1, "unchanged": 1}
    assert summary["items"] == ["sentinel-2-l2a/a"]
    with pytest.raises(tasks.UnfinishedError, match=r"3 products: .*\nb: invalid, B02 is missing$"):
        tasks.verdict(summary)


def test_what_an_earlier_run_found_invalid_is_named_and_what_this_one_found_is_a_trouble():
    found = datetime(2025, 1, 5, 5, 33, 1, 500_000, tzinfo=UTC)
    refused = {**outcome("b", "invalid", "B02 is missing (as before)"), "known_since": found.isoformat()}
    results = json.loads(json.dumps([[outcome("a"), refused]]))
    later = tasks.summarise([["a", "b"]], results, found + timedelta(days=1))
    assert later["states"] == {"invalid": 1, "published": 1}
    assert later["troubles"] == []
    text = tasks.verdict(json.loads(json.dumps(later)))
    assert text.startswith("2 products: 1 invalid, 1 published\nLeft as they are")
    assert text.endswith("retry ID):\nb: invalid since 2025-01-05 05:33 UTC, B02 is missing (as before)")
    # A task of this very run refused it, and was tried again because of another product.
    same = tasks.summarise([["a", "b"]], results, found - timedelta(milliseconds=1))
    assert same["known"] == []
    with pytest.raises(tasks.UnfinishedError, match="b: invalid, B02 is missing"):
        tasks.verdict(same)


def test_of_many_known_the_first_are_named():
    since = datetime(2025, 1, 5, tzinfo=UTC).isoformat()
    refused = [{**outcome(f"p{number:02}", "invalid", "broken"), "known_since": since} for number in range(23)]
    text = tasks.verdict(tasks.summarise([[one["source"] for one in refused]], [refused]))
    assert text.count("broken") == 20
    assert text.endswith("… and 3 more")


def test_products_of_a_task_that_died_are_failures():
    summary = tasks.summarise([["a", "b"], ["c"]], [[outcome("c")]])
    assert summary["states"] == {"failed": 2, "published": 1}
    with pytest.raises(tasks.UnfinishedError, match=r"a: failed, .*log"):
        tasks.verdict(summary)


def test_a_task_that_could_not_list_what_there_is_to_do_is_a_failure():
    summary = tasks.summarise([["a"], None], [[outcome("a")]])
    assert summary["states"] == {"published": 1}
    with pytest.raises(tasks.UnfinishedError, match=r"1 published\nothers: failed, the task that was to list"):
        tasks.verdict(summary)
    with pytest.raises(tasks.UnfinishedError, match="0 products: nothing to do\nothers: failed"):
        tasks.verdict(tasks.summarise(None, []))


def test_a_warning_on_a_published_product_is_no_trouble():
    summary = tasks.summarise([["a"]], [[outcome("a", reason="every pixel is nodata")]])
    assert summary["troubles"] == []
    assert tasks.verdict(summary) == "1 products: 1 published"


def test_more_products_than_airflow_can_map_make_larger_batches():
    names = [f"p{number}" for number in range(5000)]
    batches = tasks.batches(names, 2)
    assert len(batches) <= 1000
    assert [name for batch in batches for name in batch] == names
    assert tasks.batches(names[:5], 2) == [["p0", "p1"], ["p2", "p3"], ["p4"]]


@pytest.mark.usefixtures("environment")
def test_a_failure_that_may_pass_is_tried_again_until_the_last_try(archive, monkeypatch):
    """An unreachable store is worth another try; on the last one its outcome is told instead."""
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("INGEST_PATIENCE", "0")
    with pytest.raises(tasks.UnfinishedError, match="1 of 1 failed and will be tried again"):
        tasks.ingest_batch([str(archive[0])], last_try=False)
    (told,) = tasks.ingest_batch([str(archive[0])], last_try=True)
    assert told["state"] == "failed"
    assert told["items"] == ()
