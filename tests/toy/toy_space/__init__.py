"""A search space that another distribution brings: CONTRIBUTING explains it."""
