"""What apps and blueprints share, under Flask's name for it; it lives in `_registry`."""

from .._packages import find_package as find_package
from .._packages import get_root_path as get_root_path
from .._registry import _endpoint_from_view_func as _endpoint_from_view_func
from .._registry import _sentinel as _sentinel
from .._registry import Registry as Scaffold
from .._registry import setupmethod as setupmethod

__all__ = ["Scaffold", "find_package", "setupmethod"]
