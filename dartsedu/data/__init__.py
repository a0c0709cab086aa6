"""Data sets in three named splits, and what they are made of."""
