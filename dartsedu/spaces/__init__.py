"""The search spaces, a folder each."""
