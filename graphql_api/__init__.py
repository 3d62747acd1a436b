"""One graph over everything: no tables and no rules of its own."""
