"""What every training has: configs, a run that goes on where it was stopped, processes that share it, a board."""
