"""The desk's addresses: who may enter, what is read from the request, what is done, which page answers."""
