"""The published readers that EMOTE is trained with, as networks of our own writing whose files load strictly."""
