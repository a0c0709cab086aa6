"""What the notebooks need and do not show: checks of exercises, the explorer, lesson pictures."""
