"""Landmarks, cameras and priors to a head: what is seen, how far off a head is, and the solver."""
