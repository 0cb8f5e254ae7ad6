"""Writing XML as ESA's processors lay it out."""

from datetime import datetime
from xml.etree import ElementTree as ET

XSI = "http://www.w3.org/2001/XMLSchema-instance"


def el(tag: str, *content: ET.Element | str | float, **attributes: str | float) -> ET.Element:
    """An element with text or children; prefixes such as `n1:` stand in the tag and are declared by an attribute."""
    node = ET.Element(tag, {name.replace("__", ":"): str(value) for name, value in attributes.items()})
    for part in content:
        if isinstance(part, ET.Element):
            node.append(part)
        else:
            node.text = str(part)
    return node


def document(root: ET.Element) -> bytes:
    """The root as a UTF-8 file, indented."""
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{text}\n'.encode()


def instant(when: datetime) -> str:
    """ISO 8601 with milliseconds and Z, as for sensing times."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def instant_micro(when: datetime) -> str:
    """ISO 8601 with microseconds and Z, as for processing times."""
    return f"{when:%Y-%m-%dT%H:%M:%S.%f}Z"
