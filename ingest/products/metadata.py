"""Sentinel-2 metadata XML, read by local element names: namespaces and nesting differ from version to version."""

from collections import defaultdict
from datetime import UTC, datetime
from math import isfinite
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ingest.errors import InvalidProductError

SIZE_LIMIT = 64 * 1024**2
"""Bytes of a metadata file; real ones have less than 2 MB."""


class Metadata:
    """A metadata document; lookups take the local names under which an element is known, in order of preference.

    Every error is an `InvalidProductError` naming the file and the element.
    """

    def __init__(self, content: bytes, label: str) -> None:
        self.label = label
        self._elements: dict[str, list[Element]] = defaultdict(list)
        for element in _parse(content, label).iter():
            self._elements[element.tag.rpartition("}")[2]].append(element)

    def all(self, name: str) -> list[Element]:
        """Every element of that name, in document order."""
        return self._elements.get(name, [])

    def text(self, *names: str) -> str | None:
        """Text of the first element that has any."""
        for name in names:
            for element in self.all(name):
                if element.text and element.text.strip():
                    return element.text.strip()
        return None

    def need(self, *names: str) -> str:
        """Text of the first element that has any; there must be one."""
        text = self.text(*names)
        if text is None:
            raise InvalidProductError(f"{self.label}: no {' or '.join(names)}")
        return text

    def number(self, *names: str) -> float | None:
        """Value of the first element that has one."""
        text = self.text(*names)
        return None if text is None else self.to_number(text, names[0])

    def need_number(self, *names: str) -> float:
        """Value of the first element that has one; there must be one."""
        return self.to_number(self.need(*names), names[0])

    def time(self, *names: str) -> datetime:
        """Time of the first element that has one, aware and in UTC; there must be one."""
        return parse_time(self.need(*names), f"{self.label}: {names[0]}")

    def to_number(self, text: str, name: str) -> float:
        """Read the text of the element `name` as a finite number."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise InvalidProductError(f"{self.label}: {name} is {text!r}, no finite number")
        return value


def parse_time(text: str, label: str) -> datetime:
    """Read an ISO 8601 time; without a zone it is UTC. Raises `InvalidProductError` naming `label`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidProductError(f"{label} is {text!r}, no time") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def child_text(element: Element, name: str) -> str | None:
    """Text of the first descendant with that local name."""
    for child in element.iter():
        if child.tag.rpartition("}")[2] == name and child.text:
            return child.text.strip()
    return None


def _parse(content: bytes, label: str) -> Element:
    if len(content) > SIZE_LIMIT:
        raise InvalidProductError(f"{label}: {len(content)} bytes of XML, more than the {SIZE_LIMIT} allowed")
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InvalidProductError(f"{label}: XML with a document type or entities is refused: {error}") from error
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that is none
        raise InvalidProductError(f"{label}: no well-formed XML: {error}") from error
    return root
