"""What is worth fetching: one product of an acquisition, the newest, and none that is here."""

from datetime import UTC, datetime

import pytest

from ingest.ledger import Entry
from ingest.sources.base import Offer
from ingest.sources.choose import decide, held_of, newest_of
from stac.settings import Settings


def offer(baseline="0511", made="20250105T072243", datastrip="20250105T032134", level="L2A"):
    name = f"S2B_MSI{level}_20250105T031121_N{baseline}_R075_T48PWU_{made}"
    return Offer(
        source="cdse", name=name, acquired=datetime(2025, 1, 5, tzinfo=UTC), href="", datastrip_start=datastrip
    )


def entry(state, source, reason=None):
    return Entry(id=offer().name, state=state, reason=reason, source=source, fingerprint=None, inventory=None)


def decided(one=None, *, newest=True, held=(), known=None, again=False):
    return decide(one or offer(), newest=newest, held=held_of(held), entry=known, again=again)


def newest(*offers):
    return {one.name for one in newest_of(offers, Settings())}


def test_the_highest_baseline_of_an_acquisition_is_wanted():
    old, new, own = offer("0509"), offer("0511", "20250601T000000"), offer("9999", "20260101T000000")
    assert newest(old, new, own) == {new.name}
    assert newest(offer("0511"), offer("0511", "20250201T000000")) == {offer("0511", "20250201T000000").name}


def test_two_datastrips_of_a_datatake_are_both_wanted():
    one, other = offer(), offer(made="20250105T080000", datastrip="20250105T032500")
    assert newest(one, other) == {one.name, other.name}
    assert newest(offer(datastrip=None), other) == {other.name}


def held(baseline="0511", datastrip="20250105T032134", collection="sentinel-2-l2a"):
    name = f"S2B_MSIL2A_20250105T031121_N{baseline}_R075_T48PWU_20250909T000000"
    return collection, name, f"S2B_OPER_MSI_L2A_DS_2BPS_20250105T072243_S{datastrip}_N05.11" if datastrip else ""


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], True),
        ([held()], False),
        ([held("0512")], False),
        ([held("0509")], True),
        ([held("9999")], True),
        ([held("0509"), held("0511", collection="sentinel-2-indices")], False),
        ([held(datastrip="20250105T040000")], True),
        ([held(datastrip="")], False),
    ],
)
def test_what_is_held_is_not_fetched_again_unless_in_an_older_baseline(rows, wanted):
    choice = decided(held=rows)
    assert choice.wanted is wanted
    if not wanted:
        assert choice.reason.startswith("held already: sentinel-2-")


@pytest.mark.parametrize(
    ("known", "wanted", "wanted_again"),
    [
        (None, True, True),
        (entry("seen", offer().address), True, True),
        (entry("failed", offer().address, "503"), True, True),
        (entry("downloading", offer().address), True, True),
        (entry("seen", f"earth-search:{offer().name}"), True, True),
        (entry("invalid", offer().address, "withdrawn"), False, True),
        (entry("downloaded", "/"), False, True),
        (entry("downloaded", "/nowhere/to/be/found.SAFE"), True, True),
        (entry("failed", "/", "no B04"), False, True),
        (entry("converting", "/"), False, False),
        (entry("published", "/"), False, True),
        (entry("superseded", "/"), False, True),
        (entry("removed", "/", "retention"), False, True),
        (entry("invalid", "/nowhere.SAFE", "no B04"), False, True),
    ],
)
def test_what_has_had_its_turn_is_fetched_only_if_asked(known, wanted, wanted_again):
    assert decided(known=known).wanted is wanted
    assert decided(known=known, again=True).wanted is wanted_again


def test_the_reason_is_told():
    assert decided(known=entry("invalid", offer().address, "cdse: gone")).reason == "invalid: cdse: gone"
    assert decided(newest=False).reason == "a newer product of its acquisition is offered"
    assert decided().as_dict()["reason"] == "to be fetched"
