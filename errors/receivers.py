"""Writes error records inside the chunk's transaction."""
