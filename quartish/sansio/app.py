"""The application base class under Flask's name for it; it lives in `_core`."""

from .._core import _make_timedelta as _make_timedelta
from .._core import Core as App
from .scaffold import _endpoint_from_view_func as _endpoint_from_view_func
from .scaffold import find_package as find_package
from .scaffold import Scaffold as Scaffold
from .scaffold import setupmethod as setupmethod

__all__ = ["App"]
