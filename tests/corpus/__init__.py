"""Files as people have them, each with what is read of it or how it is refused: see `test_file_corpus`."""
