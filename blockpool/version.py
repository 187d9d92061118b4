"""Which version this is, as the installed distribution says."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("blockpool")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0+source"
