"""`manifest.safe`: every file of the product with its size and checksum."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from xml.etree.ElementTree import Element

from ingest.sample.content import footprint
from ingest.sample.spec import ProductSpec
from ingest.sample.xml import document, el, instant, instant_micro
from stac.naming import Baseline

type Digest = Literal["MD5", "SHA3-256"]

_NSSDC = {"S2A": "2015-028A", "S2B": "2017-013A", "S2C": "2024-157A"}


@dataclass(frozen=True)
class DataObject:
    """A file of the product: path within it, size in bytes, checksum in hexadecimal."""

    path: str
    size: int
    checksum: str

    @property
    def identifier(self) -> str:
        """XML name unique in the product."""
        return str(PurePosixPath(self.path).with_suffix("")).replace("/", "_") + "_Data"


def digest_of(spec: ProductSpec) -> Digest:
    """The kind of checksum products of this level and baseline carry."""
    since = Baseline.parse("05.00" if spec.level == "L2A" else "03.00")
    return "SHA3-256" if Baseline.parse(spec.baseline) >= since else "MD5"


def data_objects(product: Path, digest: Digest) -> list[DataObject]:
    """All files below the product's folder but its manifest, in the order of their paths."""
    algorithm = "md5" if digest == "MD5" else "sha3_256"
    objects = []
    for file in sorted(path for path in product.rglob("*") if path.is_file() and path.name != "manifest.safe"):
        with file.open("rb") as stream:
            checksum = hashlib.file_digest(stream, algorithm).hexdigest()
        objects.append(DataObject(file.relative_to(product).as_posix(), file.stat().st_size, checksum))
    return objects


def manifest(spec: ProductSpec, objects: Iterable[DataObject]) -> bytes:
    """The manifest of a product made of these files."""
    files = list(objects)
    level = f"Level-{spec.level[1:]}"
    units = (
        el("xfdu:contentUnit", el("dataObjectPointer", dataObjectID=file.identifier), unitType=_unit_type(file))
        for file in files
    )
    package = el(
        "xfdu:contentUnit",
        *units,
        dmdID="acquisitionPeriod platform",
        pdiID="processing",
        textInfo=f"SENTINEL-2 MSI {level} User Product",
        unitType=f"Product_{level}",
    )
    digest = digest_of(spec)
    return document(
        el(
            "xfdu:XFDU",
            el("informationPackageMap", package),
            _metadata_section(spec),
            el("dataObjectSection", *(_data_object(file, digest) for file in files)),
            xmlns__gml="http://www.opengis.net/gml",
            xmlns__safe="http://www.esa.int/safe/sentinel/1.1",
            xmlns__xfdu="urn:ccsds:schema:xfdu:1",
            version=f"esa/safe/sentinel/1.1/sentinel-2/msi/archive_{spec.level.lower()}_user_product",
        )
    )


def _unit_type(file: DataObject) -> str:
    return "Metadata Unit" if "MTD_" in file.path or file.path == "INSPIRE.xml" else "Measurement Data Unit"


def _data_object(file: DataObject, digest: Digest) -> Element:
    kind = "text/xml" if file.path.endswith(".xml") else "application/octet-stream"
    stream = el(
        "byteStream",
        el("fileLocation", href=f"./{file.path}", locatorType="URL"),
        el("checksum", file.checksum, checksumName=digest),
        mimeType=kind,
        size=file.size,
    )
    return el("dataObject", stream, ID=file.identifier)


def _metadata_section(spec: ProductSpec) -> Element:
    ring = " ".join(f"{lat:.12f} {lon:.12f}" for lon, lat in footprint(spec))
    return el(
        "metadataSection",
        _wrapped("acquisitionPeriod", el("safe:acquisitionPeriod", el("safe:startTime", instant(spec.sensing)))),
        _wrapped(
            "measurementOrbitReference",
            el(
                "safe:orbitReference",
                el("safe:orbitNumber", f"{spec.absolute_orbit:06d}", groundTrackDirection="descending", type="start"),
                el("safe:relativeOrbitNumber", spec.relative_orbit, type="start"),
            ),
        ),
        _wrapped("platform", _platform(spec)),
        _wrapped(
            "processing",
            el(
                "safe:processing",
                name=f"Generation of Level-{spec.level[1:]} User Product",
                start=instant_micro(spec.generated),
            ),
        ),
        _wrapped(
            "measurementFrameSet",
            el(
                "safe:frameSet",
                el(
                    "safe:footPrint",
                    el("gml:coordinates", f"{ring} "),
                    srsName="http://www.opengis.net/gml/srs/epsg.xml#4326",
                ),
            ),
        ),
    )


def _platform(spec: ProductSpec) -> Element:
    return el(
        "safe:platform",
        el("safe:nssdcIdentifier", _NSSDC[spec.platform]),
        el("safe:familyName", "SENTINEL"),
        el("safe:number", spec.platform[1:]),
        el("safe:instrument", el("safe:familyName", "Multi-Spectral Instrument", abbreviation="MSI")),
    )


def _wrapped(identifier: str, content: Element) -> Element:
    wrap = el("metadataWrap", el("xmlData", content), mimeType="text/xml", vocabularyName="Sentinel-SAFE")
    return el("metadataObject", wrap, ID=identifier, category="DMD", classification="DESCRIPTION")
