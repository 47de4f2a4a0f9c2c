"""Reading calibrated datasets straight into arrays."""
