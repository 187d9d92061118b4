"""All records of a key: none is left out, however many stand in one block."""
