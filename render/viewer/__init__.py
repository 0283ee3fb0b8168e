"""A performance as one web page that works from disk, without a network: sound, timeline, sliders, any view."""

from render.viewer.page import viewer_page, write_viewer
from render.viewer.serve import Served, serve

__all__ = ["Served", "serve", "viewer_page", "write_viewer"]
