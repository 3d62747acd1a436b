"""The types of the graph, split by subject."""
