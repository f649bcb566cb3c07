"""What travels between the parts of lookalive, and how: nothing here does work."""
