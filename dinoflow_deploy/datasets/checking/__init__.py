"""Looking through a data set for what is wrong, and at what it holds."""
