"""Creating calibrated datasets: every check first, then writing that can be undone."""
