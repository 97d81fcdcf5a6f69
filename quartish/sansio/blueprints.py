"""Blueprints under Flask's second name for them; they live in `blueprints`."""

from ..blueprints import Blueprint as Blueprint
from ..blueprints import BlueprintSetupState as BlueprintSetupState
from ..blueprints import DeferredSetupFunction as DeferredSetupFunction

__all__ = ["Blueprint", "BlueprintSetupState", "DeferredSetupFunction"]
