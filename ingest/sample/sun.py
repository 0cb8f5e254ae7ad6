"""Where the sun stands, to about 0.1 degree."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

type F64 = NDArray[np.float64]


@dataclass(frozen=True)
class SunAngles:
    """Zenith and azimuth (clockwise from north) in degrees."""

    zenith: F64
    azimuth: F64


def sun_angles(when: datetime, lon: F64, lat: F64) -> SunAngles:
    """Direction of the sun at places in degrees; `when` is UTC.

    Source: low-precision formulae of the Astronomical Almanac (Michalsky 1988, Solar Energy 40).
    """
    days = (when - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86_400
    anomaly = radians((357.528 + 0.9856003 * days) % 360)
    longitude = radians((280.460 + 0.9856474 * days + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly)) % 360)
    tilt = radians(23.439 - 4e-7 * days)
    right_ascension = np.arctan2(cos(tilt) * sin(longitude), cos(longitude))
    declination = np.arcsin(sin(tilt) * sin(longitude))
    sidereal = np.radians((6.697375 + 0.0657098242 * days + _hours(when)) % 24 * 15 + lon)
    hour = sidereal - right_ascension
    phi = np.radians(lat)
    height = np.arcsin(np.sin(declination) * np.sin(phi) + np.cos(declination) * np.cos(phi) * np.cos(hour))
    east = -np.cos(declination) * np.sin(hour)
    north = np.sin(declination) * np.cos(phi) - np.cos(declination) * np.sin(phi) * np.cos(hour)
    return SunAngles(90 - np.degrees(height), np.degrees(np.arctan2(east, north)) % 360)


def earth_sun_correction(when: datetime) -> float:
    """The factor `U` of the products' `Reflectance_Conversion`: ESA's Sentinel-2 User Handbook, level-1C processing."""
    days = (when - datetime(1950, 1, 1, tzinfo=UTC)).total_seconds() / 86_400
    return float((1 - 0.01673 * cos(0.0172 * (days - 2))) ** -2)


def _hours(when: datetime) -> float:
    return when.hour + when.minute / 60 + when.second / 3600
