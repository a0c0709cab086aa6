"""The third space: equations."""
