"""A run as a stream of steps: the stream itself, its recording, averaged weights."""
