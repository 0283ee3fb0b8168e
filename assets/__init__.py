"""The files emberface brings along: what they are, where they lie, whose they are."""

from assets.locate import asset_path
from assets.registry import ASSETS, Asset

__all__ = ["ASSETS", "Asset", "asset_path"]
