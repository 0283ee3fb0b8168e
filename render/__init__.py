"""render: cameras, the rasterizer, a readable default look, images and video. Knows geometry, no networks."""
