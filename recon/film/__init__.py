"""A film, or a camera, to a performance: people met by keyframes, frames fitted, motion joined."""
