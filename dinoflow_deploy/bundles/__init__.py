"""The bundle, an exported model in a folder, and the shapes that a model takes."""
