"""The models that have a name: those of this package and the published ones."""
