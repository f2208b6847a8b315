"""What a caller's own loop needs beside the engine: his items, their rows, and the outcomes that he saves himself."""
