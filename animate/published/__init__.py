"""Published systems as networks of our own writing, with the published names and sizes, so that their files load."""
