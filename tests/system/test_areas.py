"""A visitor asks for an area through the gateway, and the operator finds it with the command."""

import json
import subprocess
from pathlib import Path

import pytest

COMMAND = Path(__file__).resolve().parents[2] / ".venv/bin/sen2extract"

pytestmark = pytest.mark.timeout(900)


def test_a_request_reaches_the_operator(ingested):
    def areas(*words: str) -> str:
        done = subprocess.run(
            [COMMAND, "areas", *words], env=ingested.stack.env, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    links = {link["rel"]: link["href"] for link in ingested.client.get("/stac/").json()["links"]}
    assert links["area-requests"] == f"{ingested.stack.url}/stac/areas/requests"
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [103.8, 13.4]}}
    answer = ingested.client.post(
        links["area-requests"], content=json.dumps(feature), headers={"content-type": "application/geo+json"}
    )
    assert answer.status_code == 202, answer.text
    name = answer.json()["name"]
    assert name in [area["name"] for area in json.loads(areas("list", "--state", "requested", "--json"))]
    assert ingested.client.get(links["areas"]).json()["areas"] == []

    areas("approve", name)
    (area,) = ingested.client.get(links["areas"]).json()["areas"]
    assert (area["name"], area["enabled"], area["geometry"]) == (name, True, feature["geometry"])
    areas("remove", name)
    assert ingested.client.get(links["areas"]).json()["areas"] == []
