"""System checks of the engine; each has a number and a hint."""
