"""A large extraction through the stack as users run it: gateway, tiler, Airflow, bucket."""

import time

import pytest

from stac.jobs import ACTIVE

pytestmark = pytest.mark.timeout(900)
COLLECTION = "/raster/collections/sentinel-2-indices/timeseries"


def polygon(west, south, name):
    east, north = west + 0.02, south + 0.02
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "id": name, "properties": {"crop": name}, "geometry": geometry}


@pytest.fixture(scope="module")
def fields(ingested):
    west, south, east, north = ingested.client.get("/stac/search", params={"limit": 1}).json()["features"][0]["bbox"]
    steps = [(west + (east - west) * share / 8, south + (north - south) * share / 8) for share in range(1, 7)]
    features = [polygon(x, y, f"field {number}") for number, (x, y) in enumerate(steps)]
    return {"type": "FeatureCollection", "features": features}


def wait(client, address):
    """Poll as the page does, until the job has ended."""
    while (job := client.get(address).json())["status"] in ACTIVE:
        time.sleep(1)
    return job


def test_a_job_gives_what_one_request_gives(ingested, fields):
    client = ingested.client
    query = {"index": "NDVI,NDRE", "mask": "none"}
    answer = client.post(f"{COLLECTION}/jobs", params=query, json=fields, headers={"Origin": "https://a.example"})
    assert answer.status_code == 202, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    address = answer.headers["location"]
    assert address.startswith(ingested.stack.url)
    job = wait(client, address)
    assert job["status"] == "succeeded", job
    assert job["progress"]["done"] == job["progress"]["chunks"]
    files = {link["title"]: link["href"] for link in job["links"] if link["rel"] == "enclosure"}
    asked = client.post(f"{COLLECTION}/statistics.csv", params=query, json=fields)
    made = client.get(files["result.csv"])
    assert made.content == asked.content
    assert made.headers["content-type"].startswith("text/csv")
    assert "NDVI" in made.headers["content-disposition"]
    part = client.get(files["bundle.zip"], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PK\x03\x04")
    assert part.headers["access-control-allow-origin"] == "*"

    again = client.post(f"{COLLECTION}/jobs", json={"again": job["id"]})
    assert again.status_code == 202, again.text
    more = wait(client, again.headers["location"])
    assert more["status"] == "succeeded", more
    (same,) = [link["href"] for link in more["links"] if link.get("title") == "result.csv"]
    assert client.get(same).content == asked.content

    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert client.get(files["result.csv"]).status_code == 404


def test_a_job_can_be_cancelled(ingested, fields):
    client = ingested.client
    address = client.post(f"{COLLECTION}/jobs", params={"index": "EVI"}, json=fields).headers["location"]
    told = client.delete(address)
    assert (told.status_code, told.json()["status"]) == (200, "cancelled")
    assert client.get(address).json()["status"] == "cancelled"
