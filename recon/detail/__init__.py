"""Fine displacement: folds, furrows and wrinkles of a face as heights over the fitted mesh, in UV."""
