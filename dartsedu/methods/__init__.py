"""What variants of DARTS change: a file for each factor, and the methods made of them by name."""
