"""Werkzeug's Rule and Map with quartish's route options and a table of static paths."""

from __future__ import annotations

from .map import AdapterCache as AdapterCache
from .map import BaseConverter
from .map import ELSEWHERE as ELSEWHERE
from .map import is_valid_host
from .map import Map
from .map import MapAdapter
from .map import NO_RULES as NO_RULES
from .map import NOWHERE as NOWHERE
from .map import Rule
from .map import VALID_HOSTS as VALID_HOSTS

__all__ = ["BaseConverter", "Map", "MapAdapter", "Rule", "is_valid_host"]
