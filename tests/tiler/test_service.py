"""Tiles, errors and readiness of the service on a real catalogue and store."""

import io
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import obstore
import psycopg
import pytest
import rasterio
import shapely
from fastapi.testclient import TestClient
from obstore.store import S3Store
from pictures import colours

from stac.catalog import publish
from tiler.app import create_app
from tiler.health import check_database, check_store

# A PNG has no place in the world.
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

INDICES = "/collections/sentinel-2-indices"
_END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = %s AND datname = current_database()"
)


def item(spec, collection="sentinel-2-indices"):
    return f"/collections/{collection}/items/{spec.name}"


def array(answer):
    """Values and validity of an answer in NumPy's format."""
    assert answer.status_code == 200, answer.text
    loaded = np.load(io.BytesIO(answer.content))
    return loaded[:-1], loaded[-1] != loaded[-1].min() if (loaded[-1] == 0).any() else loaded[-1] > 0


def picture(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return colours(answer.content)


@pytest.fixture(scope="module")
def tile_path(archive):
    """Tile at zoom 9 in the middle of the upper tile."""
    lon, lat = archive.place(archive.UPPER, 180, 60)
    x = int((lon + 180) / 360 * 512)
    y = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 512)
    return f"tiles/WebMercatorQuad/9/{x}/{y}"


@pytest.mark.parametrize(
    "path", ["/searches/register", f"{INDICES}/statistics", "/cog/statistics", f"{INDICES}/feature"]
)
def test_a_body_without_end_is_refused(archive, path):
    part = b" " * 1_000_000
    for content in (b" " * 10_000_001, (part for _ in range(11))):  # with its length, and in chunks
        answer = archive.client.post(
            path, content=content, headers={"content-type": "application/json", "origin": "https://map.example.org"}
        )
        assert answer.status_code == 413, answer.text
        assert answer.json()["detail"] == "the body has more than 10000000 bytes: simplify its geometry"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["access-control-allow-origin"] == "*"


def test_an_index_comes_as_real_values_scaled_once(archive):
    answer = archive.client.get(
        f"{item(archive.EDGE)}/preview.npy", params={"assets": "NDVI", "max_size": archive.SIZE}
    )
    values, valid = array(answer)
    stored = archive.ndvi(archive.EDGE.name)

    assert np.array_equal(valid, ~np.isnan(stored))
    assert values[0][valid] == pytest.approx(stored[valid], abs=1e-6)


def test_bands_come_as_reflectance_with_the_offset_applied_once(archive):
    path = f"{item(archive.UPPER, 'sentinel-2-l2a')}/preview.npy"
    answer = archive.client.get(path, params={"assets": ["B04", "B03"], "max_size": archive.SIZE})
    raw = archive.client.get(path, params={"assets": "B04", "max_size": archive.SIZE, "unscale": "false"})
    stored = [archive.read("sentinel-2-l2a", archive.UPPER.name, band) for band in ("B04", "B03")]

    assert array(answer)[0] == pytest.approx((np.array(stored).astype(float) - 1000) / 10000, abs=1e-6)
    assert np.array_equal(array(raw)[0][0], stored[0])


def test_the_older_baseline_has_no_offset(archive):
    answer = archive.client.get(
        f"{item(archive.OLD, 'sentinel-2-l2a')}/preview.npy", params={"assets": "B04", "max_size": archive.SIZE}
    )

    assert array(answer)[0][0] == pytest.approx(
        archive.read("sentinel-2-l2a", archive.OLD.name, "B04") / 10000, abs=1e-6
    )


def test_a_true_colour_picture_is_transparent_where_there_is_nothing(archive):
    path = f"{item(archive.EDGE, 'sentinel-2-l2a')}/preview.png"
    found = picture(archive.client.get(path, params={"assets": "TCI", "max_size": archive.SIZE}))
    with rasterio.open(archive.path("sentinel-2-l2a", archive.EDGE.name, "TCI")) as source:
        stored = source.read()

    assert np.array_equal(found[3] > 0, stored.max(axis=0) > 0)
    assert (found[3] == 0).any()
    assert np.array_equal(found[:3][:, found[3] > 0], stored[:, found[3] > 0])


@pytest.mark.parametrize(
    ("collection", "assets", "explicit"),
    [
        ("sentinel-2-indices", ["NDVI"], {"rescale": "-0.2,0.9", "colormap_name": "rdylgn"}),
        ("sentinel-2-l2a", ["B04", "B03", "B02"], {"rescale": "0,0.3"}),
    ],
)
def test_an_asset_looks_right_unasked(archive, tile_path, collection, assets, explicit):
    path = f"{item(archive.UPPER, collection)}/{tile_path}.png"
    unasked = picture(archive.client.get(path, params={"assets": assets}))
    asked = picture(archive.client.get(path, params={"assets": assets, **explicit}))
    other = picture(archive.client.get(path, params={"assets": assets, **explicit, "rescale": "0.4,0.5"}))

    assert np.array_equal(unasked, asked)
    assert not np.array_equal(unasked, other)
    assert unasked.shape == (4, 256, 256)


def test_scene_classes_have_their_colours(archive):
    path = f"{item(archive.EDGE, 'sentinel-2-l2a')}/preview.png"
    found = picture(archive.client.get(path, params={"assets": "SCL", "max_size": archive.SIZE // 2}))
    water = archive.read("sentinel-2-l2a", archive.EDGE.name, "SCL") == 6

    assert water.any()
    assert np.unique(found[:, water], axis=1).T.tolist() == [[0, 0, 255, 255]]


def test_a_mask_leaves_clouds_out(archive):
    path = f"{item(archive.UPPER)}/preview.npy"
    values, valid = array(archive.client.get(path, params={"assets": "NDVI", "mask": "scl", "max_size": archive.SIZE}))
    seen = ~archive.masked(archive.UPPER.name)

    assert np.array_equal(valid, seen)
    assert values[0][seen] == pytest.approx(archive.ndvi(archive.UPPER.name)[seen], abs=1e-6)


def test_surface_reflectance_is_masked_by_its_own_scene_classes(archive, tile_path):
    path = f"{item(archive.UPPER, 'sentinel-2-l2a')}/{tile_path}.png"
    plain, masked = (
        picture(archive.client.get(path, params={"assets": "TCI", "mask": mask})) for mask in ("none", "scl")
    )
    lacking = archive.client.get(path, params={"assets": "TCI", "mask": "cm001"})
    unknown = archive.client.get(path, params={"assets": "TCI", "mask": "cm009"})

    assert 0 < (masked[3] > 0).sum() < (plain[3] > 0).sum()
    assert lacking.status_code == 400
    assert "another mask" in lacking.json()["detail"]
    assert "choose from none, scl" in unknown.json()["detail"]


def test_beneath_masked_clouds_a_mosaic_shows_the_next_item(archive, tile_path):
    path = f"{INDICES}/{tile_path}.npy"
    query = {"assets": "NDVI", "exitwhenfull": "false", "skipcovered": "false"}
    cloudy, _ = array(archive.client.get(path, params=query))
    clear, valid = array(archive.client.get(path, params={**query, "mask": "scl"}))

    assert np.median(cloudy[0][valid]) < 0.2 < np.median(clear[0][valid])


def test_tilejson_names_the_public_path(archive):
    # Not entered: the application is running already.
    behind_gateway = TestClient(archive.client.app, base_url="https://maps.example", root_path="/raster")
    document = behind_gateway.get(f"{item(archive.UPPER)}/WebMercatorQuad/tilejson.json?assets=NDVI").json()

    assert document["tiles"][0].startswith(f"https://maps.example/raster{item(archive.UPPER)}/tiles/WebMercatorQuad/")


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("{item}/{tile}.png?assets=NOPE", 404, "has no asset 'NOPE': choose from"),
        ("/collections/sentinel-2-indices/{tile}.png?assets=NOPE", 404, "has no asset 'NOPE': choose from"),
        ("/collections/sentinel-2-indices/items/nope/info", 404, "no item 'nope' in collection 'sentinel-2-indices'"),
        ("/collections/nope/items/nope/info", 404, "sentinel-2-l1c, sentinel-2-l2a"),
        ("/collections/nope/{tile}.png?assets=NDVI", 404, "choose from sentinel-2-indices"),
        ("/searches/nope/{tile}.png?assets=NDVI", 404, "nope"),
        ("{item}/tiles/WebMercatorQuad/9/1/1.png?assets=NDVI", 404, "outside bounds"),
        ("{item}/{tile}.png", 422, "assets"),
        ("{item}/{tile}.png?assets=NDVI&rescale=x", 422, "rescale"),
        ("{item}/{tile}.png?assets=NDVI&colormap_name=x", 422, "colormap_name"),
        ("{item}/{tile}.png?assets=NDVI&colormap=x", 400, "colormap"),
        ("{item}/{tile}.png?assets=NDVI&expression=b9", 400, ""),
        ("{item}/{tile}.png?assets=NDVI&expression=__import__('os')", 400, ""),
        ("{item}/point/0,0?assets=NDVI", 404, ""),
        ("/collections/sentinel-2-indices/{tile}.png?assets=NDVI&filter=cloudcover%3C5", 400, "cloudcover"),
        ("/collections/sentinel-2-indices/{tile}.png?assets=NDVI&filter=%3C", 422, ""),
        ("/collections/sentinel-2-indices/{tile}.png?assets=NDVI&datetime=x", 422, "datetime"),
        ("/collections/sentinel-2-indices/{tile}.png?assets=NDVI&query=%7B%22a%22%3A1%7D", 422, ""),
        ("/tileMatrixSets?f=html", 406, "f=json"),
        ("/nope", 404, "Not Found"),
    ],
)
def test_no_bad_input_is_our_error(archive, tile_path, path, status, told):
    answer = archive.client.get(path.format(item=item(archive.UPPER), tile=tile_path))

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json()["detail"]
    assert answer.json()["code"]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://example.com/a.tif",
        "/vsis3/other/a.tif",
        "/etc/passwd",
        "s3://other/a.tif",
        "{public}/../other/a.tif",
        "{public}/%2e%2e/other/a.tif",
        "{public}/a/..%2f..%2fother/a.tif",
        "{public}.evil.example/a.tif",
        "{public}/a.tif?x=1",
        "{public}/",
        "vrt://{public}/a.tif",
    ],
)
def test_nothing_outside_our_bucket_is_opened(archive, url):
    answer = archive.client.get("/cog/info", params={"url": url.format(public=archive.settings.s3_public_url)})

    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "InvalidParameterValue"


@pytest.mark.parametrize("kind", ["href", "s3"])
def test_our_own_object_is_opened_by_either_address(archive, kind):
    asset = archive.item("sentinel-2-l2a", archive.UPPER.name)["assets"]["B04"]
    url = asset["href"] if kind == "href" else asset["alternate"]["s3"]["href"]
    lon, lat = archive.place(archive.UPPER, 20, 30)
    answer = archive.client.get(f"/cog/point/{lon},{lat}", params={"url": url})
    stored = archive.read("sentinel-2-l2a", archive.UPPER.name, "B04")[20, 30]

    assert answer.json()["values"] == [pytest.approx((stored - 1000) / 10000, abs=1e-6)]


def test_pages_of_scripts_from_elsewhere_are_not_served(archive):
    for path in ("/", "/tileMatrixSets", "/colorMaps", "/algorithms", "/docs", "/redoc"):
        answer = archive.client.get(path, headers={"Accept": "text/html"})
        assert "html" not in answer.headers["content-type"]
    page = archive.client.get("/api.html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert 'src="app/docs/api.js"' in page.text
    assert "://" not in page.text.replace(str(archive.client.base_url), "")


def test_titilers_viewers_lead_to_our_own_page(archive):
    name = archive.UPPER.name
    item = archive.item("sentinel-2-l2a", name)
    for collection, asked, shown in (
        ("sentinel-2-l2a", "?assets=TCI", {}),
        ("sentinel-2-indices", "?assets=MNDWI", {"show": "index", "index": "MNDWI"}),
    ):
        path = f"/collections/{collection}/items/{name}/WebMercatorQuad/map.html{asked}"
        answer = archive.client.get(path, headers={"Accept": "text/html"}, follow_redirects=False)
        address = urlsplit(answer.headers["location"])
        query = dict(parse_qsl(address.query))
        assert answer.status_code == 307
        assert f"{address.scheme}://{address.netloc}" == archive.settings.public_url.rstrip("/")
        place = shapely.Point(float(query.pop("lon")), float(query.pop("lat")))
        assert shapely.geometry.shape(item["geometry"]).contains(place)
        assert query == {"date": item["properties"]["datetime"][:10], "zoom": "11", **shown}
    whole = archive.client.get("/collections/sentinel-2-l2a/WebMercatorQuad/map.html", follow_redirects=False)
    assert whole.headers["location"].rstrip("/") == archive.settings.public_url.rstrip("/")
    for unknown in ("collections/nothing", f"collections/sentinel-2-l2a/items/{name}x"):
        assert archive.client.get(f"/{unknown}/WebMercatorQuad/map.html").status_code == 404


def test_openapi_holds_the_series(archive):
    paths = archive.client.get("/api").json()["paths"]

    assert "/collections/{collection_id}/timeseries/point/{place}" in paths
    assert "/collections/{collection_id}/timeseries/statistics" in paths


def test_a_collections_renders_are_offered_as_tilejson(archive):
    document = archive.client.get(f"{INDICES}/info").json()
    offered = [link["href"] for link in document["links"] if link["rel"] == "tilejson"]

    assert any("assets=NDVI" in href and "colormap_name=rdylgn" in href for href in offered)


@pytest.mark.filterwarnings("ignore::morecantile.errors.PointOutsideTMSBounds")
def test_wmts_capabilities_name_layers(archive):
    answer = archive.client.get(f"{INDICES}/WMTSCapabilities.xml")

    assert answer.status_code == 200
    assert "NDVI" in answer.text


def test_any_origin_may_ask(archive):
    answer = archive.client.options(
        f"{INDICES}/timeseries/statistics",
        headers={"Origin": "https://x.example", "Access-Control-Request-Method": "POST"},
    )

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_text_is_compressed_and_pictures_are_not(archive, tile_path):
    text = archive.client.get("/tileMatrixSets", headers={"Accept-Encoding": "gzip"})
    image = archive.client.get(
        f"{item(archive.UPPER)}/{tile_path}.png?assets=NDVI", headers={"Accept-Encoding": "gzip"}
    )

    assert text.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in image.headers
    assert image.headers["cache-control"] == "public, max-age=3600"


def test_superseded_items_stay_out_of_mosaics(archive, tile_path):
    names = archive.client.get(f"{INDICES}/{tile_path}/assets?exitwhenfull=false&skipcovered=false").json()
    held = {found["id"] for found in names}

    assert archive.REPROCESSED.name in held
    assert archive.OLD.name not in held


def test_ready_when_both_dependencies_answer(archive):
    answer = archive.client.get("/readyz")

    assert answer.status_code == 200
    assert {check["status"] for check in answer.json()["dependencies"].values()} == {"ok"}
    assert archive.client.get("/livez").json() == {"status": "ok"}
    assert archive.client.get("/healthz").status_code == 200


def test_alive_but_not_ready_without_database_and_store(archive):
    away = archive.settings.model_copy(
        update={
            "pg_dsn": psycopg.conninfo.make_conninfo(archive.settings.pg_dsn, port=1),
            "s3_endpoint": "http://127.0.0.1:1",
        }
    )
    with TestClient(create_app(away), raise_server_exceptions=False) as client:
        ready = client.get("/readyz")
        series = client.get(f"{INDICES}/timeseries/point/105,12")
        tile = client.get(f"{item(archive.UPPER)}/info")

        assert client.get("/livez").status_code == 200
    assert ready.status_code == 503
    assert {name: check["status"] for name, check in ready.json()["dependencies"].items()} == {
        "database": "unavailable",
        "store": "unavailable",
    }
    assert archive.settings.aws_secret_access_key.get_secret_value() not in ready.text
    assert (series.status_code, tile.status_code) == (503, 503)
    assert series.headers["content-type"] == "application/problem+json"


def test_a_database_that_ends_all_connections_fails_no_request(archive):
    """As at a failover: each connection of the pool is dead, and many ask at once."""
    lon, lat = archive.place(archive.UPPER, 180, 60)
    paths = [f"{INDICES}/timeseries/point/{lon},{lat}", f"{item(archive.UPPER)}/info?assets=NDVI", "/readyz"] * 8
    pool = archive.client.app.state.dbpool

    def ask():
        with ThreadPoolExecutor(len(paths)) as threads:
            return [answer.status_code for answer in threads.map(archive.client.get, paths)]

    assert set(ask()) == {200}
    for _ in range(3):
        assert pool.get_stats()["pool_size"] > 1
        with psycopg.connect(archive.settings.pg_dsn, autocommit=True) as connection:
            ended = connection.execute(_END, ("sen2extract-tiler",)).fetchall()
        assert len(ended) > 1
        assert set(ask()) == {200}


def test_a_missing_bucket_is_told(archive):
    assert check_store(archive.settings)["status"] == "ok"
    assert check_store(archive.settings.model_copy(update={"s3_bucket": "nope"}))["status"] == "unavailable"
    assert check_database(archive.client.app.state.dbpool)["status"] == "ok"


@pytest.fixture(scope="module")
def broken(archive):
    """The same archive with a lost object, an item without mask but with an index more, and one with an index less.

    For the last tests only.
    """
    settings = archive.settings
    store = S3Store(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    lost = archive.path("sentinel-2-indices", archive.OVERCAST.name, "NDWIGAO")
    obstore.delete(store, lost.removeprefix(f"/vsis3/{settings.s3_bucket}/"))
    edge = archive.item("sentinel-2-indices", archive.EDGE.name)
    del edge["assets"]["MASK"]
    edge["assets"]["NBR"] = edge["assets"]["NDVI"]
    upper = archive.item("sentinel-2-indices", archive.UPPER.name)
    archive.dropped = archive.path("sentinel-2-indices", archive.UPPER.name, "NDWIGAO")
    del upper["assets"]["NDWIGAO"]
    fields = upper["assets"]["MASK"]["classification:bitfields"]
    upper["assets"]["MASK"]["classification:bitfields"] = [field for field in fields if field["name"] == "scl"]
    publish([edge, upper], settings)
    return archive


def test_each_failure_is_a_row_that_says_why_and_sinks_no_other(broken):
    rows = broken.point(broken.UPPER, 100, 60, index="NDWIGAO", mask="cm001")
    by_item = {row["item_id"]: row for row in rows}
    lost, maskless = by_item[broken.OVERCAST.name], by_item[broken.EDGE.name]
    fieldless, fine = by_item[broken.UPPER.name], by_item[broken.REPROCESSED.name]

    assert lost["status"] == "unreadable"
    assert lost["reason"].endswith("is not in the object store")
    assert f"{broken.OVERCAST.name}/NDWIGAO-" in lost["reason"]
    assert "vsis3" not in lost["reason"]
    assert (lost["mean"], lost["count"], lost["valid"]) == (None, None, None)
    assert maskless["status"] == "no_mask"
    assert "mask=none" in maskless["reason"]
    assert fieldless["status"] == "no_mask"
    assert "holds scl, not cm001" in fieldless["reason"]
    assert fine["status"] == "ok"


def test_an_index_that_is_not_stored_is_computed_from_bands(broken):
    (row,) = broken.point(broken.UPPER, 100, 60, index="NDWIGAO", datetime="2025-01-05", mask="none")
    item = broken.item("sentinel-2-indices", broken.UPPER.name)
    with rasterio.open(broken.dropped) as source:
        expected = source.read(1)[100, 60] * 0.0001

    assert "NDWIGAO" not in item["assets"]
    assert row["status"] == "ok"
    assert row["mean"] == pytest.approx(expected, abs=0.00005)


def test_an_index_that_is_stored_unasked_is_read_and_not_computed(broken):
    """As an imported archive has it, which may hold any index, and no bands."""
    asked = {"datetime": "2025-02-04", "mask": "none"}
    (stored,) = broken.point(broken.EDGE, 100, 60, index="NBR", **asked)
    (meant,) = broken.point(broken.EDGE, 100, 60, index="NDVI", **asked)
    (computed,) = broken.point(broken.EDGE, 100, 60, "sentinel-2-l2a", index="NBR", **asked)

    assert stored["status"] == computed["status"] == "ok"
    assert stored["mean"] == meant["mean"] != computed["mean"]


def test_without_the_image_and_its_bands_the_row_says_so(broken):
    upper = broken.item("sentinel-2-l2a", broken.UPPER.name)
    bands = upper["assets"]
    publish([upper | {"assets": {name: bands[name] for name in bands if name != "B08"}}], broken.settings)
    (row,) = broken.point(broken.UPPER, 100, 60, index="NDWIGAO", datetime="2025-01-05")
    publish([upper], broken.settings)

    assert row["status"] == "no_data_asset"
    assert "has no B08" in row["reason"]


def test_an_answer_with_failures_is_not_kept(broken):
    lon, lat = broken.place(broken.UPPER, 100, 60)
    answer = broken.client.get(f"{INDICES}/timeseries/point/{lon},{lat}?index=NDWIGAO")

    assert answer.json()["summary"]["unreadable"] == 1
    assert answer.headers["cache-control"] == "no-store"


def test_a_mosaic_is_made_of_what_can_be_read_and_names_the_rest(broken, tile_path):
    answer = broken.client.get(f"{INDICES}/{tile_path}.png", params={"assets": "NDWIGAO"})

    assert picture(answer)[3].any()
    left_out = set(answer.headers["x-unreadable-items"].split(","))
    assert left_out >= {f"sentinel-2-indices/{spec.name}" for spec in (broken.OVERCAST, broken.UPPER)}
    assert answer.headers["cache-control"] == "no-store"


def test_an_item_that_cannot_be_read_says_that_the_store_is_at_fault(broken, tile_path):
    answer = broken.client.get(f"{item(broken.OVERCAST)}/{tile_path}.png", params={"assets": "NDWIGAO"})

    assert answer.status_code == 502
    assert answer.json()["code"] == "ObjectUnreadable"
