"""Which objects the catalogue names: what reconciliation compares with the bucket."""

from posixpath import dirname

from stac.database import connect
from stac.naming import item_key
from stac.settings import Settings


def object_keys(settings: Settings) -> dict[tuple[str, str], list[str]]:
    """Keys of the objects of each item, by collection and item id: its assets and its document."""
    with connect(settings) as connection:
        rows = connection.execute(
            "SELECT collection, id, array(SELECT jsonb_path_query(content, '$.assets.*.alternate.s3.href') #>> '{}') "
            "FROM pgstac.items ORDER BY collection, id"
        ).fetchall()
    bucket = settings.s3_href("")
    return {(row[0], row[1]): _with_document([href.removeprefix(bucket) for href in row[2]]) for row in rows}


def _with_document(keys: list[str]) -> list[str]:
    return [*keys, item_key(dirname(keys[0]))] if keys else keys


def export_keys(settings: Settings) -> set[str]:
    """Keys of the objects that collections themselves name."""
    with connect(settings) as connection:
        rows = connection.execute(
            "SELECT jsonb_path_query(content, '$.assets.*.alternate.s3.href') #>> '{}' FROM pgstac.collections"
        ).fetchall()
    return {row[0].removeprefix(settings.s3_href("")) for row in rows}
