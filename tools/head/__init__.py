"""How the default head is made; see tools/build_head.py."""
