"""Readers of character files, one a format. Each gives a `Scene`: meshes with shapes, and the bones they hang on."""
