"""One file per model, one method per objective, and the algorithm as `step`."""
