"""Who is let in by a token, and how much a caller may ask for."""
