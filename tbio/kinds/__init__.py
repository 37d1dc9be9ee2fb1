"""The data kinds, one module each: how it is encoded, how it is decoded, what its metadata say."""
