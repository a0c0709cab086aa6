"""What a person starts and gets: a run's folder, its report, the terminal, the command."""
