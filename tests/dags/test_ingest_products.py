"""The DAG as a whole, run by Airflow in this process against a real catalogue and bucket."""

import pytest

from stac import catalog

pytestmark = pytest.mark.usefixtures("airflow_database")


def run(bag, **conf):
    """Run the DAG to its end; returns its state and what its tasks returned."""
    ended = bag.dags["ingest_products"].test(run_conf=conf)
    return ended


def test_it(bag, archive, environment):
    r = run(bag, inbox=str(archive[0].parent), batch_size=1)
    print(r, r.state)
    print(catalog.find_ids)
