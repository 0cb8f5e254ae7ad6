"""What is kept no longer: the rules as text, the choice, and the removal from catalogue, bucket and ledger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest import alignment, ledger, removed, retention
from ingest.cli import app
from ingest.derivation import derive_product, underived
from ingest.errors import BusyError, StoreError
from ingest.pipeline import ingest_product
from ingest.reconcile import report
from ingest.retention_choice import Held, choose
from ingest.sample import ProductSpec, write_product
from ingest.sources.base import Offer
from ingest.sources.choose import decide
from ingest.store import Store
from stac import areas, catalog, status
from stac.areas_rules import Rule, parse_rules, show_rules
from stac.collections import INDICES, L1C, L2A
from stac.database import connect
from stac.gaps import gaps
from stac.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=96, cloudiness=0.4)


@pytest.mark.parametrize(
    "text", ["none", "l1c:age=90", "l1c:age=0; l2a:cloud=80,superseded=30,only_copy", "indices:cloud=0.5"]
)
def test_rules_are_read_as_they_are_written(text: str) -> None:
    assert show_rules(parse_rules(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("l3:age=1", "level"),
        ("l1c", "age=0"),
        ("l1c:only-copy", "age=0"),
        ("l1c:age=soon", "age"),
        ("l1c:age", "age"),
        ("l1c:cloud=101", "cloud"),
        ("l1c:age=-1", "age"),
        ("l1c:colour=3", "colour"),
        ("age=3", "level"),
    ],
)
def test_what_is_no_rule_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rules(text)
    with pytest.raises(ValueError, match="ingest_retention"):
        Settings(ingest_retention=text)


def held(
    level: str, day: int = 0, *, baseline: str = "0511", cloud: float | None = 5.0, old: int | None = None
) -> Held:
    """A product acquired `day` days before `NOW`, superseded `old` days ago."""
    when = NOW - timedelta(days=day)
    name = f"S2A_MSI{'L1C' if level == L1C else 'L2A'}_{when:%Y%m%dT%H%M%S}_N{baseline}_R075_T48PWU_20260601T000000"
    since = None if old is None else NOW - timedelta(days=old)
    return Held(collection=level, id=name, tile="48PWU", acquired=when, cloud=cloud, since=since, datastrip="")


def gone(products: list[Held], *texts: str) -> list[Held]:
    rules = {f"area{number}": parse_rules(text) for number, text in enumerate(texts)}
    return [one.held for group in choose(products, rules, NOW) for one in group if one.goes]


def test_age_cloud_and_level_have_to_be_met_together() -> None:
    young, old, cloudy, unknown = (
        held(L1C, 10), held(L1C, 100), held(L1C, 101, cloud=90), held(L1C, 102, cloud=None)
    )  # fmt: skip
    backed = [replace(held(L2A, day), cloud=90) for day in (10, 100, 101, 102)]
    products = [young, old, cloudy, unknown, *backed]
    assert gone(products, "l1c:age=100") == [old, cloudy, unknown]
    assert gone(products, "l1c:age=100,cloud=80") == [cloudy]
    assert gone(products, "l1c:age=200") == []
    assert gone(products, "") == []


def test_the_only_copy_stays_unless_a_rule_says_so() -> None:
    scene, indices, source = held(L2A, 100), held(INDICES, 100), held(L1C, 100)
    assert gone([source], "l1c:age=0") == []
    assert gone([source], "l1c:age=0,only_copy") == [source]
    assert gone([source, scene], "l1c:age=0") == [source]
    assert gone([scene, indices], "l2a:age=0") == []
    assert gone([scene, indices], "l2a:age=0,only_copy") == [scene]
    assert gone([scene, indices], "indices:age=0") == [indices]
    assert gone([indices], "indices:age=0") == []
    # What goes itself is no copy for the others.
    assert gone([source, scene], "l1c:age=0; l2a:age=0,only_copy") == [scene]
    ((kept,),) = choose([scene], {"delta": parse_rules("l2a:age=0")}, NOW)
    assert (kept.goes, kept.reason) == (False, "the only copy, though l2a:age=0 (delta)")


def test_what_is_superseded_goes_after_its_grace_and_never_comes_back_into_use() -> None:
    older, newer = held(L2A, 100, baseline="0400", old=10), held(L2A, 100)
    assert gone([older, newer], "l2a:superseded=11") == []
    assert gone([older, newer], "l2a:superseded=10") == [older]
    assert gone([older, newer], "l2a:age=50") == [older]
    cloudier = replace(newer, cloud=90.0)
    assert gone([older, cloudier], "l2a:cloud=80,only_copy") == [cloudier, older]


def test_of_several_areas_all_have_to_let_it_go() -> None:
    product = [held(L1C, 100), held(L2A, 100)]
    assert gone(product, "l1c:age=50", "l1c:age=200") == []
    assert gone(product, "l1c:age=50", "none") == []
    assert gone(product, "l1c:age=50", "l1c:cloud=1") == product[:1]
    assert gone(product[:1], "l1c:age=50,only_copy", "l1c:age=50") == []


@pytest.fixture
def products(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """L1C and L2A of one acquisition, published; their sources by name. No area, nothing else."""
    for area in areas.areas(settings):
        areas.remove(settings, area.name)
    everything = [(collection, name) for collection in (L1C, L2A, INDICES) for name in _ids(settings, collection)]
    catalog.remove(everything, settings)
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.ledger")
    store = Store.connect(settings)
    store.remove(list(store.keys()))
    found = {}
    for spec in (replace(SPEC, level="L1C"), SPEC):
        path = str(write_product(spec, tmp_path))
        assert ingest_product(path, settings=settings).state == "published"
        found[spec.name] = path
    return found


def _ids(settings: Settings, collection: str) -> list[str]:
    return catalog.find_ids(settings, collection)


def run(settings: Settings, **options: object) -> dict[str, str]:
    return {one.product: one.state for one in retention.retain(settings, **options)}  # type: ignore[arg-type]


def test_a_product_goes_from_catalogue_and_bucket_and_stays_away(products: dict[str, str], settings: Settings) -> None:
    store = Store.connect(settings)
    l1c, l2a = products
    ruled = settings.model_copy(update={"ingest_retention": "l1c:age=30; l2a:age=30"})
    assert run(settings) == {}
    assert run(ruled, dry_run=True) == {f"{L1C}/{l1c}": "would be removed", f"{L2A}/{l2a}": "kept"}
    assert _ids(settings, L1C) == [l1c]

    assert run(ruled) == {f"{L1C}/{l1c}": "removed", f"{L2A}/{l2a}": "kept"}
    assert [_ids(settings, collection) for collection in (L1C, L2A, INDICES)] == [[], [l2a], [l2a]]
    assert list(store.keys(f"{L1C}/")) == []
    assert report(settings).unknown == report(settings).missing == ()
    with connect(settings) as connection:
        left = "SELECT count(*) FROM sen2extract.{} WHERE collection = %s"
        for table in ("blocks", "observations"):
            assert connection.execute(left.format(table), (L1C,)).fetchone() == (0,)  # type: ignore[arg-type]
    entry = ledger.entries(settings, [l1c])[l1c]
    assert (entry.state, entry.items, entry.removed) == ("removed", [], [f"{L1C}/{l1c}"])
    assert "l1c:age=30 (INGEST_RETENTION)" in str(entry.reason)

    again = ingest_product(products[l1c], settings=settings)
    assert (again.state, "removed by retention" in str(again.reason)) == ("unchanged", True)
    offer = Offer(source="cdse", name=l1c, acquired=SPEC.sensing, href="")
    choice = decide(offer, newest=True, held={}, entry=entry, again=False)
    assert (choice.wanted, "removed by retention" in choice.reason) == (False, True)
    (tile,) = gaps(settings)
    assert (tile.gaps, tile.held) == ([], 1)
    assert alignment.align(settings) == 0

    assert ingest_product(products[l1c], settings=settings, again="always").state == "published"
    assert ledger.entries(settings, [l1c])[l1c].removed == []
    assert _ids(settings, L1C) == [l1c]


def test_indices_that_were_removed_are_not_made_again(products: dict[str, str], settings: Settings) -> None:
    l2a = SPEC.name
    areas.add(settings, areas.Area(name="here", tiles=["48PWU"], retention=[Rule(level="indices", cloud=10)]))
    assert run(settings) == {f"{INDICES}/{l2a}": "removed"}
    entry = ledger.entries(settings, [l2a])[l2a]
    assert (entry.state, entry.items) == ("published", [f"{L2A}/{l2a}"])
    assert underived(settings) == []
    assert report(settings).underived == ()
    assert ingest_product(products[l2a], settings=settings).state == "unchanged"
    assert derive_product(l2a, settings=settings).state == "published"
    assert ledger.entries(settings, [l2a])[l2a].removed == []


def test_superseded_products_go_and_the_one_in_use_stays_as_it_is(
    products: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    assert SPEC.name in products
    older = replace(SPEC, baseline="0400", generation=SPEC.generated - timedelta(minutes=1))
    assert ingest_product(str(write_product(older, tmp_path)), settings=settings).state == "published"
    assert status.counts(settings) == {"published": 2, "superseded": 1}
    in_use = catalog.get_item(settings, L2A, SPEC.name)
    grace = settings.model_copy(update={"ingest_retention": "l2a:superseded=1; indices:superseded=1"})
    assert run(grace) == {}
    ruled = settings.model_copy(update={"ingest_retention": "l2a:superseded=0; indices:superseded=0,cloud=10"})
    assert run(ruled) == {f"{L2A}/{older.name}": "removed", f"{INDICES}/{older.name}": "removed"}
    assert [_ids(settings, collection) for collection in (L2A, INDICES)] == [[SPEC.name], [SPEC.name]]
    after = catalog.get_item(settings, L2A, SPEC.name)
    assert in_use is not None
    assert after is not None
    assert [link["rel"] for link in after["links"]] == [
        link["rel"] for link in in_use["links"] if link["rel"] != "predecessor-version"
    ]
    assert status.counts(settings) == {"published": 2, "removed": 1}
    assert report(settings).unknown == ()


def test_the_scene_may_go_and_leave_its_indices(products: dict[str, str], settings: Settings) -> None:
    place = {"type": "Point", "coordinates": [105.4, 11.9]}
    only = Rule(level="l2a", age=1, only_copy=True)
    areas.add(settings, areas.Area(name="here", geometry=place, retention=[only]))
    areas.add(settings, areas.Area(name="far", tiles=["40KCB"], retention=[]))
    assert run(settings) == {f"{L2A}/{SPEC.name}": "removed"}
    assert [_ids(settings, collection) for collection in (L2A, INDICES)] == [[], [SPEC.name]]
    assert ledger.entries(settings, [SPEC.name])[SPEC.name].state == "published"
    assert ingest_product(products[SPEC.name], settings=settings).state == "unchanged"
    assert status.counts(settings) == {"published": 2}


@pytest.mark.usefixtures("products")
def test_what_a_killed_run_left_is_removed_by_the_next(settings: Settings) -> None:
    ruled = settings.model_copy(update={"ingest_retention": "l1c:age=30", "ingest_patience": 0})
    name = replace(SPEC, level="L1C").name
    with pytest.raises(StoreError):
        run(ruled.model_copy(update={"s3_bucket": "nowhere"}))
    assert _ids(settings, L1C) == []
    assert set(removed.unfinished(settings)) == {name}
    assert len(report(settings).unknown) > 10
    assert run(ruled) == {}
    assert removed.unfinished(settings) == {}
    assert report(settings).unknown == ()


def test_objects_of_a_product_that_came_back_stay(products: dict[str, str], settings: Settings) -> None:
    ruled = settings.model_copy(update={"ingest_retention": "l1c:age=30"})
    name = replace(SPEC, level="L1C").name
    assert run(ruled) == {f"{L1C}/{name}": "removed"}
    with connect(settings) as connection:
        connection.execute(
            "UPDATE sen2extract.ledger SET discard = %s WHERE id = %s",
            ([f"{L1C}/48/P/WU/2025/05/{name}"], name),
        )
    assert ingest_product(products[name], settings=settings, again="always").state == "published"
    assert retention.finish(settings) == 1
    assert report(settings).missing == ()


@pytest.mark.usefixtures("products")
def test_what_somebody_is_at_stays_for_now(settings: Settings) -> None:
    ruled = settings.model_copy(update={"ingest_retention": "l1c:age=30"})
    name = replace(SPEC, level="L1C").name
    with ledger.product_lock(settings, name):
        assert run(ruled) == {f"{L1C}/{name}": "busy"}
    assert _ids(settings, L1C) == [name]
    running = retention.retain(ruled)
    assert next(running).state == "removed"
    with pytest.raises(BusyError, match="another run"):
        run(ruled)
    running.close()


@pytest.mark.usefixtures("products")
def test_the_command_says_what_goes_and_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pg_dsn", "s3_endpoint", "s3_bucket", "aws_access_key_id"):
        monkeypatch.setenv(name.upper(), getattr(settings, name))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings.aws_secret_access_key.get_secret_value())
    monkeypatch.setenv("INGEST_RETENTION", "l1c:age=30")
    name = replace(SPEC, level="L1C").name
    dry = CliRunner().invoke(app, ["retention", "--dry-run"])
    assert dry.stdout == f"would be removed\t{L1C}/{name}\tl1c:age=30 (INGEST_RETENTION)\n"
    assert CliRunner().invoke(app, ["retention", "--tile", "nowhere"]).exit_code == 2
    assert CliRunner().invoke(app, ["retention", "--tile", "40KCB"]).stdout == ""
    done = CliRunner().invoke(app, ["retention", "--json"])
    assert (done.exit_code, '"removed"' in done.stdout) == (0, True)
    assert CliRunner().invoke(app, ["retention"]).stdout == ""
