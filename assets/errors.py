"""The root of every refusal, and the one that files cause."""


class FaceError(Exception):
    """The root: anything emberface refuses, with a message meant for its user."""


class AssetError(FaceError, FileNotFoundError):
    """A bundled or registered asset that is missing, altered or unknown."""
