"""Query and item encoders shared by every learned family."""
