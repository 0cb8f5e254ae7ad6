"""The papers of a product that readers of pixels never open: reports, INSPIRE record, schemas, page."""

from pathlib import PurePosixPath

from ingest.sample.spec import ProductSpec
from ingest.sample.xml import document, el, instant

_GMD = "http://www.isotc211.org/2005/gmd"
_GCO = "http://www.isotc211.org/2005/gco"


def report(spec: ProductSpec, path: str) -> bytes:
    """A quality report that found nothing wrong."""
    name = PurePosixPath(path).stem
    header = el("Fixed_Header", el("File_Name", f"{name}.xml"), el("Mission", spec.platform), el("File_Class", "OPER"))
    checks = el("checkList", el("parentID", spec.datastrip_id), el("name", name), el("version", "1.0"))
    block = el(
        "Data_Block",
        el("report", checks, gippVersion="1.0", globalStatus="PASSED", date=instant(spec.generated)),
        type="xml",
    )
    return document(
        el(
            "Earth_Explorer_File",
            el("Earth_Explorer_Header", header),
            block,
            xmlns="http://gs2.esa.int/DATA_STRUCTURE/olqcReport",
        )
    )


def inspire(spec: ProductSpec) -> bytes:
    """A minimal INSPIRE record."""
    return document(
        el(
            "gmd:MD_Metadata",
            el("gmd:fileIdentifier", el("gco:CharacterString", f"{spec.name}.SAFE")),
            el("gmd:dateStamp", el("gco:Date", f"{spec.generated:%Y-%m-%d}")),
            xmlns__gmd=_GMD,
            xmlns__gco=_GCO,
        )
    )


def schema(spec: ProductSpec) -> tuple[str, bytes]:
    """Path and content of the schema in `rep_info`, which only names the product's root element."""
    name = f"Level-{spec.level[1:]}_User_Product"
    root = el(
        "xs:schema",
        el("xs:element", name=name),
        xmlns__xs="http://www.w3.org/2001/XMLSchema",
        targetNamespace=f"https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{spec.level[1:]}.xsd",
    )
    return f"rep_info/S2_User_Product_Level-{spec.level[1:]}_Metadata.xsd", document(root)


def page(spec: ProductSpec) -> tuple[str, bytes]:
    """Path and content of the product's page."""
    text = f"<!DOCTYPE html><title>{spec.name}</title><p>Sample product {spec.name}: computed, not observed.</p>\n"
    return "HTML/UserProduct_index.html", text.encode()
