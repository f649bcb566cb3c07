"""The models: from prepared pictures to unit vectors."""
