"""Real pictures and films, as people publish them, to crops with fitted faces in shards, and back.

    from recon.corpus.build import BuildOptions, build
    from recon.corpus.read import samples

Layouts of published folders are read by one file each (`ffhq`, `celeba`, `lrs3`, `mead`, `voxceleb`, `files`).
"""
