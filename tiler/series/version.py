"""The version of the software that made an answer."""

from importlib.metadata import version

NAME = "sen2extract"
VERSION = version(NAME)
