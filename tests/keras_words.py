"""The words of the embedding that `keras_fits` trains, row by row."""

WORDS = ["<pad>", "<start>", "<unknown>", "<3>", *(f"word{rank}" for rank in range(1, 27))]
